"""Deliberate faults of the proofs beyond what can be listed, each caught by a test of its own; see ``mutants``."""

from __future__ import annotations

from mutant import Mutant

SETS = "tasks/checker/sets.py"
PATHS, ENDLESS = "tests/unit/tasks/checker/test_checker_paths.py", "tests/property/test_endless.py"
EXECUTIONS = "tests/unit/tasks/proofs/test_long_executions.py"
THOUSAND = f"{EXECUTIONS}::test_the_rounding_of_a_thousand_keys_is_in_the_bounds"
CANCELLED = f"{EXECUTIONS}::test_the_rounding_of_scores_that_cancel_is_in_the_bounds"
LONG_SCORE = f"{EXECUTIONS}::test_the_rounding_of_a_score_of_many_terms_is_in_the_bounds"
BOX = f"{PATHS}::test_a_claim_that_breaks_in_one_half_of_each_box_alone_is_refused"
SET = f"{PATHS}::test_a_set_that_breaks_in_one_of_its_parts_alone_is_refused"

MATTERS, EXPLAINED = "tests/property/test_what_matters.py", "tests/unit/tasks/pipeline/test_what_is_explained.py"
VERIFY = "tests/unit/tasks/pipeline/test_verify.py"

APART = "tests/unit/tasks/bounds/test_differences_of_logits.py"
GROUPS = "tests/unit/tasks/pipeline/test_groups.py"
LINES = "tests/unit/tasks/checker/test_checker_lines.py"
PAIRS = "tests/property/test_pairs_of_numbers.py"
LISTS = "tests/unit/tasks/pipeline/test_lists.py"
OCCURRENCES = "tests/unit/dsl/test_occurrences.py"
COUNTED_PAIRS = f"{PAIRS}::test_pairs_that_fail_are_no_fewer_and_no_more_than_is_said"
COMPARED = "tests/property/test_numbers_compared.py"
GUESSING = f"{COMPARED}::test_a_machine_that_guesses_calculates_as_python_does"
OTHER_COMPARED = f"{COMPARED}::test_another_comparison_is_refused_by_prover_and_checker"
PROVED_PAIRS = f"{PAIRS}::test_what_is_proved_holds_for_every_pair"
CHECKED_PAIRS = f"{PAIRS}::test_what_the_checker_finds_holds_for_every_pair"

BEYOND: tuple[Mutant, ...] = (
    Mutant(
        "groups that are not chosen add what one of their ways adds",
        "tasks/proofs/digit_groups.py",
        "np.maximum.at(most[start], target, known[1][start, source] + terms)",
        "np.minimum.at(most[start], target, np.abs(known[1][start, source] + terms))",
        PROVED_PAIRS,
    ),
    Mutant(
        "answers to lists are compared at their first token alone",
        "tasks/proofs/list_search.py",
        "return np.asarray(self.margins(rows).min(axis=1))",
        "return np.asarray(self.margins(rows)[:, 0])",
        f"{LISTS}::test_margins_by_right_tokens_are_below_zero_where_greedy_answers_differ",
    ),
    Mutant(
        "items of lists that should differ are made the same",
        "tasks/proofs/list_search.py",
        "if not lists.is_distinct or token not in row:",
        "if True:",
        f"{LISTS}::test_different_items_stay_different",
    ),
    Mutant(
        "a token that occurs twice occurs once",
        "dsl/grammars/selections.py",
        "(counts == 1) if is_once",
        "(counts <= 2) if is_once",
        f"{OCCURRENCES}::test_it_is_the_token_that_a_reader_of_its_text_would_take",
    ),
    Mutant(
        "a guessed comparison may end in any way",
        "tasks/automata/digits.py",
        "if guess == (tested < 0))",
        "if guess in (0, 1))",
        GUESSING,
    ),
    Mutant(
        "a comparison starts as if it held",
        "tasks/automata/digits.py",
        "return tuple(sorted(self._numbers[state] for state in self._guessed))",
        "return (min(self._numbers[state] for state in self._guessed),)",
        GUESSING,
    ),
    Mutant(
        "groups below one that is chosen are as after one start alone",
        "tasks/proofs/digit_groups.py",
        "return least[starts].min(axis=0), most[starts].max(axis=0)",
        "return least[starts[0]], most[starts[0]]",
        OTHER_COMPARED,
    ),
    Mutant(
        "the carry of a comparison is its form with the signs turned",
        "tasks/automata/digits.py",
        "tested = (below.tested[0] * a + below.tested[1] * b + tested) // base",
        "tested = -((below.tested[0] * a + below.tested[1] * b + tested) // base)",
        GUESSING,
    ),
    Mutant(
        "the checker lets a comparison end otherwise than it was supposed",
        "tasks/checker/pairs.py",
        "return (carries[0] == 1) == (carries[2] < 0)",
        "return True",
        GUESSING,
    ),
    Mutant(
        "the checker supposes but one outcome of a comparison",
        "tasks/checker/pairs.py",
        "supposed = (0,) if self.decides == ALWAYS else (0, 1)",
        "supposed = (0,)",
        GUESSING,
    ),
    Mutant(
        "the checker reads at most as less",
        "tasks/checker/pairs.py",
        "return (yes, no), _apart(right, left), None",
        "return (no, yes), _apart(left, right), None",
        GUESSING,
    ),
    Mutant(
        "a digit is right with a margin below zero",
        "tasks/proofs/digit_groups.py",
        "return sure[rows, worst], worst, pull",
        "return sure[rows, worst] + 5, worst, pull",
        PROVED_PAIRS,
    ),
    Mutant(
        "the checker takes the last way through a group for all",
        "tasks/checker/pairs.py",
        "return two if one is None else ([*map(min, one[0], two[0])], [*map(max, one[1], two[1])])",
        "return two",
        CHECKED_PAIRS,
    ),
    Mutant(
        "the difference of two logits is not rounded",
        "tasks/bounds/zonotope.py",
        "rounded = gamma(depth, u) * (reach + offset)",
        "rounded = 0.0 * (reach + offset)",
        f"{APART}::test_differences_hold_every_point_and_what_float32_computes",
    ),
    Mutant(
        "products of a group need not be associative",
        "tasks/pipeline/groups.py",
        "return all((products[products[:, g]] == products[:, products[g]]).all() for g in generators)",
        "return True",
        f"{GROUPS}::test_a_latin_square_with_a_unit_that_is_not_associative_is_no_group",
    ),
    Mutant(
        "the product of a group is that of its elements in the other order",
        "dsl/grammars/groups.py",
        "said[n, m] = index",
        "said[m, n] = index",
        f"{GROUPS}::test_a_group_is_found_in_any_order_and_with_any_names",
    ),
    Mutant(
        "a set of pairs of which one may be wrong is counted as wrong",
        "tasks/proofs/failing_pairs.py",
        "self.wrong += int(sizes[most < 0].sum())",
        "self.wrong += int(sizes[least < 0].sum())",
        COUNTED_PAIRS,
    ),
    Mutant(
        "a choice of digits is counted as one pair",
        "tasks/proofs/failing_pairs.py",
        "np.add.at(one, pairs, 1)",
        "one[pairs] = 1",
        f"{PAIRS}::test_every_pair_fails_of_a_program_that_says_one_more",
    ),
    Mutant(
        "the checker decides a choice with a margin below zero",
        "tasks/checker/pairs.py",
        "columns.append((float(line.ball.lower()) - known",
        "columns.append((float(line.ball.lower()) + 5 - known",
        CHECKED_PAIRS,
    ),
    Mutant(
        "the checker takes one end of a choice's box for both",
        "tasks/checker/pairs.py",
        "(one if x > 0 else two)",
        "one",
        f"{LINES}::test_what_a_box_in_a_hull_leaves_is_no_more_than_at_any_of_its_points",
    ),
    Mutant(
        "the checker forgets what an execution rounds in logits whose difference it takes",
        "tasks/checker/pairs.py",
        "return one + other + TINY if",
        "return ZERO if",
        f"{LINES}::test_differences_of_logits_hold_those_that_float32_computes",
    ),
    Mutant(
        "a square of a line is linear",
        "tasks/checker/lines.py",
        "half, half + 2 * self.ball.rad() * reach",
        "half, 2 * self.ball.rad() * reach",
        f"{LINES}::test_a_square_holds_that_of_every_point",
    ),
    Mutant(
        "a part without which labels are open is redundant",
        "tasks/proofs/effects.py",
        "return self.compared > 0 and not self.changed and not self.undecided",
        "return self.compared > 0 and not self.changed",
        f"{EXPLAINED}::test_a_tie_is_open_and_never_without_effect",
    ),
    Mutant(
        "other weights of a map move it half as far",
        "tasks/bounds/interpreter.py",
        "return Ball(y.center, (y.radius + spread * moved) * ball.INFLATION)",
        "return Ball(y.center, (y.radius + 0.5 * spread * moved) * ball.INFLATION)",
        f"{MATTERS}::test_bounds_on_other_weights_are_no_wider_than_need_be",
    ),
    Mutant(
        "other embeddings are the same",
        "tasks/bounds/perturbation.py",
        "x = Ball(start.x.center, (start.x.radius + spread * moved) * ball.INFLATION)",
        "x = start.x",
        f"{MATTERS}::test_bounds_on_other_weights_are_no_wider_than_need_be",
    ),
    Mutant(
        "a changed sequence outside of the domain is the first one in it",
        "tasks/proofs/invariance.py",
        "return np.where(known[order[at]] == keys, order[at], -1)",
        "return order[at]",
        f"{MATTERS}::test_a_changed_sequence_outside_the_domain_is_not_compared",
    ),
    Mutant(
        "labels below the least margin are compared",
        "tasks/proofs/effects.py",
        "return np.where(part.margins >= least, part.labels, UNDECIDED)",
        "return part.labels",
        f"{EXPLAINED}::test_labels_below_the_least_margin_are_not_compared",
    ),
    Mutant(
        "an answer of one's own function that is no label is right",
        "tasks/pipeline/functions.py",
        "said[row] = NO_LABEL if answer is None else index.get(answer, NO_LABEL)",
        "said[row] = NO_LABEL if answer is None else index.get(answer, 0)",
        f"{VERIFY}::test_one_wrong_answer_late_among_many_is_the_one_exception",
    ),
    Mutant(
        "a function is asked once",
        "tasks/pipeline/functions.py",
        "self._pass(batch, index, range(batch.examples - 1, -1, -1), first)",
        "pass",
        f"{VERIFY}::test_a_function_that_changes_its_mind_gets_no_claim",
    ),
    Mutant(
        "a text is read whatever its names mean in its file",
        "tasks/pipeline/own_programs.py",
        "hidden = hidden_names(self.text, text)\n        if hidden:\n            return",
        "hidden: list[str] = []\n        if hidden:\n            return",
        f"{VERIFY}::test_a_file_that_changes_what_len_means_is_run_as_it_is",
    ),
    Mutant(
        "a label that the program has none like is one that it does not give",
        "tasks/proofs/verifier.py",
        "OTHER = -3",
        "OTHER = -2",
        f"{VERIFY}::test_a_label_that_a_program_has_none_like_is_not_that_of_one_that_gives_none",
    ),
    Mutant(
        "the checker drops the upper half of a box",
        SETS,
        "for end in (box[n].lower(), box[n].upper()):",
        "for end in (box[n].lower(),):",
        BOX,
    ),
    Mutant(
        "the checker drops the lower half of a box",
        SETS,
        "for end in (box[n].lower(), box[n].upper()):",
        "for end in (box[n].upper(),):",
        BOX,
    ),
    Mutant(
        "the checker drops the upper part of a set",
        SETS,
        "for below in (True, False)]",
        "for below in (True,)]",
        SET,
    ),
    Mutant(
        "the checker drops the lower part of a set",
        SETS,
        "for below in (True, False)]",
        "for below in (False,)]",
        SET,
    ),
    Mutant(
        "prefix and sink do not fade",
        "tasks/proofs/count_bounds.py",
        "np.where(far, 0.0, 1.0)",
        "np.where(far, 1.0, 1.0)",
        f"{ENDLESS}::test_far_out_the_bounds_of_an_endless_box_come_near_its_corners",
    ),
    Mutant(
        "halves of endless boxes lose a number",
        "tasks/proofs/all_lengths.py",
        "below[here], above[here] = middle, middle + 1",
        "below[here], above[here] = middle, middle + 2",
        f"{ENDLESS}::test_halves_hold_every_whole_number_of_a_box_once",
    ),
    Mutant(
        "the checker's halves of endless boxes lose a number",
        "tasks/checker/endless.py",
        "(*low[:n], middle + 1, *low[n + 1 :])",
        "(*low[:n], middle + 2, *low[n + 1 :])",
        "tests/unit/tasks/checker/test_checker_endless.py::test_halves_hold_every_whole_number_of_a_box_once",
    ),
    Mutant(
        "the checker asks for the first last letter alone",
        "tasks/checker/programs.py",
        '"_last" in read, is_read',
        "False, is_read",
        f"{PATHS}::test_a_program_that_is_wrong_for_one_last_letter_alone_is_refused",
    ),
    Mutant(
        "the checker's scores have no error",
        "tasks/checker/arithmetic.py",
        "[reach * v for v in lengths or map(length, keys)]",
        "[ZERO * reach * v for v in lengths or map(length, keys)]",
        f"{LONG_SCORE}[counts]",
    ),
    Mutant(
        "errors of scores move no average of the checker",
        SETS,
        "((max(s.rad() for s in scores) + a.drift(2 * largest, count)).exp() - 1)",
        "(SLACK.exp() - 1)",
        CANCELLED,
    ),
    Mutant(
        "errors of scores move no average",
        "tasks/bounds/ball.py",
        "wobble = scores.radius + gamma(4, u) * (size",
        "wobble = 0 * scores.radius + gamma(4, u) * (size",
        CANCELLED,
    ),
    Mutant(
        "counts are of sixteen keys",
        "tasks/proofs/count_bounds.py",
        "keys = longest + len(self._own) - self.letters + (step.sink is not None)",
        "keys = 16",
        f"{THOUSAND}[tally]",
    ),
    Mutant(
        "averages are of sixteen keys",
        "tasks/bounds/ball.py",
        "rounded = 2 * gamma(2 * (keys + len(v.center)) + 8, u) * (1 + growth)",
        "rounded = 2 * gamma(2 * 16 + 8, u) * (1 + growth)",
        f"{THOUSAND}[averages]",
    ),
    Mutant(
        "the checker's counts are of sixteen keys",
        SETS,
        "rows.weights(last, [*range(cells)], longest + cells - letters + 1)",
        "rows.weights(last, [*range(cells)], 16)",
        f"{THOUSAND}[counts]",
    ),
    Mutant(
        "the checker's paths are of sixteen keys",
        SETS,
        "rows.weights(end, keys, length + len(fixed) + 1)",
        "rows.weights(end, keys, 16)",
        f"{THOUSAND}[paths]",
    ),
    Mutant(
        "a point has no error",
        "tasks/proofs/count_bounds.py",
        "return ball._ball(center, np.broadcast_to(error, center.shape)), np.zeros_like(low)",
        "return ball._ball(center, np.zeros_like(center)), np.zeros_like(low)",
        f"{THOUSAND}[tally]",
    ),
    Mutant(
        "the checker forgets the values of endless letters",
        "tasks/checker/endless.py",
        "if end == inf]\n                hull",
        "if end != end]\n                hull",
        "tests/unit/tasks/checker/test_checker_endless.py::test_endless_boxes_hold_logits_at_counts_up_to_a_thousand_million",
    ),
    Mutant(
        "a way without a return is forgotten",
        "tasks/checker/ranges.py",
        "({None} if fallen else set())",
        "set()",
        "tests/unit/tasks/checker/test_checker_endless.py::test_programs_with_ever_more_states_or_without_an_answer_are_refused",
    ),
)

"""Deliberate faults in the proofs beyond listing, each noticed by a test."""

from __future__ import annotations

from mutant import Mutant

LONG, PROPERTY = "tests/unit/test_long_executions.py::", "tests/property/test_endless.py::"
ENDLESS = "tests/unit/test_checker_endless.py::"

BEYOND: tuple[Mutant, ...] = (
    Mutant(
        "the checker drops one half of a box",
        "tasks/checker/sets.py",
        "for end in (box[n].lower(), box[n].upper()):",
        "for end in (box[n].lower(),):",
        f"{LONG}test_a_claim_that_is_false_in_one_half_of_a_box_alone_is_refused",
    ),
    Mutant(
        "the checker drops score errors",
        "tasks/checker/sets.py",
        "moved = ((max(s.rad() for s in scores) + a.drift(",
        "moved = ((0 * max(s.rad() for s in scores) + a.drift(",
        f"{LONG}test_what_scores_may_err_is_in_the_checkers_bound",
    ),
    Mutant(
        "the checker rounds as for a few keys",
        "tasks/checker/sets.py",
        "rows.weights(last, [*range(cells)], longest + cells - letters + 1)",
        "rows.weights(last, [*range(cells)], 16)",
        f"{LONG}test_the_checkers_counts_hold_an_execution_over_a_thousand_tokens",
    ),
    Mutant(
        "the checker's machine never asks for the last token",
        "tasks/checker/programs.py",
        'lambda state, last: called(answer, *state[: len(names)], last), "last" in read)',
        "lambda state, last: called(answer, *state[: len(names)], last), False)",
        "tests/unit/test_checker_counts.py::test_a_program_that_is_wrong_for_the_last_letters_alone_is_refused",
    ),
    Mutant(
        "prefix and sink stay in endless corners",
        "tasks/tally.py",
        "np.where(far, 0.0, 1.0))",
        "np.where(far, 1.0, 1.0))",
        f"{PROPERTY}test_endless_boxes_hold_attention_at_counts_up_to_a_thousand_million",
    ),
    Mutant(
        "tally rounds as for a few keys",
        "tasks/tally.py",
        "keys = longest + len(self._own) - self.letters + config.sink",
        "keys = 16",
        f"{LONG}test_counts_hold_an_execution_over_a_thousand_tokens",
    ),
    Mutant(
        "tally does not round at points",
        "tasks/tally.py",
        "np.broadcast_to(error, center.shape)), np.zeros_like(low)",
        "np.zeros(center.shape)), np.zeros_like(low)",
        f"{LONG}test_counts_hold_an_execution_over_a_thousand_tokens",
    ),
    Mutant(
        "averages round as for a few keys",
        "tasks/averages.py",
        "count = length + len(self._prefix) + len(self._suffix)",
        "count = 16",
        f"{LONG}test_averages_along_a_path_hold_an_execution_over_a_thousand_tokens",
    ),
    Mutant(
        "halves leave out a whole number",
        "tasks/tail.py",
        "below[here], above[here] = middle, middle + 1",
        "below[here], above[here] = middle, middle + 2",
        f"{PROPERTY}test_halves_hold_every_whole_number_of_a_box_once",
    ),
    Mutant(
        "the checker's halves leave out a whole number",
        "tasks/checker/endless.py",
        "yield (*low[:n], middle + 1, *low[n + 1 :]), high",
        "yield (*low[:n], middle + 2, *low[n + 1 :]), high",
        f"{ENDLESS}test_halves_hold_every_whole_number_of_a_box_once",
    ),
    Mutant(
        "the checker forgets the values of endless letters",
        "tasks/checker/endless.py",
        "if end == inf]\n                hull",
        "if end != end]\n                hull",
        f"{ENDLESS}test_endless_boxes_hold_logits_at_counts_up_to_a_thousand_million",
    ),
    Mutant(
        "a way without a return is forgotten",
        "tasks/checker/ranges.py",
        "({None} if fallen else set())",
        "set()",
        f"{ENDLESS}test_programs_with_ever_more_states_or_without_an_answer_are_refused",
    ),
)

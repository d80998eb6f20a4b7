"""Deliberate faults of prover and checker, each of which the attack or a test must notice; and the runner that tries.

``python tests/attack --mutants`` copies the project, puts one fault at a time into the copy, and runs there what is
named to catch it. A part of the attack catches a fault where it finds something wrong that it does not find without.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from campaign import PARTS
from mutant import Mutant
from mutants_coarse import COARSE
from mutants_quick import QUICK
from mutants_recurrent import RECURRENT
from mutants_rough import ROUGHLY
from mutants_states import STATES
from mutants_streams import STREAMS
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("backends", "benchmarks", "cegis", "dsl", "tasks", "tests")
SIZES = {
    "networks": 600,
    "planted": 24,
    "certificates": 320,
    "programs": 80,
    "writers": 60,
    "streams": 240,
    "problems": 600,
}
OPTIONS = {part: "--kills" if part == "writers" else f"--{part}" for part in PARTS}
SECONDS = 900  # for one mutant

WITNESSES = "tests/unit/cegis/test_witnesses.py"
WORDS = "tests/unit/cegis/test_sygus_conversions.py::test_the_encoding_has_the_value_of_exact_evaluation_at_all_words"
BALL, FORMS, CHECKER = "tasks/bounds/ball.py", "tasks/bounds/zonotope.py", "tasks/checker/arithmetic.py"
LAWS = "tests/property/test_checker_arithmetic.py"
WORKERS = "tests/unit/tasks/bounds/test_workers.py"
SUM = "test_a_sum_whose_roundings_all_go_wrong_lies_in_its_ball_and_near_its_edge"
WORST = f"tests/property/test_ball.py::{SUM}"
ATTENDED = "tests/property/test_ball.py::test_attention_contains_every_execution"
LOST = "tests/property/test_ball.py::test_attention_whose_weights_are_not_known_is_unbounded"
BLOCKS = "tests/property/test_ball.py::test_identities_side_by_side_add_as_other_weights_do"
CUT = "tests/unit/tasks/proofs/test_parts_of_proofs.py"
NARROW = "tests/unit/tasks/checker/test_checker_narrow.py"
MUTANTS = (
    Mutant(
        "an eighth of each rounding",
        BALL,
        "np.where(k * u < 0.5, k * u / (1 - k * u) +",
        "np.where(k * u < 0.5, k * u / 8 +",
        "networks",
    ),
    Mutant(
        "no rounding in a sum of products",
        BALL,
        "moved + _rounded(x.magnitude, np.abs(center) + moved, layer, u))",
        "moved)",
        "networks",
    ),
    Mutant(
        "partial sums without what cancels",
        BALL,
        "return rest * size + half * total",
        "return rest * total + half * total",
        WORST,
    ),
    Mutant("partial sums of half their size", BALL, "v in ways) / 2.0", "v in ways) / 4.0", WORST),
    Mutant(
        "a sum no larger than at its center",
        BALL,
        "np.abs(center) + moved, layer, u)",
        "np.abs(center), layer, u)",
        WORST,
    ),
    Mutant(
        "a sum no larger than that of the largest it may read",
        BALL,
        "radius = layer.sizes(x.radius) + _rounded(x.center + x.radius, size, layer, u)",
        "radius = affine(x, layer, u).radius",
        "tests/property/test_ball.py::test_what_a_map_is_off_by_holds_for_all_signs_of_what_it_reads",
    ),
    Mutant("any blocks of weights are identities", BALL, "blocks if is_sum else 0", "blocks", BLOCKS),
    Mutant(
        "ReLU of a ball by its centre",
        BALL,
        "negative = x.center + x.radius <= 0",
        "negative = x.center <= 0",
        "networks",
    ),
    Mutant(
        "a norm whose root does not move",
        BALL,
        "moved = x.radius / floor + np.abs(x.center) * rho / (floor * root)",
        "moved = x.radius / floor",
        "networks",
    ),
    Mutant(
        "a variance without rounding",
        BALL,
        "spread = 4.0 * g * ((x.magnitude**2)",
        "spread = 1e-3 * g * ((x.magnitude**2)",
        "networks",
    ),
    Mutant(
        "AbsTopK drops what it need not",
        BALL,
        "kept, dropped = low > high_next, high < low_kth",
        "kept, dropped = low > high_next, ~(low > high_next)",
        "networks",
    ),
    Mutant(
        "scores of softmax do not drift",
        BALL,
        "delta = (scores.radius + gamma(4, u) * (size + largest) + gamma(16 * blocks, u)) * INFLATION",
        "delta = 0.0 * scores.radius",
        "networks",
    ),
    Mutant(
        "queries of scores are exact",
        BALL,
        "self._q = _by_head(q.center, q.radius + g * q.magnitude, np.abs(q.center))",
        "self._q = _by_head(q.center, 0.0 * q.magnitude, np.abs(q.center))",
        ATTENDED,
    ),
    Mutant(
        "keys of scores are exact",
        BALL,
        "self._k = _by_head(k.center, size, k.radius)",
        "self._k = _by_head(k.center, size, 0.0 * size)",
        ATTENDED,
    ),
    Mutant("values that are mixed are exact", BALL, "+ sizes[:, :d]", "", ATTENDED),
    Mutant("weights of values are exact", BALL, "loose = weight * growth", "loose = 0.0 * weight", ATTENDED),
    Mutant("weights may vanish", BALL, "np.where(total < 0.5, (moved", "np.where(total < 5.0, (moved", LOST),
    Mutant(
        "a sink may tower over the scores",
        BALL,
        "scores.radius).max(axis=-1, keepdims=True) < SINK_LIMIT",
        "scores.radius).max(axis=-1, keepdims=True) < 10 * SINK_LIMIT",
        "tests/property/test_ball.py::test_attention_to_a_sink_that_may_overflow_is_unbounded",
    ),
    Mutant(
        "rows that may be NaN are those of their neighbours",
        BALL,
        "value = self._values[head].take(seen, axis=0)",
        "value = self._values[head].take(seen[::-1], axis=0)",
        ATTENDED,
    ),
    Mutant(
        "keys seen once are keys seen twice",
        "tasks/bounds/interpreter.py",
        "for column in (seen if ordered else np.sort(seen, axis=1)).T:",
        "for column in (seen if ordered else np.sort(seen, axis=1)[:, :1]).T:",
        "networks",
    ),
    Mutant(
        "a product is not rounded",
        BALL,
        "+ y.magnitude)\n    return _ball(center, moved + gamma(1, u) * (np.abs(center) + moved) + flushed)",
        "+ y.magnitude)\n    return _ball(center, moved + flushed)",
        "networks",
    ),
    Mutant(
        "one side of a product does not move",
        BALL,
        "moved = np.abs(x.center) * y.radius + x.radius * y.magnitude",
        "moved = x.radius * y.magnitude",
        "networks",
    ),
    Mutant(
        "the errors of a product's sides do not meet",
        FORMS,
        "rest = straight + a.radius * b.radius + SLACK * moved",
        "rest = straight + SLACK * moved",
        "tests/property/test_enclosure.py::test_forms_hold_every_point_and_know_what_it_came_from",
    ),
    Mutant(
        "a gate rounds nothing",
        "tasks/bounds/operations.py",
        "moved + gamma(16, u) * x.magnitude + OVERFLOWN",
        "moved + OVERFLOWN",
        "tests/property/test_enclosure.py::test_activations_hold_executions_far_out_by_exp_and_by_tanh",
    ),
    Mutant(
        "the slope of a gate is that of a sigmoid",
        "tasks/bounds/operations.py",
        "slope = np.abs(share + c * share * (1.0 - share)) + SILU_BEND * x.radius + 2.0**-40",
        "slope = np.abs(share) + 2.0**-40",
        "tests/property/test_enclosure.py::test_activations_hold_every_point_of_a_ball",
    ),
    Mutant(
        "angles are as exact as numbers of one rounding",
        "tasks/networks/rotary.py",
        "off = np.minimum(angle * relative, 2.0) + ULPS + 4 * UNIT",
        "off = np.full_like(angle * relative, UNIT)",
        "tests/unit/tasks/formats/test_formats_decoder.py::"
        "test_tables_of_angles_hold_what_float32_computes_in_several_ways",
    ),
    Mutant(
        "every head has the gain of the first",
        "tasks/bounds/interpreter.py",
        "[_norm(norm, Ball(x.center[:, place], x.radius[:, place]), u) for place, norm in step.parts]",
        "[_norm(step.parts[0][1], Ball(x.center[:, at], x.radius[:, at]), u) for at, _ in step.parts]",
        "networks",
    ),
    Mutant(
        "tables lose nothing below normal numbers",
        "tasks/formats/adders.py",
        "FLUSHED = 2.0**-120",
        "FLUSHED = 0.0",
        "tests/unit/tasks/formats/test_formats_adders.py",
    ),
    Mutant(
        "the checker's angles are exact",
        "tasks/checker/decoders.py",
        "return [v if self._is_real else arb(v, 12 * UNIT) for end in ends for v in end]",
        "return [arb(v.mid()) for end in ends for v in end]",
        "networks",
    ),
    Mutant(
        "the checker rounds no product",
        CHECKER,
        "[self.blur(z := x * y, self.gamma(1) * z) for x, y in zip(row, other, strict=True)]",
        "[arb((x * y).mid()) for x, y in zip(row, other, strict=True)]",
        "networks",
    ),
    Mutant(
        "forms forget the rounding of products",
        FORMS,
        "SLACK * (whole.radius @ layer.absolute.T) + rounded + flushed",
        "SLACK * (whole.radius @ layer.absolute.T) + flushed",
        "networks",
    ),
    Mutant(
        "a GELU that does not bend",
        FORMS,
        "0.5 * bend * whole.radius**2",
        "0.0 * whole.radius**2",
        "tests/property/test_enclosure.py::test_forms_hold_every_point_and_know_what_it_came_from",
    ),
    Mutant(
        "weights of sparsemax do not move",
        "tasks/bounds/operations.py",
        "np.where(is_out, 0.0, wobble)",
        "0.0 * wobble",
        "networks",
    ),
    Mutant(
        "a margin of zero is a label",
        "tasks/proofs/enumeration.py",
        "np.where(guaranteed > 0, labels, UNDECIDED)",
        "np.where(guaranteed > -1e-3, labels, UNDECIDED)",
        "networks",
    ),
    Mutant(
        "the largest column leads without its error",
        "tasks/proofs/enumeration.py",
        "best - center - error * ball.INFLATION - 2.0**-50 * size",
        "best - center",
        "networks",
    ),
    Mutant(
        "a solver that proved what the table refutes is believed",
        "cegis/verdict.py",
        "            self._wrong.add(place)\n",
        "",
        "tests/unit/cegis/test_synthesis.py::test_who_proves_what_a_quick_verifier_refutes_is_not_believed",
    ),
    Mutant(
        "counts are one more than the length together",
        "dsl/sequences.py",
        "m.Equals(m.Plus(ones), m.Int(self.length))",
        "m.Equals(m.Plus(ones), m.Int(self.length + 1))",
        "tests/unit/cegis/test_synthesis.py::test_counts_and_length_are_weighed_with_a_lemma_that_follows",
    ),
    Mutant(
        "the last state of a length is not run",
        "tasks/proofs/path_cover.py",
        "for row in np.flatnonzero(~is_right):\n            self._replay",
        "for row in np.flatnonzero(~is_right)[:0]:\n            self._replay",
        "planted",
    ),
    Mutant(
        "boxes that bounds leave open are forgotten",
        "tasks/proofs/path_cover.py",
        "return [box for box, is_few in zip(boxes, few, strict=True) if not is_few]",
        "return [box for box, is_few in zip(boxes, few, strict=True) if not is_few][:0]",
        f"{CUT}::test_boxes_that_are_left_are_cut_some_at_a_time_with_the_same_result",
    ),
    Mutant(
        "what a worker leaves open is forgotten",
        "tasks/proofs/path_cover.py",
        "self._finish(self._noted(next(bounded)))",
        "self._noted(next(bounded))",
        f"{CUT}::test_boxes_that_are_left_are_cut_some_at_a_time_with_the_same_result",
    ),
    Mutant(
        "the last block of a level is left out",
        "tasks/bounds/workers.py",
        "for start in range(0, count, size)]",
        "for start in range(0, max(count - size, 1), size)]",
        f"{WORKERS}::test_blocks_are_all_rows_once",
    ),
    Mutant(
        "classes that differ are not replayed",
        "tasks/proofs/counting.py",
        "for code in codes[(labels != NOTHING) & (answers != labels)]:",
        "for code in codes[(labels != NOTHING) & (answers != labels)][:0]:",
        "planted",
    ),
    Mutant(
        "one length more than was compared",
        "tasks/proofs/counting.py",
        "self._found.finish(levels[0][1].length, ",
        "self._found.finish(levels[0][1].length + 1, ",
        "planted",
    ),
    Mutant(
        "states with other labels are one",
        "tasks/automata/trellis.py",
        "rows = np.column_stack([level.token, level.label, after])",
        "rows = np.column_stack([level.token, level.token, after])",
        "programs",
    ),
    Mutant(
        "the checker rounds nothing",
        CHECKER,
        "wide = x if self.is_real else arb(x, abs(error) + TINY)",
        "wide = x if self.is_real else arb(x, TINY)",
        "networks",
    ),
    Mutant(
        "last rows do not hear of hidden tokens that may be NaN",
        "tasks/bounds/interpreter.py",
        "at_end = at_end and not lost.any()",
        "at_end = bool(at_end)",
        "tests/unit/tasks/bounds/test_not_a_number.py"
        "::test_the_last_row_alone_is_unknown_where_a_row_before_it_may_be_nan",
    ),
    Mutant(
        "first rows are taken for last ones",
        "tasks/bounds/interpreter.py",
        "cells[:, -1] for cells in",
        "cells[:, 0] for cells in",
        "tests/unit/tasks/proofs/test_enumeration_of_domains.py"
        "::test_last_rows_alone_have_the_bounds_that_they_have_among_all",
    ),
    Mutant(
        "a level is settled before its cheaper rows are combined",
        "dsl/enumeration/bank.py",
        "store.levels.items() if c < cost)",
        "store.levels.items() if c < cost - 1)",
        "tests/unit/dsl/test_bank.py",
    ),
    Mutant(
        "a bank is settled for good",
        "dsl/enumeration/bank.py",
        "if self._settled.get(cost) == self._cheaper(cost):",
        "if cost in self._settled:",
        "tests/unit/dsl/test_bank.py",
    ),
    Mutant(
        "a restarted worker is taken to have the rows that the old one had",
        "backends/worker.py",
        "self._child, self._encoder, self._greeted = Child(_start), Encoder(), False",
        "self._child, self._greeted = Child(_start), False",
        "tests/unit/backends/test_backends_worker.py",
    ),
    Mutant(
        "a row of the wire is another one",
        "backends/wire.py",
        "self._row[node.node_id()] = len(self._row)",
        "self._row[node.node_id()] = len(rows) - 1",
        "tests/property/test_backends.py::test_the_wire_carries_the_very_same_formulas_and_no_part_twice",
    ),
    Mutant(
        "the checker's sums are exact",
        CHECKER,
        "arb(1, self.gamma(times)), arb(0, beside + TINY)",
        "arb(1, ZERO), arb(0, beside + TINY)",
        f"{NARROW}::test_a_sum_and_a_norm_hold_what_float32_computes",
    ),
    Mutant(
        "the checker's maps are exact",
        CHECKER,
        "[x * factor + error for x, factor, error in",
        "[x + ZERO * error for x, factor, error in",
        "tests/property/test_checker_arithmetic.py::test_float64_and_float32_executions_lie_in_the_ball",
    ),
    Mutant(
        "the checker's sums without the size of the result",
        CHECKER,
        "factors = [arb(1, half)",
        "factors = [arb(1, 0 * half)",
        f"tests/property/test_checker_arithmetic.py::{SUM}",
    ),
    Mutant(
        "the checker's partial sums of a quarter of the terms",
        CHECKER,
        "for share in (ONE / 2, ONE)",
        "for share in (ONE / 4, ONE)",
        f"tests/property/test_checker_arithmetic.py::{SUM}",
    ),
    Mutant(
        "the checker's averages are exact",
        CHECKER,
        "arb(0, self.gamma(2 * count + 8) * size + TINY)",
        "arb(0, TINY)",
        "tests/unit/tasks/checker/test_checker_balls.py::test_the_rounding_of_faint_keys_is_in_the_average",
    ),
    Mutant(
        "the checker's exponents are exact",
        CHECKER,
        "arb(-best.mid(), self.drift(largest, count))",
        "arb(-best.mid(), ZERO)",
        f"{NARROW}::test_scores_move_by_what_rounding_may_do_to_them",
    ),
    Mutant(
        "the checker looks at no number whatever the weights",
        "tasks/checker/narrow.py",
        "if not (a.is_real or is_tame(network, a, is_small=True)):",
        "if False:",
        f"{NARROW}::test_numbers_that_may_reach_the_limit_are_looked_at_in_the_whole_network",
    ),
    Mutant(
        "the checker takes what a weight reads for unread",
        "tasks/checker/narrow.py",
        "any(weight[row][n] != 0 for row in rows)",
        "any(weight[row][n] > 0 for row in rows)",
        f"{NARROW}::test_what_is_read_has_the_bounds_that_it_has_in_the_whole_network",
    ),
    Mutant(
        "the checker's norms are of what is read behind them",
        "tasks/checker/narrow.py",
        "wanted = [*wanted, *(n for n in range(len(gain)) if n not in wanted)]",
        "wanted = [*wanted]",
        f"{NARROW}::test_a_masked_entry_is_not_read_and_a_norm_reads_every_entry",
    ),
    Mutant(
        "the checker takes a weight that is no number for none",
        "tasks/checker/network.py",
        "if is_known([*column]) else arb.nan()",
        "if column else arb.nan()",
        f"{NARROW}::test_numbers_that_may_reach_the_limit_are_looked_at_in_the_whole_network",
    ),
    Mutant(
        "the checker's AbsTopK keeps what may go",
        CHECKER,
        "ZERO if v.abs_upper() < kth else v.union(ZERO)",
        "ZERO if v.abs_upper() < kth else v",
        "tests/property/test_checker_arithmetic.py::test_the_largest_entries_are_kept_and_ties_become_hulls",
    ),
    Mutant(
        "the checker's variance is exact",
        CHECKER,
        "arb(root * root, error)",
        "arb(root * root, ZERO)",
        f"{LAWS}::test_a_variance_of_one_pass_errs_by_as_much_as_the_squares_do",
    ),
    Mutant(
        "the checker's variance errs as if it were made in two passes",
        CHECKER,
        "row, error = arb_mat([x]), 4 * error",
        "row, error = arb_mat([x]), 4 * self.gamma(n + 8) * (_square(arb_mat([x])) / n + eps)",
        f"{LAWS}::test_a_variance_of_one_pass_errs_by_as_much_as_the_squares_do",
    ),
    Mutant(
        "the checker's mean is exact",
        CHECKER,
        "[v - mean for v in x], 1, size)",
        "[v - mean for v in x], 1)",
        f"{LAWS}::test_an_entry_at_the_mean_is_off_it_by_what_the_mean_errs",
    ),
    Mutant(
        "the checker's roots do not move",
        CHECKER,
        "(_square(row - middles) / n).upper().sqrt()",
        "ZERO",
        f"{LAWS}::test_the_image_of_a_ball_holds_the_image_of_its_points",
    ),
    Mutant(
        "the checker takes all places for one",
        "tasks/checker/computations.py",
        "else _first_equal([(row, row) for row in positions])",
        "else [0] * len(positions)",
        "networks",
    ),
    Mutant(
        "the checker forgets how often a row is seen",
        "tasks/checker/heads.py",
        "self._set(tuple(sorted((*seen.keys, key))))",
        "self._set(tuple(sorted({*seen.keys, key})))",
        "networks",
    ),
    Mutant(
        "the checker merges tokens with other bigrams",
        "tasks/checker/computations.py",
        "zip(network.tokens, network.bigram or network.tokens, strict=True)",
        "zip(network.tokens, network.tokens, strict=True)",
        "tests/unit/tasks/checker/test_checker_computations.py",
    ),
    Mutant(
        "the checker's threshold of sparsemax is exact as executed",
        CHECKER,
        "error = (4 * self.gamma(n + 8) * (4 * n * largest + 1)).upper()",
        "error = ZERO",
        "tests/unit/tasks/checker/test_checker_sparsemax.py",
    ),
    Mutant(
        "the checker follows whatever a pickle names",
        "tasks/checker/torch_files.py",
        '    expect(known, f"{name}: the pickle asks for',
        '    expect(True, f"{name}: the pickle asks for',
        "tests/unit/tasks/checker/test_checker_torch.py",
    ),
    Mutant(
        "the checker compares no entry",
        "tasks/checker/evidence.py",
        "entries[0] ^ entries[1]",
        "entries[0] & set()",
        "certificates",
    ),
    Mutant(
        "the checker ignores the hashes of files",
        "tasks/checker/files.py",
        'expect(body["files"] == sums,',
        'expect(body["files"].keys() == sums.keys(),',
        "certificates",
    ),
    Mutant(
        "the checker visits all but the longest",
        "tasks/checker/evidence.py",
        "if len(word) < self.most:",
        "if len(word) < self.most - (self.most > self.least):",
        "certificates",
    ),
    Mutant(
        "the checker lists no exception of one token",
        "tasks/checker/evidence.py",
        "if answer != label:",
        "if answer != label and len(word) > 1:",
        "certificates",
    ),
    Mutant(
        "the checker reads other columns",
        "tasks/checker/readouts.py",
        "x = [row[n] for n in columns]",
        "x = [row[n] for n in sorted(columns)]",
        "certificates",
    ),
    Mutant(
        "the checker takes any named output",
        "tasks/checker/readouts.py",
        "named = names == known or",
        "named = len(names) == len(known) or",
        "certificates",
    ),
    Mutant(
        "the seal is not compared",
        "cegis/certificate.py",
        "if digest != _digest(body):",
        "if False:",
        "tests/unit/cegis/test_certificate.py::test_every_changed_byte_of_every_file_is_noticed",
    ),
    Mutant(
        "something is written in place, and first",
        "cegis/certificate.py",
        'manifest = json.dumps({**body, "sha256"',
        'os.makedirs(target, exist_ok=True); (target / MANIFEST).touch(); manifest = json.dumps({**body, "sha256"',
        "writers",
    ),
    Mutant(
        "a difference of words as a sum of numbers",
        "dsl/theories/conversions.py",
        "join = manager.Plus if kind == BV_ADD else manager.Minus",
        "join = manager.Plus",
        WORDS,
    ),
    Mutant(
        "examples-hold-unasked",
        "cegis/formulas/evaluation.py",
        "    if failed is not None:\n        return failed",
        "    if False:\n        return failed",
        f"{WITNESSES}::test_examples_that_divide_by_zero_are_put_to_a_solver",
    ),
    Mutant(
        "printed-text-is-not-run",
        "cegis/formulas/evaluation.py",
        "if not np.all(constraint.fold(read)):",
        "if False:",
        f"{WITNESSES}::test_examples_are_run_through_the_printed_text_as_well",
    ),
    Mutant(
        "division-by-zero-has-a-value",
        "cegis/formulas/evaluation.py",
        "if np.any(arguments[1].evaluate(columns) == 0):",
        "if False:",
        f"{WITNESSES}::test_examples_that_divide_by_zero_are_put_to_a_solver",
    ),
    Mutant(
        "a word's number without its remainder",
        "dsl/theories/conversions.py",
        "return manager.Minus(number, manager.Times(span, manager.Div(number, span)))",
        "return number",
        WORDS,
    ),
    Mutant(
        "a number's word by the word of its negation",
        "dsl/theories/conversions.py",
        "manager.BVAdd if number.is_plus() else manager.BVSub if number.is_minus() else manager.BVMul",
        "manager.BVAdd if number.is_plus() or number.is_minus() else manager.BVMul",
        WORDS,
    ),
    Mutant(
        "a wide word cut from the top",
        "dsl/theories/conversions.py",
        "manager.BVExtract(word, 0, width - 1)",
        "manager.BVExtract(word, own - width, own - 1)",
        WORDS,
    ),
    Mutant(
        "a sign that no word has",
        "dsl/theories/conversions.py",
        "is_negative = s.manager.BVULE(s.manager.BV(half, width), x)",
        "is_negative = s.manager.BVULT(s.manager.BV(half, width), x)",
        WORDS,
    ),
)


def every_mutant() -> tuple[Mutant, ...]:
    """These, those of the other files called ``mutants_...``, and ``mutants_beyond`` where that is."""
    beyond = importlib.util.find_spec("mutants_beyond") is not None
    return (
        *MUTANTS,
        *COARSE,
        *ROUGHLY,
        *QUICK,
        *RECURRENT,
        *STATES,
        *STREAMS,
        *(importlib.import_module("mutants_beyond").BEYOND if beyond else ()),
    )


def run_mutants(console: Console, only: tuple[str, ...], jobs: int) -> int:
    """Try each; the exit code is 1 where one survives."""
    chosen = [m for m in every_mutant() if not only or any(part in m.name for part in only)]
    result = Table("mutant", "file", "caught by", "result", "seconds")
    survived = 0
    with tempfile.TemporaryDirectory(prefix="attack-mutants-") as scratch:
        tree = _copied(Path(scratch) / "tree")
        known = {
            part: _wrong(tree, part, jobs, None) for part in dict.fromkeys(m.caught_by for m in chosen) if part in PARTS
        }
        for mutant in chosen:
            began = time.perf_counter()
            with _applied(tree, mutant):
                caught = _is_caught(tree, mutant, jobs, known)
            survived += not caught
            seconds = time.perf_counter() - began
            result.add_row(
                mutant.name, mutant.file, mutant.caught_by, "caught" if caught else "SURVIVED", f"{seconds:.0f}"
            )
            console.print(f"{'caught  ' if caught else 'SURVIVED'} {mutant.name} [{seconds:.0f} s]", markup=False)
    console.print(result)
    console.print(f"{len(chosen) - survived} of {len(chosen)} are caught")
    return int(survived > 0)


def _copied(tree: Path) -> Path:
    ignored = shutil.ignore_patterns("__pycache__", ".*", "*.egg-info")
    for room in ROOMS:
        shutil.copytree(ROOT / room, tree / room, ignore=ignored)
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, tree / name)
    return tree


@contextmanager
def _applied(tree: Path, mutant: Mutant) -> Iterator[None]:
    path = tree / mutant.file
    text = path.read_text(encoding="utf-8")
    if text.count(mutant.old) != 1:
        raise ValueError(
            f"{mutant.name}: its text stands {text.count(mutant.old)} times in {mutant.file}, expected once"
        )
    path.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
    try:
        yield
    finally:
        path.write_text(text, encoding="utf-8")


def _is_caught(tree: Path, mutant: Mutant, jobs: int, known: dict[str, frozenset[str]]) -> bool:
    if mutant.caught_by in PARTS:
        found = known[mutant.caught_by]
        return bool(_wrong(tree, mutant.caught_by, jobs, found) - found)
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", mutant.caught_by]
    done = subprocess.run(command, cwd=tree, env=_environment(tree), capture_output=True, text=True, timeout=SECONDS)
    if done.returncode not in (0, 1):
        raise ValueError(
            f"{mutant.name}: pytest could not run {mutant.caught_by}: {done.stdout[-500:]}{done.stderr[-500:]}"
        )
    return done.returncode == 1


def _wrong(tree: Path, part: str, jobs: int, known: frozenset[str] | None) -> frozenset[str]:
    """Names of the cases of a part that are wrong in the tree: all, or up to the first that is not ``known``."""
    with tempfile.TemporaryDirectory() as keep:
        sizes = [word for name in PARTS for word in (OPTIONS[name], str(SIZES[name] if name == part else 0))]
        options = ["--keep", keep, "--jobs", str(jobs), *sizes]
        more = [] if known is None else ["--first", *(word for name in known for word in ("--known", name))]
        command = [sys.executable, "tests/attack", *options, *more]
        done = subprocess.run(
            command, cwd=tree, env=_environment(tree), capture_output=True, text=True, timeout=SECONDS
        )
        if done.returncode not in (0, 1):
            raise ValueError(f"the attack could not run: {done.stderr[-500:]}")
        return frozenset(path.name for path in Path(keep).iterdir())


def _environment(tree: Path) -> dict[str, str]:
    """So that the tree's rooms are imported, not those that are installed."""
    return {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}

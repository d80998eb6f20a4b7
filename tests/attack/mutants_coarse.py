"""Deliberate faults of what the checker makes once for many prompts, each caught by a test; see ``mutants``."""

from __future__ import annotations

from mutant import Mutant

MERGING, INTERPRETER = "tasks/bounds/merging.py", "tasks/bounds/interpreter.py"
MERGED = "tests/property/test_merging.py"
BALLS, HEADS, ARITHMETIC = "tasks/checker/balls.py", "tasks/checker/heads.py", "tasks/checker/arithmetic.py"
TESTS = "tests/unit/tasks/checker/test_checker_balls.py"
HOLDS = f"{TESTS}::test_a_coarse_ball_holds_the_ball_that_it_replaces"
FAINT = f"{TESTS}::test_the_average_with_faint_keys_holds_that_with_all_of_them"
FADING = f"{TESTS}::test_keys_fade_where_that_is_certain_however_scores_are_rounded"
SEEN = f"{TESTS}::test_an_answer_depends_on_how_often_scores_and_values_are_seen"

COARSE: tuple[Mutant, ...] = (
    Mutant(
        "the checker forgets what a coarse middle is moved by",
        BALLS,
        "above(x - _ball(middle, grain))",
        "above(x - x.mid())",
        HOLDS,
    ),
    Mutant(
        "the checker's coarse balls have the radius of the grain",
        BALLS,
        "max(above(x - _ball(middle, grain)), 2.0**-grain)",
        "2.0**-grain",
        HOLDS,
    ),
    Mutant(
        "the checker rounds radii down",
        BALLS,
        "ldexp(ceil(part * STEPS), power)",
        "ldexp(int(part * STEPS), power)",
        HOLDS,
    ),
    Mutant(
        "the checker tells a row that may not be finite by its other entries",
        BALLS,
        "return (), [arb.nan()] * len(row)",
        "return tuple(map(str, row)), row",
        f"{TESTS}::test_rows_that_may_not_be_finite_are_one_of_which_nothing_is_known",
    ),
    Mutant(
        "the checker's faint keys weigh nothing",
        ARITHMETIC,
        "if faint.count else ZERO\n",
        "if faint.count < 0 else ZERO\n",
        FAINT,
    ),
    Mutant(
        "the checker weighs one faint key of many",
        ARITHMETIC,
        "left = faint.count * (max(",
        "left = (max(",
        FAINT,
    ),
    Mutant(
        "the checker's faint keys weigh as much as they may",
        ARITHMETIC,
        "total = sum(powers, ZERO) + ZERO.union(left)",
        "total = sum(powers, ZERO) + left",
        f"{TESTS}::test_faint_keys_may_weigh_less_than_they_may",
    ),
    Mutant(
        "the checker's faint keys have no values",
        ARITHMETIC,
        "arb(y, left * (faint.reach + abs(m)))",
        "arb(y, left * abs(m))",
        FAINT,
    ),
    Mutant(
        "the checker's faint keys lie where the average does",
        ARITHMETIC,
        "arb(y, left * (faint.reach + abs(m)))",
        "arb(y, left * faint.reach)",
        FAINT,
    ),
    Mutant(
        "the checker rounds no faint value",
        ARITHMETIC,
        "for row in values for v in row]) + left * faint.reach / total",
        "for row in values for v in row])",
        f"{TESTS}::test_the_rounding_of_faint_keys_is_in_the_average",
    ),
    Mutant(
        "the checker's keys fade as if scores were not rounded",
        HEADS,
        "above(2 * self._a.drift(2 * largest, keys)) + 2.0**-10",
        "2.0**-10",
        FADING,
    ),
    Mutant(
        "the checker's keys fade as if no sink were there",
        HEADS,
        "max(largest, abs(self._sink))",
        "max(largest, largest)",
        FADING,
    ),
    Mutant(
        "the checker takes what floats lose to underflow for zero",
        BALLS,
        "* 1.000001 + LEAST)",
        "* 1.000001)",
        f"{TESTS}::test_what_no_float_holds_is_not_taken_for_zero",
    ),
    Mutant(
        "the checker lets fade what floats cannot tell apart",
        HEADS,
        "if is_finite and size < MOST else",
        "if is_finite and size < inf else",
        FADING,
    ),
    Mutant(
        "the checker's keys fade too early",
        HEADS,
        "least = best - self._fading",
        "least = best - 0.9 * self._fading",
        FADING,
    ),
    Mutant(
        "the checker says of some faint keys how far below the others are",
        HEADS,
        "floor(best - max(faint))",
        "floor(best - min(faint))",
        FADING,
    ),
    Mutant(
        "the checker takes the size of what is left for that of all scores",
        HEADS,
        "size, reach = max([one[2] for one in adds]), max([self._reach[key] for key in keys])",
        "size, reach = max([one[2] for one in adds]), 1.0",
        FADING,
    ),
    Mutant(
        "the checker lets fade what may not be finite",
        HEADS,
        "size < MOST else (-inf, inf)",
        "size < MOST else (-inf, -inf)",
        FADING,
    ),
    Mutant(
        "the checker takes keys with other values for one",
        HEADS,
        "self._keys.number(key, of_value)",
        "self._keys.number(key)",
        SEEN,
    ),
    Mutant(
        "the checker counts equal keys once",
        HEADS,
        "tuple(sorted([self.key[row] for row in rows]))",
        "tuple(sorted({self.key[row] for row in rows}))",
        SEEN,
    ),
    Mutant(
        "the checker counts equal scores once",
        HEADS,
        "tuple(sorted([one[3] for one in adds]))",
        "tuple(sorted({one[3] for one in adds}))",
        SEEN,
    ),
    Mutant(
        "the checker takes equal scores for equal values",
        HEADS,
        "self._pair.setdefault((number, value), len(self.pairs))",
        "self._pair.setdefault((number, 0), len(self.pairs))",
        SEEN,
    ),
    Mutant(
        "rows are moved to a grid and stay as narrow",
        MERGING,
        "(x.radius + np.abs(x.center - center))",
        "(x.radius)",
        f"{MERGED}::test_what_a_center_is_moved_by_is_in_the_radius",
    ),
    Mutant(
        "coarse radii are rounded down",
        MERGING,
        "np.ldexp(np.ceil(part * STEPS), power)",
        "np.ldexp(np.floor(part * STEPS), power)",
        f"{MERGED}::test_a_coarse_ball_holds_the_ball_that_it_replaces",
    ),
    Mutant(
        "rows with one code are one row",
        MERGING,
        "if not np.array_equal(bits[first][index], bits):",
        "if False:",
        f"{MERGED}::test_rows_that_differ_are_told_apart_whatever_their_codes",
    ),
    Mutant(
        "what was merged keeps the bounds of one of them",
        MERGING,
        "tuple(part[first] for part in wide)",
        "tuple(part[first] for part in parts)",
        f"{MERGED}::test_merged_rows_hold_every_row",
    ),
    Mutant(
        "keys with other values are one",
        INTERPRETER,
        "merged(q), merged(k, v)",
        "merged(q), (merged(k)[0], (merged(k)[1][0], merged(k, v)[1][1]))",
        f"{MERGED}::test_a_network_with_few_distinct_rows_has_bounds_that_hold_it",
    ),
    Mutant(
        "what is lost is forgotten where classes share an answer",
        INTERPRETER,
        "given.radius + lost[came_from, None]",
        "given.radius + 0 * lost[came_from, None]",
        "tests/unit/tasks/bounds/test_not_a_number.py",
    ),
)

"""Deliberate faults of the checker's rough bounds, each caught by a test; see ``mutants``."""

from __future__ import annotations

from mutant import Mutant

ROUGH, BALLS, LANES, COMPUTATIONS = (
    f"tasks/checker/{name}.py" for name in ("rough", "euclidean_balls", "lanes", "computations")
)
HERE = "tests/unit/tasks/checker/test_checker_"
MAP = f"{HERE}euclidean_balls.py::test_a_map_moves_a_row_by_its_largest_singular_value_and_two_maps_are_one"
SUM = f"{HERE}euclidean_balls.py::test_a_sum_whose_roundings_all_go_wrong_is_within_the_distance"
ONE = f"{HERE}euclidean_balls.py::test_a_product_and_a_bias_are_rounded"
FIXED = f"{HERE}euclidean_balls.py::test_weights_and_shifts_that_have_more_bits_than_are_kept_are_made_good"
OVER = f"{HERE}euclidean_balls.py::test_no_image_runs_over_its_lane_whatever_is_given"
GIVEN = f"{HERE}euclidean_balls.py::test_given_rows_are_points_as_near_as_their_bits_and_unknown_ones_are_told"
FEWER = f"{HERE}euclidean_balls.py::test_fewer_bits_are_made_good_by_the_distance"
NORM = f"{HERE}euclidean_balls.py::test_a_norm_moves_by_no_more_than_the_distance"
NORMS = f"{HERE}euclidean_balls.py::test_norms_of_rows_of_all_sizes_are_made_good_where_few_bits_are_left"
ROUNDED = f"{HERE}euclidean_balls.py::test_a_norm_is_off_by_what_the_checker_says_of_its_rounding"
BENT = f"{HERE}euclidean_balls.py::test_an_activation_moves_by_no_more_than_the_distance"
CHORD = f"{HERE}euclidean_balls.py::test_of_the_middle_of_a_step_a_chord_is_off_by_an_eighth_of_the_bend"
FAINT = f"{HERE}euclidean_balls.py::test_shares_far_below_the_largest_are_nothing_and_chords_are_let_go"
SPECTRAL = f"{HERE}euclidean_balls.py::test_the_spectral_norm_is_above_the_largest_singular_value_and_near_it"
PARTS = f"{HERE}euclidean_balls.py::test_gains_biases_and_picks_are_maps"
SCORES = f"{HERE}rough.py::test_an_average_moves_by_what_rounding_may_do_to_scores"
MOVES = f"{HERE}rough.py::test_an_average_moves_with_query_keys_and_values"
SEES = f"{HERE}rough.py::test_what_a_place_sees_is_at_the_distance_of_the_farthest_row_it_sees"
SHARES = f"{HERE}rough.py::test_shares_are_off_by_their_chords_and_last_bits"
MANY = f"{HERE}rough.py::test_averages_of_many_prompts_are_what_softmax_makes_of_them"
LANE = f"{HERE}rough.py::test_no_score_and_no_sum_runs_over_its_lane"
SINK = f"{HERE}rough.py::test_a_sink_takes_its_share_and_one_that_towers_is_not_known"
ADDED = f"{HERE}rough.py::test_a_sum_is_rounded_and_so_is_an_average"
OTHERS = f"{HERE}rough.py::test_of_other_networks_nothing_is_said"
SHARP = f"{HERE}rough.py::test_a_rough_margin_below_the_least_is_made_sharp"
BIGRAM = f"{HERE}rough.py::test_what_a_token_adds_to_its_logits_is_added"
LARGE = f"{HERE}rough.py::test_of_large_numbers_nothing_is_said"
BITS = f"{HERE}lanes.py::test_fewer_bits_round_down_and_more_are_exact_and_no_entry_is_above_the_bound"
LOWERED = f"{HERE}lanes.py::test_a_column_is_lowered_as_each_number_is"


def _of(name: str, old: str, new: str, caught_by: str, file: str = ROUGH) -> Mutant:
    return Mutant(f"the checker's rough {name}", file, old, new, caught_by)


def _ball(name: str, old: str, new: str, caught_by: str) -> Mutant:
    return _of(name, old, new, caught_by, BALLS)


ROUGHLY: tuple[Mutant, ...] = (
    _ball("maps do not stretch", "self.stretch * r + self.share * m", "r + self.share * m", MAP),
    _ball("maps are exact", "+ self.share * m + fixed.off * s", "+ fixed.off * s", MAP),
    _ball(
        "maps round the point alone",
        "sizes = [s + r for s, r in zip(rows.size, rows.far, strict=True)]",
        "sizes = rows.size",
        MAP,
    ),
    _ball("maps lose no bias", "length(self.shift) + last, self.own + last", "length(self.shift) + last, last", MAP),
    _ball(
        "floats lose nothing to underflow",
        "self.tiny = float(a.u), float(TINY)",
        "self.tiny = float(a.u), 0.0 if a.is_real else float(TINY)",
        f"{HERE}euclidean_balls.py::test_no_distance_is_lost_to_underflow",
    ),
    _ball("second map is exact", "+ other.share * grown,", "+ 0,", MAP),
    _ball("first map is exact", "other.stretch * self.share +", "0 * self.share +", MAP),
    _ball(
        "maps round no shift",
        "moved = self.map * other.map, self.stretch + self.share, length(self.shift) + self.own",
        "moved = self.map * other.map, self.stretch + self.share, self.own",
        MAP,
    ),
    _ball("first map has no own error", "other.stretch * self.own +", "0 * self.own +", MAP),
    _ball("weights have all their bits", "off = sqrt(sum(v * v for row in left for v in row)) +", "off =", FIXED),
    _ball("weights are points", " + ldexp(blur, bits))", ")", FIXED),
    _ball("shifts have all their bits", "last = _last(points) + fixed.rest", "last = fixed.rest", FIXED),
    _ball("shifts are points", "last = _last(points) + fixed.rest", "last = _last(points)", FIXED),
    _ball("images fit their lanes", "and fixed.largest(bound, bits) < FULL", "and bound < FULL", OVER),
    _ball("images are as large as points", "return bound * self.norm +", "return bound +", OVER),
    _ball("shifts are none of an image", "+ int(ldexp(self.top, bits + self.bits)) + 2", "+ 2", OVER),
    _ball("rows are given exactly", "far = [rad + last if is_known", "far = [rad if is_known", GIVEN),
    _ball("rows are given as points", "far = [rad + last if is_known", "far = [last if is_known", GIVEN),
    _ball("bits are dropped for nothing", "off = _last(points) if bits <", "off = 0.0 if bits <", FEWER),
    _of("products are exact", "(a.u + sums) * spectral(sizes)", "0.0 * spectral(sizes)", SUM),
    _of("sums are exact", "(a.u + sums) * spectral(sizes)", "a.u * spectral(sizes)", SUM),
    _of("biases are exact", "own = sums * length(shift)", "own = 0 * length(shift)", ONE),
    _ball("norms do not stretch", "r / least + more +", "r + more +", NORM),
    _ball("roots do not move", "s * DOWN - r * per", "s * DOWN", NORM),
    _ball("norms are exact", "root * a.gamma(16), root * (1 + a.gamma(16))", "0.0, root", ROUNDED),
    _ball("variance is exact", "share := of_square *", "share := 0 *", ROUNDED),
    _ball("variance is made in two passes", "a.gamma(n + 4), 4 * of_square", "a.gamma(n + 4), of_square", ROUNDED),
    _ball(
        "mean is exact",
        "r + rest + of_mean * (root * s + rest + r) + tiny",
        "r + rest",
        f"{HERE}euclidean_balls.py::test_an_entry_less_the_mean_is_off_by_what_the_mean_errs",
    ),
    _ball("rows are not centered", "n * column - total for", "n * column for", NORM),
    _ball("factors have all their bits", "r + root / (m or 1) + last", "r + last", NORMS),
    _ball(
        "centered rows have all their bits",
        "times, rest, of_mean, of_square = n, _last(points) / n,",
        "times, rest, of_mean, of_square = n, 0.0,",
        NORMS,
    ),
    _ball("activations do not stretch", "SLOPE * r + u *", "r + u *", BENT),
    _ball("activations are exact", "SLOPE * r + u * (s + r) + more", "SLOPE * r + more", BENT),
    _ball("chords are exact", "more = sqrt(wide) * CHORD + 4 *", "more = 4 *", CHORD),
    _ball("steps of the grid are a half of what they are", "(-2 * FINE - 3)", "(-2 * FINE - 5)", CHORD),
    _ball("shares end too early", "FAINT, HELD = 32,", "FAINT, HELD = 6,", MANY),
    _ball("chords go down to the right", "self[n] = y, z - y", "self[n] = y, y - z", FAINT),
    _ball("spectral norm is that of the entries", "sqrt(sums[0] * sums[1])", "min(sums)", SPECTRAL),
    _ball("powers are rooted too often", ".root(32)", ".root(33)", SPECTRAL),
    _of("scores are exact", "each, extra = a.gamma(inner + 8) + 2 * a.gamma(4),", "each, extra = 0.0,", SCORES),
    _of("exponents are exact", "a.gamma(16 * (1 + longest // 16)) + 2", "2", SCORES),
    _of("queries are exact", "moves = [aside + each * v", "moves = [each * v", MOVES),
    _of("keys are exact", "asks[n] * off + moves[n] * reach", "moves[n] * reach", MOVES),
    _of("values are exact", "+ moved + more)", "+ more)", MOVES),
    _of("weights are exact", "(1 + (grown := d + d * d)) * grown * sqrt", "0 * sqrt", SCORES),
    _of("weights may move by any amount", "+ extra) < 1\n", "+ extra) < 99\n", MOVES),
    _of("averages are exact", "apart + a.gamma(2 * longest + 8)", "apart", ADDED),
    _of("shares are chords", "apart, edge = 2.1 * CHORD + 6", "apart, edge = 6", SHARES),
    _of("shares have all their bits", "2.1 * CHORD + 6 * longest * OFF", "2.1 * CHORD", SHARES),
    _of("scores may be as large as they like", "DIGIT // (isqrt(inner) + 1),", "DIGIT,", LANE),
    _of("sums may be as large as they like", "(FULL - 1) // (longest << SHARE)", "(FULL - 1) // (2 << SHARE)", LANE),
    _of("shares are of the own score", "top = max(map(scores.__getitem__, path)) | up", "top = scores[own] | up", MANY),
    _of(
        "paths share what others made",
        "shares.get((own, top))",
        "shares.get((own, 0), next(iter(shares.values()), None))",
        MANY,
    ),
    _of("heads see the last row alone", "tuple(map(max, each[n], found[trail[-2]]))", "each[n]", SEES),
    _of("sink weighs nothing", "packed((*([0] * wide), 0, 1))", "packed((*([0] * wide), 0, 0))", SINK),
    _of("sink may tower", "else 79 - size", "else 790 - size", SINK),
    _ball("sums of rows are exact", "r + q + u * (s + r + q) + tiny", "r + q + tiny", ADDED),
    _of(
        "bounds are of any network",
        'network.causal and network.pool == "none"',
        'network.pool == "none"',
        OTHERS,
    ),
    _of("bounds forget the bigrams", "if self._network.bigram is not None:", "if False:", BIGRAM),
    _ball("numbers may be larger than floats", "if own.bits < -BEHIND:", "if False:", LARGE),
    _of("bounds take sparsemax for softmax", "if heads.projects or not all", "if not all", OTHERS),
    _of("gains do not stretch", "most, own = above(max(map(abs, gain)))", "most, own = above(max(gain))", PARTS),
    _of("norms lose no bias", "a.gamma(1) * length(arb_mat([bias])) + ", "", PARTS),
    _of("picks are made once", "sqrt(max(times.values(), default=0))", "1.0", PARTS),
    _ball("rows between maps may be large", "if self.inner * m + self.least < MOST else inf", "", LARGE),
    _ball("numbers may be large", "r if size < MOST else inf", "r", LARGE),
    _ball("points may be large", "self.far if a.is_small else [r + s for", "self.far if True else [r + s for", LARGE),
    _of("rows of lanes lose their last bit", "(self.most >> -by) + 1", "self.most >> -by", BITS, LANES),
    _of("lanes take bits of their neighbours", "((1 << LANE - by) - 1)", "((1 << LANE) - 1)", LOWERED, LANES),
    _of("margins stand for sharp ones", "or self._sure(found[n]) < self._least", "", SHARP, COMPUTATIONS),
)

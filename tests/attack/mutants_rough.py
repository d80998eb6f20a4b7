"""Deliberate faults of the checker's rough bounds, each caught by a test; see ``mutants``."""

from __future__ import annotations

from mutant import Mutant

ROUGH, COMPUTATIONS = "tasks/checker/rough.py", "tasks/checker/computations.py"
TESTS = "tests/unit/tasks/checker/test_checker_rough.py"
MAP = f"{TESTS}::test_a_map_moves_a_row_by_its_largest_singular_value_and_two_maps_are_one"
SUM = f"{TESTS}::test_a_sum_whose_roundings_all_go_wrong_is_within_the_distance"
NORM = f"{TESTS}::test_a_norm_moves_by_no_more_than_the_distance"
ROUNDED = f"{TESTS}::test_a_norm_is_off_by_what_the_checker_says_of_its_rounding"
BENT = f"{TESTS}::test_an_activation_moves_by_no_more_than_the_distance"
SPECTRAL = f"{TESTS}::test_the_spectral_norm_is_above_the_largest_singular_value_and_near_it"
SCORES = f"{TESTS}::test_an_average_moves_by_what_rounding_may_do_to_scores"
MOVES = f"{TESTS}::test_an_average_moves_with_query_keys_and_values"
SINK = f"{TESTS}::test_a_sink_takes_its_share_and_one_that_towers_is_not_known"
ADDED = f"{TESTS}::test_a_sum_is_rounded_and_so_is_an_average"
OTHERS = f"{TESTS}::test_of_other_networks_nothing_is_said"
PARTS = f"{TESTS}::test_gains_biases_and_picks_are_maps"
CHORD = f"{TESTS}::test_a_chord_of_gelu_is_off_by_what_its_bend_allows"
SHARP = f"{TESTS}::test_a_rough_margin_below_the_least_is_made_sharp"
LARGE = f"{TESTS}::test_of_large_numbers_nothing_is_said"


def _of(name: str, old: str, new: str, caught_by: str, file: str = ROUGH) -> Mutant:
    return Mutant(f"the checker's rough {name}", file, old, new, caught_by)


ROUGHLY: tuple[Mutant, ...] = (
    _of("maps do not stretch", "return y, self.stretch * r + self.share", "return y, r + self.share", MAP),
    _of("maps are exact", "+ self.share * most + self.own", "+ self.own", MAP),
    _of(
        "maps round the point alone",
        "y, most = x * self.map + self.shift, _size(x, square) + r",
        "y, most = x * self.map + self.shift, _size(x, square)",
        MAP,
    ),
    _of("maps lose no bias", "+ self.share * most + self.own", "+ self.share * most", MAP),
    _of(
        "floats lose nothing to underflow",
        "self.tiny = float(a.u), float(TINY)",
        "self.tiny = float(a.u), 0.0 if a.is_real else float(TINY)",
        f"{TESTS}::test_no_distance_is_lost_to_underflow",
    ),
    _of("second map is exact", "+ other.share * grown,", "+ 0,", MAP),
    _of("first map is exact", "other.stretch * self.share +", "0 * self.share +", MAP),
    _of(
        "maps round no shift",
        "moved = self.map * other.map, self.stretch + self.share, _length(self.shift) + self.own",
        "moved = self.map * other.map, self.stretch + self.share, self.own",
        MAP,
    ),
    _of("first map has no own error", "other.stretch * self.own +", "0 * self.own +", MAP),
    _of("products are exact", "(a.u + sums) * spectral(sizes)", "0.0 * spectral(sizes)", SUM),
    _of("sums are exact", "(a.u + sums) * spectral(sizes)", "a.u * spectral(sizes)", SUM),
    _of("biases are exact", "own = sums * _length(shift)", "own = 0 * _length(shift)", SUM),
    _of("norms do not stretch", "r / least + sqrt(n)", "r + sqrt(n)", NORM),
    _of("roots do not move", "- r * UP / sqrt(n)", "", NORM),
    _of("norms are exact", "share + (1 + share) * a.gamma(16)", "share", ROUNDED),
    _of("variance is exact", "share = off / (least * least)", "share = 0 * off", ROUNDED),
    _of("variance is made in two passes", "+ n * a.tiny, 4 * off", "+ n * a.tiny, off", ROUNDED),
    _of(
        "mean is exact",
        "r + a.gamma(n + 4) * (size + r) + n * a.tiny",
        "r",
        f"{TESTS}::test_an_entry_less_the_mean_is_off_by_what_the_mean_errs",
    ),
    _of("rows are not centered", "x = x - arb_mat", "x = x + 0 * arb_mat", NORM),
    _of("activations do not stretch", "SLOPE * r + a.gamma(16)", "r + a.gamma(16)", BENT),
    _of(
        "activations are exact",
        "a.gamma(16) * (_root(square) + r) + x.ncols() * a.tiny\n        if self.kind",
        "x.ncols() * a.tiny\n        if self.kind",
        BENT,
    ),
    _of(
        "chords are exact",
        "off += x.ncols() * BEND / 8 / GRID**2",
        "off += 0.0",
        CHORD,
    ),
    _of("spectral norm is that of the entries", "sqrt(sums[0] * sums[1])", "min(sums)", SPECTRAL),
    _of("powers are rooted too often", ".root(32)", ".root(33)", SPECTRAL),
    _of("scores are exact", "+ a.gamma(query.ncols() + 8) * largest + a.tiny", "", SCORES),
    _of("exponents are exact", "d += a.drift(2 * largest, count)", "d += 0.0", SCORES),
    _of("queries are exact", "d = off * reach + size * far", "d = size * far", MOVES),
    _of("keys are exact", "d = off * reach + size * far", "d = off * reach", MOVES),
    _of("values are exact", "* spread + moved +", "* spread +", MOVES),
    _of("weights are exact", "off = (1 + grown) * grown * spread + moved", "off = moved", SCORES),
    _of(
        "weights may move by any amount",
        "if not (d < 1 and largest < MOST)",
        "if not (d < 99 and largest < MOST)",
        MOVES,
    ),
    _of("averages are exact", " + a.gamma(2 * count + 8) * longest", "", ADDED),
    _of(
        "sink weighs nothing",
        "total, count, largest = ones + power, count + 1",
        "total, count, largest = ones, count + 1",
        SINK,
    ),
    _of("sink may tower", "largest + sink < 79", "largest + sink < 790", SINK),
    _of(
        "sums of rows are exact", "r += self._a.gamma(1) * (_root(square) + r)", "r += 0.0 * (_root(square) + r)", ADDED
    ),
    _of(
        "bounds are of any network",
        'network.causal and network.pool == "none" and network.bigram is None',
        'network.causal and network.pool == "none"',
        OTHERS,
    ),
    _of("bounds take sparsemax for softmax", "if heads.projects:", "if False:", OTHERS),
    _of("gains do not stretch", "most, own = _above(max(map(abs, gain)))", "most, own = _above(max(gain))", PARTS),
    _of("norms lose no bias", "a.gamma(1) * _length(arb_mat([bias])) + ", "", PARTS),
    _of("picks are made once", "sqrt(max(times.values(), default=0))", "1.0", PARTS),
    _of("chords are taken of wide numbers", "square.rad() < NARROW and ", "", CHORD),
    _of("answers may be large", "_known(r if a.is_small else r + _size(x, None))", "_known(r)", LARGE),
    _of("rows behind heads may be large", "_known(out.inner * size + out.least)", "_known(0.0)", LARGE),
    _of("rows between maps may be large", "_known(self.inner * most + self.least)", "_known(0.0)", LARGE),
    _of("numbers may be large", "row[1] if self._a.is_small else row[1] + _size(row[0], row[2])", "row[1]", LARGE),
    _of("sums may be large", "r if self._a.is_small else r + _root(square)", "r", LARGE),
    _of("heads see the last row alone", "most = [tuple(map(max, *pair)) for pair in pairs]", "[*pairs]", ADDED),
    _of("margins stand for sharp ones", "or self._sure(found[n]) < self._least", "", SHARP, COMPUTATIONS),
)

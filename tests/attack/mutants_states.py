"""Deliberate faults of what is known of recurrent networks, each caught by a test or by the attack; see ``mutants``."""

from __future__ import annotations

from mutant import Mutant

TREE = "tests/unit/tasks/proofs/test_prefix_tree.py"
SETS, ZONOTOPE = "tests/property/test_state_sets.py", "tasks/bounds/recurrent_zonotope.py"
FOLDERS = "tests/unit/tasks/formats/test_recurrent_folders.py"
TAYLOR, LEFT = "tasks/bounds/taylor.py", "test_what_is_left_of_an_operation_on_models_is_in_the_rest"
SUM = "test_an_ellipsoid_holds_the_sum_of_an_ellipsoid_and_a_box"
ELLIPSOID = "tasks/bounds/recurrent_ellipsoid.py"
CHECKED = "tests/unit/tasks/checker/test_checker_recurrent.py"

LIPSCHITZ, MANY = "tasks/bounds/recurrent_lipschitz.py", "tests/property/test_lipschitz.py"

STATES: tuple[Mutant, ...] = (
    Mutant(
        "many rows with the least of their errors",
        LIPSCHITZ,
        "x.radius.max(axis=0",
        "x.radius.min(axis=0",
        f"{MANY}::test_one_bound_holds_for_every_row",
    ),
    Mutant(
        "sizes of the first row for all",
        LIPSCHITZ,
        "np.maximum(x.center.max(axis=0, keepdims=True), -x.center.min(axis=0, keepdims=True))",
        "np.abs(x.center[:1])",
        f"{MANY}::test_one_bound_holds_for_every_row",
    ),
    Mutant(
        "a sigmoid that is flatter",
        LIPSCHITZ,
        "0.25 * radius",
        "0.24 * radius",
        f"{MANY}::test_no_row_moves_by_more_than_the_steepest_slope",
    ),
    Mutant(
        "a GELU that is nowhere steeper than 1",
        LIPSCHITZ,
        "ball.GELU_SLOPE * radius",
        "radius",
        f"{MANY}::test_no_row_moves_by_more_than_the_steepest_slope",
    ),
    Mutant(
        "products of centers where one factor moves",
        LIPSCHITZ,
        "moved = one.sizes.center * other.sizes.radius + one.sizes.radius * other.magnitude",
        "moved = one.sizes.center * other.sizes.radius",
        f"{MANY}::test_one_bound_holds_for_every_row",
    ),
    Mutant(
        "blends of centers whose gate is exact",
        LIPSCHITZ,
        "np.maximum(one.sizes.radius, other.sizes.radius) + share.sizes.radius * size",
        "np.maximum(one.sizes.radius, other.sizes.radius)",
        f"{MANY}::test_one_bound_holds_for_every_row",
    ),
    Mutant(
        "what may be anything is bounded by tanh",
        LIPSCHITZ,
        "np.where(np.isfinite(radius), moved, np.inf)",
        "moved",
        f"{MANY}::test_an_activation_of_what_may_be_anything_is_that",
    ),
    Mutant(
        "an execution that rounds no map",
        "tasks/bounds/ball.py",
        "radius = layer.sizes(x.radius) + _rounded(x.center + x.radius, size, layer, u)",
        "radius = layer.sizes(x.radius)",
        "tests/property/test_ball.py::test_what_a_map_is_off_by_holds_for_all_signs_of_what_it_reads",
    ),
    Mutant(
        "states in another order than their prompts",
        "tasks/bounds/recurrent.py",
        "place[where] if is_there else where",
        "where",
        f"{MANY}::test_prompts_of_several_lengths_are_held_and_go_on_as_balls",
    ),
    Mutant(
        "a blend whose gate is exact",
        "tasks/bounds/operations.py",
        "moved = g * one.radius + (1.0 - g) * other.radius + share.radius * apart",
        "moved = g * one.radius + (1.0 - g) * other.radius",
        f"{TREE}::test_a_blend_of_balls_holds_every_blend_of_their_points",
    ),
    Mutant(
        "a form of a blend forgets the rests of its parts",
        "tasks/bounds/zonotope.py",
        "rest = straight + g.ball.radius * both + SLACK * sum(moves)",
        "rest = g.ball.radius * both",
        f"{TREE}::test_a_blend_of_balls_holds_every_blend_of_their_points",
    ),
    Mutant(
        "what a step got wrong is no symbol of the next",
        ZONOTOPE,
        "fresh[:, diagonal, diagonal] = own",
        "fresh[:, diagonal, diagonal] = 0.0 * own",
        "networks",
    ),
    Mutant(
        "an activation of a model that does not bend",
        TAYLOR,
        "slack(np.float64, 8) * within.radius + 0.5 * bend * within.radius**2",
        "slack(np.float64, 8) * within.radius",
        f"{SETS}::{LEFT}",
    ),
    Mutant(
        "a product of models without that of the errors",
        TAYLOR,
        "rest = straight + a.radius * b.radius + slack",
        "rest = straight + slack",
        f"{SETS}::{LEFT}",
    ),
    Mutant(
        "a blend of models without what both move",
        TAYLOR,
        "rest = straight + g.ball.radius * both + slack",
        "rest = straight + slack",
        f"{SETS}::{LEFT}",
    ),
    Mutant(
        "a map of models that rounds nothing",
        TAYLOR,
        "np.where(lost, np.inf, kept + rounded)",
        "np.where(lost, np.inf, kept)",
        f"{SETS}::test_the_rest_of_a_map_holds_its_rounding_in_float32",
    ),
    Mutant(
        "a map of models in float32 that loses nothing",
        TAYLOR,
        "for model in read], axis=1) + slack(errors.dtype, len(used)) * moved",
        "for model in read], axis=1)",
        f"{SETS}::test_terms_in_float32_lose_no_more_than_the_rest_has",
    ),
    Mutant(
        "terms that are added up in float32 without a trace",
        TAYLOR,
        "rest = x.rest + slack(errors.dtype, len(x.terms) + 2) * x.moved + errors.flushed()",
        "rest = x.rest + errors.flushed()",
        f"{SETS}::test_terms_in_float32_lose_no_more_than_the_rest_has",
    ),
    Mutant(
        "zero times what may be infinite is zero",
        TAYLOR,
        "np.where(lost, np.inf, kept + rounded)",
        "kept + rounded",
        f"{SETS}::test_what_is_not_finite_stays_unknown",
    ),
    Mutant(
        "what a layer rounds is lost before the next one",
        TAYLOR,
        "errors.radii.append(np.maximum(np.concatenate(rests, axis=1), TINY))",
        "errors.radii.append(np.maximum(0.0 * np.concatenate(rests, axis=1), TINY))",
        f"{SETS}::test_what_is_left_over_is_a_box_of_errors_for_the_next_layer",
    ),
    Mutant(
        "boxes of errors that nothing reads at the end",
        TAYLOR,
        "total: Reals = (rest + np.concatenate(moved, axis=1)) * INFLATION",
        "total: Reals = rest * INFLATION",
        f"{SETS}::test_a_last_step_before_balls_holds_every_state",
    ),
    Mutant(
        "symbols that are left out although they move an entry",
        TAYLOR,
        ": self.counts[columns].max()]",
        ": self.counts[columns].min()]",
        f"{SETS}::test_symbols_are_left_out_only_where_they_move_nothing",
    ),
    Mutant(
        "gates read the entries of another gate",
        "tasks/bounds/stacking.py",
        "places[id(layer)] = Columns(at, at + len(layer.weight))",
        "places[id(layer)] = Columns(width, width + len(layer.weight))",
        f"{SETS}::test_maps_of_one_row_read_their_own_entries",
    ),
    Mutant(
        "symbols that are forgotten without a trace",
        ZONOTOPE,
        "(rest + lost) * INFLATION",
        "rest * INFLATION",
        f"{SETS}::test_a_zonotope_after_a_token_holds_every_state",
    ),
    Mutant(
        "an ellipsoid without what a step got wrong",
        ELLIPSOID,
        "q[:, every, every] += whole[:, None] * box",
        "q[:, every, every] += FLUSHED",
        f"{SETS}::{SUM}",
    ),
    Mutant(
        "an ellipsoid around a box that cuts its corners",
        ELLIPSOID,
        "q[:, every, every] += whole[:, None] * box",
        "q[:, every, every] += (whole / roots[-1])[:, None] * box**2",
        f"{SETS}::{SUM}",
    ),
    Mutant(
        "an ellipsoid around boxes that cuts their corners",
        ELLIPSOID,
        "np.sqrt(total * radii * INFLATION)",
        "radii",
        f"{SETS}::{SUM}",
    ),
    Mutant(
        "an ellipsoid that does not grow where a box is added",
        ELLIPSOID,
        "shares = np.sqrt(whole / roots)",
        "shares = np.ones_like(roots)",
        f"{SETS}::{SUM}",
    ),
    Mutant(
        "a matrix of an ellipsoid in float32 that rounds as float64 does",
        ELLIPSOID,
        "return 1.1 * (terms + 16) * (FLOAT32 if dtype == np.float32 else FLOAT64)",
        "return 1.1 * (terms + 16) * FLOAT64",
        f"{SETS}::test_the_matrix_of_an_ellipsoid_holds_what_its_products_round",
    ),
    Mutant(
        "a root of an ellipsoid that is rounded without a trace",
        ELLIPSOID,
        "2.0 * u * size + FLUSHED",
        "0.0 * size",
        f"{SETS}::{SUM}",
    ),
    Mutant(
        "the symbols of an ellipsoid move an entry by their middle",
        TAYLOR,
        "moved = np.sqrt(squares)",
        "moved = 0.3 * np.sqrt(squares)",
        f"{SETS}::test_an_ellipsoid_after_a_token_holds_every_state",
    ),
    Mutant(
        "prompts that go on from the state of another",
        "tasks/bounds/recurrent.py",
        "at = [where[rows] for where, rows in",
        "at = [where[: len(rows)] for where, rows in",
        f"{TREE}::test_what_stays_open_goes_on_from_its_own_state",
    ),
    Mutant(
        "states told apart in as few bits as ids have",
        "tasks/bounds/recurrent.py",
        "batches[n][:, depth].astype(np.int64) * (last + 1)",
        "batches[n][:, depth] * (last + 1)",
        f"{TREE}::test_ids_of_few_bits_give_the_same_bounds",
    ),
    Mutant(
        "what another prompt's beginning gave is read",
        "tasks/bounds/recurrent.py",
        "[[column[rows] for column in columns]",
        "[[column[: len(rows)] for column in columns]",
        f"{TREE}::test_what_stays_open_goes_on_from_its_own_state",
    ),
    Mutant(
        "a tree that goes on counts its rows from the first",
        "tasks/bounds/recurrent.py",
        "offset = sum(map(len, found))",
        "offset = 1",
        f"{TREE}::test_what_stays_open_goes_on_from_its_own_state",
    ),
    Mutant(
        "blocks go on from the beginnings of the first",
        "tasks/proofs/enumeration.py",
        "together[n], own[n] = batches[n][rows], rows",
        "together[n], own[n] = batches[n][rows], slice(rows.stop - rows.start)",
        f"{TREE}::test_words_in_blocks_go_on_from_beginnings_that_they_share",
    ),
    Mutant(
        "lengths that were left out are said to be listed",
        "tasks/proofs/enumeration.py",
        "domain=domain.up_to(more.domain.lengths[-1])",
        "domain=domain",
        "tests/unit/tasks/proofs/test_enumeration_of_domains.py::"
        "test_lengths_that_turn_out_to_take_too_long_are_left_out_and_what_was_listed_is_kept",
    ),
    Mutant(
        "a listing says that it is whole",
        "tasks/proofs/enumeration.py",
        "domain = domain.up_to(domain.lengths[len(listed) - 1])",
        "domain = domain.up_to(domain.lengths[-1])",
        "tests/unit/tasks/proofs/test_enumeration_of_domains.py::"
        "test_lengths_that_turn_out_to_take_too_long_are_left_out_and_what_was_listed_is_kept",
    ),
    Mutant(
        "what goes on without the longest words begins anew",
        "tasks/proofs/enumeration.py",
        "labels[n][first[n] :][rows], margins[n][first[n] :][rows] = label, margin",
        "labels[n][rows], margins[n][rows] = label, margin",
        "tests/unit/tasks/proofs/test_enumeration_of_domains.py::"
        "test_lengths_that_turn_out_to_take_too_long_are_left_out_and_what_was_listed_is_kept",
    ),
    Mutant(
        "states with equal centers are one",
        "tasks/bounds/recurrent.py",
        "bits = np.concatenate([states.center, states.radius], axis=1).view(np.uint64)",
        "bits = states.center.view(np.uint64)",
        f"{TREE}::test_merged_states_are_equal_bit_by_bit",
    ),
    Mutant(
        "a formula with more behind it is the same",
        "tasks/formats/recurrent_case.py",
        'return line == formula or line.startswith((f"{formula} (", f"{formula} with "))',
        "return line.startswith(formula)",
        f"{FOLDERS}::test_a_case_that_is_not_understood_is_refused",
    ),
    Mutant(
        "the checker's gate of a blend is its middle",
        "tasks/checker/arithmetic.py",
        "m * x + (1 - m) * y + (g - m) * (x - y)",
        "m * x + (1 - m) * y",
        f"{CHECKED}::test_a_blend_holds_every_blend_of_its_numbers",
    ),
    Mutant(
        "the checker takes an LSTM's gates in another order",
        "tasks/checker/recurrent_cases.py",
        'Concat(((gates["f"],), (gates["i"],)))',
        'Concat(((gates["i"],), (gates["f"],)))',
        f"{CHECKED}::test_states_hold_what_the_equations_give",
    ),
    Mutant(
        "a certificate is longer than what was checked",
        "tasks/certificates/independent.py",
        "return replace(proved, domain=proved.domain.up_to(longest), exceptions=exceptions, undecided=undecided)",
        "return replace(proved, exceptions=exceptions, undecided=undecided)",
        f"{CHECKED}::test_a_certificate_ends_where_the_checker_ends",
    ),
)

"""Deliberate faults of what is known of recurrent networks, each caught by a test or by the attack; see ``mutants``."""

from __future__ import annotations

from mutant import Mutant

TREE = "tests/unit/tasks/proofs/test_prefix_tree.py"
SETS, ZONOTOPE = "tests/property/test_state_sets.py", "tasks/bounds/recurrent_zonotope.py"
FOLDERS = "tests/unit/tasks/formats/test_recurrent_folders.py"
ELLIPSOID = "tasks/bounds/recurrent_ellipsoid.py"
CHECKED = "tests/unit/tasks/checker/test_checker_recurrent.py"

STATES: tuple[Mutant, ...] = (
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
        "an activation of a zonotope that does not bend",
        ZONOTOPE,
        "rest = slope * x.rest + _slack(x, 2) * whole.radius + 0.5 * bend * whole.radius**2",
        "rest = slope * x.rest + _slack(x, 2) * whole.radius",
        f"{SETS}::test_what_is_left_of_an_operation_on_zonotopes_is_in_the_rest",
    ),
    Mutant(
        "a product of zonotopes without that of the errors",
        ZONOTOPE,
        "rest = straight + a.radius * b.radius + slack * moved",
        "rest = straight + slack * moved",
        f"{SETS}::test_what_is_left_of_an_operation_on_zonotopes_is_in_the_rest",
    ),
    Mutant(
        "a blend of zonotopes without what both move",
        ZONOTOPE,
        "rest = straight + g.ball.radius * both + slack * moves",
        "rest = straight + slack * moves",
        f"{SETS}::test_what_is_left_of_an_operation_on_zonotopes_is_in_the_rest",
    ),
    Mutant(
        "a map of zonotopes that rounds nothing",
        ZONOTOPE,
        "return _kept(x, center, symbols, rest + rounded + flushed)",
        "return _kept(x, center, symbols, rest)",
        f"{SETS}::test_the_rest_of_a_map_holds_its_rounding_in_float32",
    ),
    Mutant(
        "symbols that are left out although they move an entry",
        ZONOTOPE,
        "if not symbols[:, -1:].any() and not symbols[:, stop:].any():",
        "if stop < symbols.shape[1]:",
        f"{SETS}::test_symbols_are_left_out_only_where_they_move_nothing",
    ),
    Mutant(
        "symbols that are forgotten without a trace",
        ZONOTOPE,
        "(rest + lost) * INFLATION",
        "rest * INFLATION",
        f"{SETS}::test_a_zonotope_after_a_token_holds_every_state",
    ),
    Mutant(
        "gates read the entries of another gate",
        ZONOTOPE,
        "else repr(columns)",
        'else ""',
        f"{SETS}::test_maps_of_one_row_read_their_own_entries",
    ),
    Mutant(
        "an ellipsoid without what a step got wrong",
        ELLIPSOID,
        "q[:, every, every] += sides[:, None] * box",
        "q[:, every, every] += FLUSHED",
        f"{SETS}::test_an_ellipsoid_holds_the_sum_of_an_ellipsoid_and_a_box",
    ),
    Mutant(
        "an ellipsoid around a box that cuts its corners",
        ELLIPSOID,
        "q[:, every, every] += sides[:, None] * box",
        "q[:, every, every] += (sides / total)[:, None] * box**2",
        f"{SETS}::test_an_ellipsoid_holds_the_sum_of_an_ellipsoid_and_a_box",
    ),
    Mutant(
        "an ellipsoid that does not grow where a box is added",
        ELLIPSOID,
        "q: Reals = product * (sides / one)[:, None, None]",
        "q: Reals = product.copy()",
        f"{SETS}::test_an_ellipsoid_holds_the_sum_of_an_ellipsoid_and_a_box",
    ),
    Mutant(
        "a matrix of an ellipsoid in float32 that rounds as float64 does",
        ELLIPSOID,
        "(FLOAT32 if dtype == np.float32 else FLOAT64)",
        "FLOAT64",
        f"{SETS}::test_the_matrix_of_an_ellipsoid_holds_what_its_products_round",
    ),
    Mutant(
        "a root of an ellipsoid that is rounded without a trace",
        ELLIPSOID,
        "2.0 * u * size + FLUSHED",
        "0.0 * size",
        f"{SETS}::test_an_ellipsoid_holds_the_sum_of_an_ellipsoid_and_a_box",
    ),
    Mutant(
        "what a layer rounds is lost before the next one",
        ELLIPSOID,
        "columns] = np.sqrt((one + total)[:, None] * box)",
        "columns] = 0.0",
        f"{SETS}::test_an_ellipsoid_after_a_token_holds_every_state",
    ),
    Mutant(
        "the symbols of an ellipsoid move an entry by their middle",
        ZONOTOPE,
        "length: Reals = np.sqrt(squares)",
        "length: Reals = 0.3 * np.sqrt(squares)",
        f"{SETS}::test_an_ellipsoid_after_a_token_holds_every_state",
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

"""Faults of the proofs for every length of recurrent networks, and of their checker."""

from __future__ import annotations

from mutant import Mutant

FRAMES, ORBITS, BOXES = "tasks/bounds/frames.py", "tasks/proofs/orbits.py", "tasks/proofs/closed_boxes.py"
CHECKED, ROUND = "tasks/checker/recurrent_forms.py", "tasks/checker/recurrent_orbits.py"
LED, AFFINE = "tasks/checker/recurrent_boxes.py", "tasks/checker/recurrent_affine.py"
SETS, TAMPERED = "tests/property/test_state_sets.py", "tests/unit/tasks/certificates/test_recurrent_certificates.py"
ON_ORBITS, ON_BOXES = "tests/unit/tasks/proofs/test_orbits.py", "tests/unit/tasks/proofs/test_closed_boxes.py"

RECURRENT = (
    Mutant(
        "recurrent: an image without its rest",
        FRAMES,
        "found = np.abs(self._inverse @ apart) + self._size @ rest",
        "found = np.abs(self._inverse @ apart)",
        SETS,
    ),
    Mutant(
        "recurrent: a bend that is a tenth",
        "tasks/bounds/operations.py",
        "return np.where(radius < 1.0, bend, TANH_BEND)",
        "return 0.1 * np.where(radius < 1.0, bend, TANH_BEND)",
        SETS,
    ),
    Mutant(
        "recurrent: a bend where the center is",
        "tasks/bounds/operations.py",
        "np.minimum(np.abs(y) + radius, 1.0)",
        "np.minimum(np.abs(y), 1.0)",
        f"{SETS}::test_tanh_bends_no_more_than_is_said_and_nearly_that",
    ),
    Mutant(
        "recurrent: a bend that no radius changes",
        "tasks/bounds/operations.py",
        "* (1.0 + radius) / (1.0 - radius)",
        "* (1.0 + radius)",
        f"{SETS}::test_tanh_bends_no_more_than_is_said_and_nearly_that",
    ),
    Mutant(
        "recurrent: a bend of what may be anywhere",
        "tasks/bounds/operations.py",
        "return np.where(radius < 1.0, bend, TANH_BEND)",
        "return bend",
        f"{SETS}::test_nothing_is_said_of_the_bend_of_what_may_be_anywhere",
    ),
    Mutant(
        "recurrent: an image larger than the set",
        ORBITS,
        "if (moved.sum(axis=1) * ball.INFLATION + offset <= radii).all():",
        "if (moved.sum(axis=1) * 0.99 <= 1.1 * radii).all():",
        ON_ORBITS,
    ),
    Mutant(
        "recurrent: labels of the set not compared",
        ORBITS,
        "self._check_labels(circle, frame.form(held), turn)",
        "self.margin = min(self.margin, 1.0)",
        ON_ORBITS,
    ),
    Mutant(
        "recurrent: labels before the set not compared",
        ORBITS,
        "self._compare(*known_label(self._model.readout, known), asked[n - first], n - first)",
        "pass",
        ON_ORBITS,
    ),
    Mutant(
        "recurrent: branching words taken for a circle",
        ORBITS,
        "if len(ways) != 1:",
        "if len(ways) < 1:",
        ON_ORBITS,
    ),
    Mutant(
        "recurrent: boxes that are not closed",
        BOXES,
        "if is_inside and not (boxes.radius[self._to] < 0).any():",
        "if not (boxes.radius[self._to] < 0).any():",
        ON_BOXES,
    ),
    Mutant(
        "recurrent: labels of boxes not compared",
        BOXES,
        "wrong = known & ((labels == UNDECIDED) | (found != asked) | (found == OTHER))",
        "wrong = known & (labels == UNDECIDED)",
        ON_BOXES,
    ),
    Mutant(
        "checker: a product without what is beyond first order",
        CHECKED,
        "(straight + self.reach(x) * self.reach(y)).abs_upper()",
        "straight.abs_upper()",
        SETS,
    ),
    Mutant(
        "checker: an activation that does not bend",
        CHECKED,
        "rest = abs(slope) * x.rest + bend * far * far / 2",
        "rest = abs(slope) * x.rest",
        SETS,
    ),
    Mutant(
        "checker: a pair of axes by half",
        CHECKED,
        "return ((length([p + t, s - q]) + length([p - t, s + q])) / 2).abs_upper()",
        "return ((length([p + t, s - q]) + length([p - t, s + q])) / 4).abs_upper()",
        SETS,
    ),
    Mutant(
        "checker: a set that a turn need not keep",
        ROUND,
        'confirm(one.frame.holds(one.frame.reaches(states)), "a turn maps',
        'confirm(one.frame.reaches(states), "a turn maps',
        TAMPERED,
    ),
    Mutant(
        "checker: an entry that need not be in the set",
        ROUND,
        'confirm(frame.holds(frame.reaches(point)), "the state at',
        'confirm(frame.reaches(point), "the state at',
        TAMPERED,
    ),
    Mutant(
        "checker: a circle that is another",
        ROUND,
        "return said == (*one.word, *one.turn)",
        "return True",
        TAMPERED,
    ),
    Mutant(
        "checker: a box that letters may leave",
        LED,
        "confirm(to < 0 or self._holds(to, a, image), ",
        "confirm(to < 0 or self._holds, ",
        TAMPERED,
    ),
    Mutant(
        "checker: labels of boxes not compared",
        LED,
        "confirm(said == label, ",
        "confirm(said != 0, ",
        TAMPERED,
    ),
    Mutant(
        "checker: a worst case of a half too much",
        AFFINE,
        "HALF, NONE = Fraction(1, 2), Fraction(0)",
        "HALF, NONE = Fraction(3, 4), Fraction(0)",
        TAMPERED,
    ),
    Mutant(
        "checker: a tail that is not added",
        AFFINE,
        "rest = max(abs(least + both.shift), abs(greatest + both.shift)) + later * (size + first)",
        "rest = max(abs(least + both.shift), abs(greatest + both.shift))",
        TAMPERED,
    ),
    Mutant(
        "recurrent: words that end are left out",
        ORBITS,
        "found += [] if ways else [Circle(",
        "found += [] if True else [Circle(",
        ON_ORBITS,
    ),
    Mutant(
        "checker: words that end are left out",
        ROUND,
        "found += [] if ways else [(word, ())]",
        "found += []",
        TAMPERED,
    ),
)

"""Faults of the proofs about networks of numbers and loops, each caught by the attack."""

from __future__ import annotations

from mutant import Mutant

AFFINE, STATES = "tasks/proofs/stream_affine.py", "tasks/proofs/stream_states.py"
GRAPHS, CHECKED, LED = (
    "tasks/proofs/box_graphs.py",
    "tasks/checker/recurrent_affine.py",
    "tasks/checker/recurrent_boxes.py",
)
FORMS, PROGRAMS = "tasks/checker/recurrent_forms.py", "tasks/checker/programs.py"
BOXED = "tests/unit/tasks/proofs/test_box_graphs.py"
CERTIFIED = "tests/unit/tasks/certificates/test_stream_certificates.py"

STREAMS = (
    tuple(
        Mutant(f"streams: {name}", file, old, new, "streams")
        for name, file, old, new in (
            (
                "a tail without the start",
                AFFINE,
                "later * (max(reach) + 2 * begun)",
                "later * max(reach)",
            ),
            (
                "a tail without constants",
                AFFINE,
                "_dot(tuple(map(abs, row)), extent) + abs(c) for row, c in",
                "_dot(tuple(map(abs, row)), extent) for row, c in",
            ),
            (
                "a tail that is not added",
                AFFINE,
                "return max(abs(self.low + now), abs(self.high + now)) + later",
                "return max(abs(self.low + now), abs(self.high + now)) + 0 * later",
            ),
            (
                "a tail of one step of a turn",
                AFFINE,
                "turn += sum(map(abs, row), Fraction(0))",
                "turn = sum(map(abs, row), Fraction(0))",
            ),
            (
                "low for high",
                AFFINE,
                "most = [high if f > 0 else low for",
                "most = [low if f > 0 else high for",
            ),
            (
                "too few powers",
                AFFINE,
                "size = len(self.of.start) + 1",
                "size = 1",
            ),
            (
                "constants that need not be constant",
                AFFINE,
                "and len(set(self.constants[: size + 1])) == 1",
                "and True",
            ),
            (
                "the least difference is not looked at",
                AFFINE,
                "worst = max(worst, abs(least), abs(most))",
                "worst = max(worst, abs(most))",
            ),
            (
                "a margin of the last step",
                AFFINE,
                "worst = max(worst, abs(least), abs(most))\n        if worst",
                "worst = max(abs(least), abs(most))\n        if worst",
            ),
            (
                "a margin that is rounded up",
                AFFINE,
                "margin = margin if margin <= left else float(np.nextafter(margin, -np.inf))",
                "margin = margin if margin >= left else float(np.nextafter(margin, np.inf))",
            ),
            (
                "closed without a look at what it holds",
                GRAPHS,
                "return bool((apart * (1.0 + 2.0**-40) + 2.0**-1000 <= boxes.radius[target]).all())",
                "return True",
            ),
            (
                "closed, apart by what is in a box",
                GRAPHS,
                "apart = np.abs(images.center - boxes.center[target]) + images.radius",
                "apart = np.abs(images.center - boxes.center[target])",
            ),
            (
                "hulls of half the size",
                GRAPHS,
                "radius = np.maximum(high - center, center - low) * (1.0 + 2.0**-40) + 2.0**-1000",
                "radius = np.maximum(high - center, center - low) / 2",
            ),
            (
                "a lattice beyond float32",
                STATES,
                "EXACT = 2.0**24",
                "EXACT = 2.0**40",
            ),
            (
                "a number that is read is dropped",
                GRAPHS,
                "return np.asarray(first.weight[:, :width].any(axis=0))",
                "return np.asarray(first.weight[:, :width].all(axis=0))",
            ),
            (
                "float64 for float32",
                STATES,
                '= (("float32", ball.FLOAT32), ("float64", ball.FLOAT64))',
                '= (("float32", ball.FLOAT64), ("float64", ball.FLOAT64))',
            ),
            (
                "an output without its radius",
                STATES,
                "apart = np.abs(read.center[:, self.column] - said) + read.radius[:, self.column]",
                "apart = np.abs(read.center[:, self.column] - said)",
            ),
            (
                "a step more than was walked",
                STATES,
                "return self._equal(steps, margin, most, begun) if steps else None",
                "return self._equal(steps + 1, margin, most, begun)",
            ),
            (
                "the margin of the last step alone",
                STATES,
                "margin, steps = min(margin, least), steps + 1",
                "margin, steps = least, steps + 1",
            ),
            (
                "a pair is forgotten",
                STATES,
                "return pairs.rows(np.array(fresh, np.int64)), bool(fresh)",
                "return pairs.rows(np.array(fresh[1:] or fresh, np.int64)), bool(fresh)",
            ),
            (
                "the last pair is forgotten",
                STATES,
                "return pairs.rows(np.array(fresh, np.int64)), bool(fresh)",
                "return pairs.rows(np.array(fresh[:-1] or fresh, np.int64)), bool(fresh)",
            ),
            (
                "the loop's first state is dropped, though it is read",
                GRAPHS,
                "return np.array([name in read for name in self.loop.names], bool)",
                "return np.array([name in read and n > 0 for n, name in enumerate(self.loop.names)], bool)",
            ),
            (
                "the loop's states are dropped, though they are read",
                GRAPHS,
                "return np.array([name in read for name in self.loop.names], bool)",
                "return np.zeros(len(self.loop.names), bool)",
            ),
            (
                "boxes of all lengths, an open output passed over",
                GRAPHS,
                "if not (apart * (1.0 + 2.0**-40) < 0.5).all():",
                "if not (apart * (1.0 + 2.0**-40) < 0.5).any():",
            ),
            (
                "boxes of all lengths, new ones not followed",
                GRAPHS,
                "if is_inside and not new:\n            return",
                "if is_inside:\n            return",
            ),
            (
                "checked: what is constant for one step is constant",
                CHECKED,
                "(t == len(both.start) + 1 and len(met) == 1)",
                "(t == 1 and len(met) == 1)",
            ),
            (
                "checked: constant where the least difference is",
                CHECKED,
                "met |= {least + away, greatest + away}",
                "met |= {least + away}",
            ),
        )
    )
    + tuple(
        Mutant(f"streams, checked: {name}", file, old, new, CERTIFIED)
        for name, file, old, new in (
            (
                "boxes of each step, followed without end",
                LED,
                "now = min(count + 1, max(least, 1)) if most is None else count + 1",
                "now = min(count + 1, max(least, 1))",
            ),
            (
                "nowhere is somewhere",
                LED,
                'confirm(to >= 0, "a letter leads nowhere from a box, and may come there")\n                    seen',
                "seen",
            ),
            (
                "an image is not looked for in its box",
                LED,
                "confirm(to < 0 or self._holds(to, a, image),",
                "confirm(True,",
            ),
            (
                "only the center of an image is in its box",
                LED,
                "(abs(x.center - c) + a.reach(x)).abs_upper() <= r",
                "(abs(x.center - c)).abs_upper() <= r",
            ),
            (
                "the program may say anything",
                LED,
                "confirm(said == label,",
                "confirm(True,",
            ),
            (
                "a name that a step may leave as it is is forgotten",
                PROGRAMS,
                "name in loaded or name not in new for name in names",
                "name in loaded for name in names",
            ),
            (
                "every name is forgotten",
                PROGRAMS,
                "value if read else first for",
                "first for",
            ),
            (
                "labels of one letter for another",
                LED,
                "[self.ids[n] for _, n in some]",
                "[self.ids[0] for _, n in some]",
            ),
        )
    )
    + tuple(
        Mutant(f"streams: {name}", file, old, new, BOXED)
        for name, file, old, new in (
            (
                "boxes snapped inwards",
                GRAPHS,
                "low, high = np.floor((boxes.center - boxes.radius) / cell), np.ceil(",
                "low, high = np.ceil((boxes.center - boxes.radius) / cell), np.floor(",
            ),
            (
                "snapped boxes told apart by the network alone",
                GRAPHS,
                "return np.concatenate([*ends, memory], axis=1)",
                "return np.concatenate([*ends, 0 * memory], axis=1)",
            ),
            (
                "hulls of centers",
                GRAPHS,
                "np.maximum.at(high, index, states.center + states.radius)",
                "np.maximum.at(high, index, states.center)",
            ),
        )
    )
)

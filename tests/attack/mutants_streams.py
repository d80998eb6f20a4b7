"""Faults of the proofs about networks of numbers and loops, each caught by the attack."""

from __future__ import annotations

from mutant import Mutant

AFFINE, STATES = "tasks/proofs/stream_affine.py", "tasks/proofs/stream_states.py"

STREAMS = tuple(
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
            STATES,
            "return bool((apart * (1.0 + 2.0**-40) + 2.0**-1000 <= outer.radius).all())",
            "return True",
        ),
        (
            "closed, apart by what is in a box",
            STATES,
            "apart = np.abs(after.states.center - outer.center) + after.states.radius",
            "apart = np.abs(after.states.center - outer.center)",
        ),
        (
            "hulls of centers",
            STATES,
            "np.maximum.at(high, index, pairs.states.center + pairs.states.radius)",
            "np.maximum.at(high, index, pairs.states.center)",
        ),
        (
            "hulls of half the size",
            STATES,
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
            "a lattice of any weights",
            STATES,
            "if all((a * 256 == np.round(a * 256)).all() for a in arrays) else None",
            "if True else None",
        ),
        (
            "a pair that is new is forgotten",
            STATES,
            "fresh.append(row)",
            "fresh += [row] if row or not fresh else []\n            fresh = fresh[:-1] if len(seen) == 3 else fresh",
        ),
        (
            "pairs of one network state are one",
            STATES,
            "key = np.concatenate([(pairs.states.center + 0.0).view(np.int64), pairs.memory], axis=1)\n    _, first",
            "key = np.ascontiguousarray((pairs.states.center + 0.0).view(np.int64))\n    _, first",
        ),
        (
            "pairs as wide as the first",
            STATES,
            "np.maximum.at(radius, index, pairs.states.radius)",
            "radius = pairs.states.radius[first]",
        ),
        (
            "a number that is read is dropped",
            STATES,
            "return np.asarray(first.weight[:, :width].any(axis=0))",
            "return np.asarray(first.weight[:, :width].all(axis=0))",
        ),
        (
            "a state of the loop that is read is dropped",
            STATES,
            "read = {name for update in self.loop.updates for name in variables(update)}",
            "read = {name for update in self.loop.updates[:1] for name in variables(update)}",
        ),
        (
            "float64 for float32",
            STATES,
            '(("float32", ball.FLOAT32), ("float64", ball.FLOAT64))',
            '(("float32", ball.FLOAT64), ("float64", ball.FLOAT64))',
        ),
        (
            "an output without its radius",
            STATES,
            "apart = np.abs(read.center[:, self.column] - said) + read.radius[:, self.column]",
            "apart = np.abs(read.center[:, self.column] - said)",
        ),
        (
            "numbers of a step that are left out",
            STATES,
            "for start in range(0, len(pairs) * tokens, ROWS):",
            "for start in range(0, len(pairs) * tokens - 1, ROWS - 1):",
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
            "a stream in the wrong order",
            STATES,
            "ids = np.array(tokens[::-1])",
            "ids = np.array(tokens)",
        ),
        (
            "boxes for float64 where float32 is asked for",
            STATES,
            'arithmetics[:1] if semantics == "float32" else arithmetics',
            "arithmetics[1:]",
        ),
    )
)

"""A network written as a list of steps: ``network.json`` beside ``model.safetensors``.

Every step of the list becomes a branch of ``network``, one that is added to the stream (``residual``) or one that takes
its place. Attention stands in a branch by itself or among row steps, a pool once, with row steps behind it; a lookup
is understood as the last step alone, where it adds to the logits. Attention to the largest score alone, or past hidden
tokens, is not understood here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flint import arb

from tasks.checker.arithmetic import LEAST_EPS, LIMIT, ZERO, Affine, Arithmetic, Row
from tasks.checker.files import Tensors, expect
from tasks.checker.network import Branch, Constant, Heads, Network, Product, Step, by_groups
from tasks.checker.recurrent import Blend, Columns, Concat, Recurrent

FILE = "network.json"
ENTRIES: dict[str, set[str]] = {
    "affine": {"weight", "bias"},
    "norm": {"kind", "gain", "bias", "eps", "groups"},
    "activation": {"kind", "slope"},
    "abs_top_k": {"count"},
    "mask": {"site", "kept", "means"},
    "attention": {"query", "key", "value", "heads", "scale", "weighting", "causal", "sink", "hidden"},
    "residual": {"steps"},
    "product": {"left", "right"},
    "lookup": {"table"},
    "pool": {"kind", "rows"},
    "columns": {"start", "stop"},
    "concat": {"parts"},
    "blend": {"gate", "one", "other"},
}
WHOLE = {"name", "notes", "dtype", "longest", "vocabulary", "outputs", "prefix", "suffix", "domain", "readout",
         "tokens", "positions", "steps"}  # fmt: skip
RECURRENT = WHOLE - {"positions", "steps"} | {"start", "transition", "output"}
STORED = {"float32": "F32", "float64": "F64"}


def steps_network(said: dict[str, Any], t: Tensors) -> Network:
    """The network that ``said``, the content of network.json, makes of its tensors."""
    expect(said.keys() == WHOLE and said["dtype"] in STORED, f"{FILE}: unknown or missing entries")
    kinds = {entry["dtype"] for entry in t.left.values()}
    expect(kinds == {STORED[said["dtype"]]}, f"{FILE}: every tensor should be {said['dtype']}")
    return _Reader(said, t).network()


def recurrent_network(said: dict[str, Any], t: Tensors) -> Recurrent:
    """The recurrent network that ``said``, the content of network.json, makes of its tensors."""
    expect(said.keys() == RECURRENT and said["dtype"] in STORED, f"{FILE}: unknown or missing entries")
    kinds = {entry["dtype"] for entry in t.left.values()}
    expect(kinds == {STORED[said["dtype"]]}, f"{FILE}: every tensor should be {said['dtype']}")
    return _Reader(said, t).recurrent()


class _Reader:
    """The steps of one file, and the tensors by name: one may be used by several steps."""

    def __init__(self, said: dict[str, Any], t: Tensors) -> None:
        self._said, self._t, self._tables = said, t, dict[str, tuple[list[int], Row]]()
        self._vocabulary, self._longest = len(_list(said["vocabulary"])), said["longest"]
        expect(type(self._longest) is int and 0 < self._longest < 2**24, f"{FILE}: longest should be a whole number")
        self._causal: set[bool] = set()

    def network(self) -> Network:
        """All of it."""
        tokens = self._matrix(self._said["tokens"], self._vocabulary, None)
        self._width = len(tokens[0])
        named = self._said["positions"]
        positions = None if named is None else self._matrix(named, self._longest, self._width)
        steps = _list(self._said["steps"])
        bigram, pools = None, [n for n, step in enumerate(steps) if _kind(step) == "pool"]
        expect(len(pools) <= 1, f"{FILE}: more than one pool")
        before, behind = (steps[: pools[0]], steps[pools[0] + 1 :]) if pools else (steps, [])
        last = steps[-1] if steps and not pools and _kind(steps[-1]) == "lookup" else None
        branches = [*self._branches(before[:-1] if last else before)]
        pool = self._pool(steps[pools[0]]) if pools else "none"
        final = self._rows(behind)
        if last is not None:
            bigram = self._matrix(_entries(last)["table"], self._vocabulary, self._width)
        expect(self._width == len(_list(self._said["outputs"])), f"{FILE}: every logit needs one name")
        expect(len(self._causal) <= 1, f"{FILE}: attention that looks back alone beside other attention")
        causal = self._causal != {False}
        return Network(tokens, positions, tuple(branches), final, self._longest, causal, pool, bigram)

    def recurrent(self) -> Recurrent:
        """All of a recurrent network."""
        tokens = self._matrix(self._said["tokens"], self._vocabulary, None)
        shape, start = self._tensor(self._said["start"])
        expect(len(shape) == 1 and start, f"{FILE}: start should be a row")
        self._width = len(start) + len(tokens[0])
        transition = self._rows(_list(self._said["transition"]))
        expect(self._width == len(start), f"{FILE}: the transition should give a state")
        output = self._rows(_list(self._said["output"]))
        expect(self._width == len(_list(self._said["outputs"])), f"{FILE}: every logit needs one name")
        return Recurrent(tokens, start, transition, output)

    def _branches(self, steps: list[Any]) -> Iterator[Branch]:
        at = 0
        while at < len(steps):
            step, kind = steps[at], _kind(steps[at])
            at += 1
            if kind == "residual":
                width, inner = self._width, _list(_entries(step)["steps"])
                before, heads, after = self._around(inner)
                expect(self._width == width, f"{FILE}: a residual branch of another width than the stream")
                yield Branch(before, heads, after) if heads else Branch((*before, *after), None, ())
            elif kind == "attention":  # with the row step that mixes its heads, where there is one
                mixes = at < len(steps) and _kind(steps[at]) == "affine"
                heads = self._heads(_entries(step))
                yield Branch((), heads, self._rows([steps[at]]) if mixes else (), is_added=False)
                at += mixes
            else:
                yield Branch(self._rows([step]), None, (), is_added=False)

    def _around(self, steps: list[Any]) -> tuple[tuple[Step, ...], Heads | None, tuple[Step, ...]]:
        """Row steps before and behind the one attention, if there is one."""
        places = [n for n, step in enumerate(steps) if _kind(step) == "attention"]
        if not places:
            return self._rows(steps), None, ()
        expect(len(places) == 1, f"{FILE}: more than one attention in a branch")
        before = self._rows(steps[: places[0]])
        return before, self._heads(_entries(steps[places[0]])), self._rows(steps[places[0] + 1 :])

    def _heads(self, e: dict[str, Any]) -> Heads:
        given, count, scale = self._width, e["heads"], e["scale"]
        parts, widths = [], []
        for name in ("query", "key", "value"):
            self._width = given
            parts.append(self._rows(_list(e[name])))
            widths.append(self._width)
        known = e["weighting"] in ("softmax", "sparsemax") and type(e["causal"]) is bool and e["hidden"] == []
        expect(known, f"{FILE}: attention that is not understood: weighting, hidden tokens")
        fits = type(count) is int and count > 0 and widths[0] == widths[1] and all(n % count == 0 for n in widths)
        expect(fits, f"{FILE}: queries, keys and values that do not fit {count} heads")
        self._causal.add(e["causal"])
        sinks: list[arb | None] = [None] * count
        if e["sink"] is not None:
            expect(e["weighting"] == "softmax", f"{FILE}: a sink is for softmax")
            sinks = [*self._row(e["sink"], count)]
        factor = _number(scale)
        expect(factor > 0, f"{FILE}: expected a scale above 0, got {scale!r:.80}")
        return Heads(tuple(parts), count, factor, sinks, e["weighting"] == "sparsemax")

    def _rows(self, steps: list[Any]) -> tuple[Step, ...]:
        """Steps on each row by itself."""
        return tuple(self._row_step(_kind(step), _entries(step)) for step in steps)

    def _row_step(self, kind: str, e: dict[str, Any]) -> Step:
        match kind:
            case "affine":
                weight = self._matrix(e["weight"], None, self._width)
                self._width = len(weight)
                return Affine(weight, [ZERO] * len(weight) if e["bias"] is None else self._row(e["bias"], len(weight)))
            case "norm":
                return self._norm(e)
            case "activation":
                return _activation(e["kind"], e["slope"])
            case "abs_top_k":
                k = e["count"]
                expect(type(k) is int and 0 < k <= self._width, f"{FILE}: a count of AbsTopK that does not fit")
                return lambda a, rows: [a.top_k(x, k) for x in rows]
            case "mask":
                return self._mask(e)
            case "residual":
                width, inner = self._width, self._rows(_list(e["steps"]))
                expect(self._width == width, f"{FILE}: a residual branch of another width than the stream")
                return _added(inner)
            case "product":
                given, sides, widths = self._width, [], []
                for side in ("left", "right"):
                    self._width = given
                    sides.append(self._rows(_list(e[side])))
                    widths.append(self._width)
                expect(widths[0] == widths[1], f"{FILE}: a product of rows of {widths[0]} and {widths[1]} columns")
                return Product(sides[0], sides[1])
            case "columns" | "concat" | "blend":
                expect("transition" in self._said, f"{FILE}: {kind} is a step of recurrent networks")
                return self._recurrent_step(kind, e)
        expect(False, f"{FILE}: {kind} stands where a step on each row by itself belongs")
        raise AssertionError

    def _recurrent_step(self, kind: str, e: dict[str, Any]) -> Step:
        if kind == "columns":
            start, stop = e["start"], e["stop"]
            fits = type(start) is type(stop) is int and 0 <= start < stop <= self._width
            expect(fits, f"{FILE}: columns that do not fit")
            self._width = stop - start
            return Columns(start, stop)
        given, ways, widths = self._width, [], []
        for steps in _list(e["parts"]) if kind == "concat" else (e["gate"], e["one"], e["other"]):
            self._width = given
            ways.append(self._rows(_list(steps)))
            widths.append(self._width)
        if kind == "concat":
            expect(ways, f"{FILE}: a concat of nothing")
            self._width = sum(widths)
            return Concat(tuple(ways))
        expect(len({*widths}) == 1, f"{FILE}: a blend of rows of {widths} columns")
        return Blend(*ways)

    def _norm(self, e: dict[str, Any]) -> Step:
        kind, eps, d, groups = e["kind"], e["eps"], self._width, e["groups"]
        expect(type(groups) is int and groups > 0 and d % groups == 0, f"{FILE}: a norm's groups do not fit")
        expect(kind in ("layer", "rms"), f"{FILE}: a norm of an unknown kind")
        expect(type(eps) is float and LEAST_EPS <= eps < 1, f"{FILE}: expected a norm's eps from 2**-40 to 1")
        gain, bias = self._row(e["gain"], d), [ZERO] * d if e["bias"] is None else self._row(e["bias"], d)
        return by_groups(gain, bias, eps, groups, centered=kind == "layer")

    def _mask(self, e: dict[str, Any]) -> Step:
        means, kept = self._row(e["means"], self._width), _list(e["kept"])
        expect(len(kept) == self._width and all(type(keep) is bool for keep in kept), f"{FILE}: kept nodes")
        if not any(kept):
            return Constant(means)
        return lambda a, rows: [
            [m if not keep and (a.is_real or v.is_finite()) else v for v, keep, m in zip(x, kept, means, strict=True)]
            for x in rows
        ]

    def _pool(self, step: Any) -> str:
        e = _entries(step)
        expect(e["kind"] in ("sum", "mean", "last", "first", "concat"), f"{FILE}: a pool of an unknown kind")
        expect(e["rows"] == (self._longest if e["kind"] == "concat" else 0), f"{FILE}: the rows of a pool")
        self._width *= e["rows"] or 1
        return str(e["kind"])

    def _row(self, name: Any, size: int) -> Row:
        shape, flat = self._tensor(name)
        expect(shape == [size], f"{FILE}: {name!r:.80} should have shape {[size]}, got {shape}")
        return flat

    def _matrix(self, name: Any, rows: int | None, columns: int | None) -> list[Row]:
        shape, flat = self._tensor(name)
        fits = len(shape) == 2 and rows in (None, shape[0]) and columns in (None, shape[1]) and min(shape) > 0
        expect(fits, f"{FILE}: {name!r:.80} should have shape {[rows, columns]}, got {shape}")
        return [flat[n : n + shape[1]] for n in range(0, len(flat), shape[1])]

    def _tensor(self, name: Any) -> tuple[list[int], Row]:
        expect(type(name) is str, f"{FILE}: a tensor is named by a text")
        if name not in self._tables:
            expect(name in self._t.left, f"{FILE}: no tensor is called {name!r:.80}")
            shape = self._t.left[name]["shape"]
            self._tables[name] = shape, self._t.take(name, *shape)
        return self._tables[name]


def _added(inner: tuple[Step, ...]) -> Step:
    def step(a: Arithmetic, rows: list[Row]) -> list[Row]:
        result = rows
        for part in inner:
            result = part(a, result)
        return a.add(rows, result)

    return step


def _activation(kind: Any, slope: Any) -> Step:
    if kind == "leaky_relu":
        leak = _number(slope)
        expect(type(slope) is not bool and 0 <= slope < 1, f"{FILE}: expected a slope from 0 to below 1")
        return lambda a, rows: [a.leak(row, leak) for row in rows]
    known = kind in ("relu", "gelu", "gelu_tanh", "silu", "tanh", "sigmoid")
    expect(known and slope == 0, f"{FILE}: an unknown activation")
    return lambda a, rows: [a.activate(row, kind) for row in rows]


def _number(value: Any) -> arb:
    known = type(value) in (int, float) and abs(value) < LIMIT
    expect(known, f"{FILE}: expected a number, got {value!r:.80}")
    return arb(value)


def _kind(step: Any) -> str:
    known = type(step) is dict and type(step.get("step")) is str and step["step"] in ENTRIES
    expect(known, f"{FILE}: an unknown step {str(step)[:80]!r}")
    return step["step"]  # type: ignore[no-any-return]


def _entries(step: Any) -> dict[str, Any]:
    kind = _kind(step)
    expect(step.keys() == {"step", *ENTRIES[kind]}, f"{FILE}: unknown or missing entries of {kind}")
    return step  # type: ignore[no-any-return]


def _list(value: Any) -> list[Any]:
    expect(type(value) is list, f"{FILE}: expected a list, got {str(value)[:80]!r}")
    return value  # type: ignore[no-any-return]

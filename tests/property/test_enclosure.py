"""The bounds of ``tasks.bounds.interpreter`` hold the ideal value (arb, 200 bits) and torch's own runs."""

from collections.abc import Iterator

import flint
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from quick import examples
from torch.nn import functional

from tasks.bounds import ball, interpreter, operations, zonotope, zonotope_interpreter
from tasks.bounds.ball import FLOAT32, FLOAT64, Ball
from tasks.networks.interpreter import logits, visible
from tasks.networks.transformer import (
    AbsTopK,
    Activation,
    Affine,
    Attention,
    Lookup,
    Mask,
    Norm,
    Pool,
    Product,
    Residual,
    Transformer,
)

F = np.float32
VOCABULARY, WIDTH, LONGEST = 4, 4, 5
seeds = st.integers(0, 2**32 - 1).map(np.random.default_rng)
laws = settings(max_examples=examples(40), deadline=None, derandomize=True)


@pytest.fixture(autouse=True)
def many_bits() -> Iterator[None]:
    before, flint.ctx.prec = flint.ctx.prec, 200
    yield
    flint.ctx.prec = before


# --- random networks, all weights float32 numbers ---------------------------------------------------------------


def numbers(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.normal(scale=rng.choice([0.3, 1.0, 2.0]), size=shape).astype(F).astype(float)


def affine(rng: np.random.Generator, out: int, width: int) -> Affine:
    return Affine(numbers(rng, out, width), numbers(rng, out) if rng.random() < 0.7 else None)


def attention(rng: np.random.Generator, weighting: str, causal: bool) -> Attention:
    heads = int(rng.choice([1, 2]))
    parts = [(affine(rng, WIDTH, WIDTH),) for _ in range(3)]
    sink = numbers(rng, heads) if weighting == "softmax" and rng.random() < 0.5 else None
    hidden = (3,) if sink is not None and rng.random() < 0.5 else ()
    return Attention(*parts, heads, float(rng.choice([0.5, 1.0, 3.0])), weighting, causal, sink, hidden)


def row_step(rng: np.random.Generator) -> object:
    kept = rng.random(WIDTH) < 0.7
    return [
        Norm("layer", numbers(rng, WIDTH), numbers(rng, WIDTH), 1e-5),
        Norm("rms", numbers(rng, WIDTH), None, 1e-5),
        Norm("rms", numbers(rng, WIDTH), None, 1e-5, 2),
        Norm("layer", numbers(rng, WIDTH), numbers(rng, WIDTH), 1e-5, 2),
        Product((affine(rng, 3, WIDTH), Activation("silu")), (affine(rng, 3, WIDTH),)),
        Activation("silu"),
        Activation("tanh"),
        Activation("sigmoid"),
        Activation("relu"),
        Activation("leaky_relu", 0.25),
        Activation("gelu"),
        Activation("gelu_tanh"),
        AbsTopK(2),
        Mask("site", kept, numbers(rng, WIDTH)),
        Lookup(numbers(rng, VOCABULARY, WIDTH)),
        affine(rng, WIDTH, WIDTH),
    ][rng.integers(16)]


def widened(rng: np.random.Generator, step: object) -> tuple:
    """The step, and a map back where it gives rows of another width."""
    return (step, affine(rng, WIDTH, 3)) if isinstance(step, Product) else (step,)


def network(rng: np.random.Generator) -> Transformer:
    """A couple of blocks of any kind; positions repeat at times, so that classes merge."""
    weighting, causal = rng.choice(["softmax", "softmax", "sparsemax", "hard"]), bool(rng.random() < 0.6)
    steps: list = []
    for _ in range(rng.integers(1, 3)):
        steps.append(
            Residual((*widened(rng, row_step(rng)), attention(rng, weighting, causal), affine(rng, WIDTH, WIDTH)))
        )
        steps.append(
            Residual((*widened(rng, row_step(rng)), affine(rng, 6, WIDTH), Activation("gelu"), affine(rng, WIDTH, 6)))
        )
        steps += widened(rng, row_step(rng))
    if rng.random() < 0.5:
        steps.append(Pool(str(rng.choice(["sum", "mean", "last", "first"]))))
    steps.append(affine(rng, 2, WIDTH))
    positions = [None, np.repeat(numbers(rng, 1, WIDTH), LONGEST, axis=0), numbers(rng, LONGEST, WIDTH)]
    return Transformer(numbers(rng, VOCABULARY, WIDTH), positions[rng.integers(3)], tuple(steps), LONGEST)


# --- the formulas once more, in arb and in torch ----------------------------------------------------------------

lift = np.vectorize(lambda value: flint.arb(float(value)), otypes=[object])
apply = {name: np.vectorize(lambda value, name=name: getattr(value, name)(), otypes=[object])
         for name in ("exp", "erf", "tanh", "sqrt")}  # fmt: skip


def exact_run(steps: tuple, x: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """One prompt: (T, width) arbs."""
    for step in steps:
        match step:
            case Affine(weight, bias):
                x = x @ lift(weight).T + (0 if bias is None else lift(bias))
            case Norm(groups=groups) if groups > 1:
                parts = [exact_run((norm,), x[:, place], ids) for place, norm in step.parts]
                x = np.concatenate(parts, axis=1)
            case Norm(kind, gain, bias, eps):
                x = x - x.sum(axis=1, keepdims=True) / x.shape[1] if kind == "layer" else x
                root = apply["sqrt"]((x * x).sum(axis=1, keepdims=True) / x.shape[1] + flint.arb(eps))
                x = x / root * lift(gain) + (0 if bias is None else lift(bias))
            case Activation(kind, slope):
                x = exact_activation(kind, slope, x)
            case AbsTopK(count):
                order = np.argsort(-np.abs(x).astype(float), axis=1, kind="stable")[:, :count]
                kept = np.zeros(x.shape, bool)
                np.put_along_axis(kept, order, True, axis=1)
                x = np.where(kept, x, flint.arb(0))
            case Mask(_, kept, means):
                x = np.where(kept, x, lift(means))
            case Product(left, right):
                x = exact_run(left, x, ids) * exact_run(right, x, ids)
            case Lookup(table):
                x = x + lift(table)[ids]
            case Residual(inner):
                x = x + exact_run(inner, x, ids)
            case Pool("last"):
                x = x[-1:]
            case Pool("first"):
                x = x[:1]
            case Pool(kind):
                x = x.sum(axis=0, keepdims=True) / (len(x) if kind == "mean" else 1)
            case Attention():
                x = exact_attention(step, x, ids)
    return x


def exact_activation(kind: str, slope: float, x: np.ndarray) -> np.ndarray:
    if kind == "gelu":
        return x / 2 * (1 + apply["erf"](x / flint.arb(2).sqrt()))
    if kind == "gelu_tanh":
        return x / 2 * (1 + apply["tanh"]((2 / flint.arb.pi()).sqrt() * (x + flint.arb("0.044715") * x**3)))
    if kind == "tanh":
        return apply["tanh"](x)
    if kind in ("sigmoid", "silu"):
        return (x if kind == "silu" else 1) / (1 + apply["exp"](-x))
    return np.where(x.astype(float) >= 0, x, x * flint.arb(slope))


def exact_attention(step: Attention, x: np.ndarray, ids: np.ndarray) -> np.ndarray:
    q, k, v = (exact_run(part, x, ids) for part in (step.query, step.key, step.value))
    size, result = q.shape[1] // step.heads, np.zeros((len(x), v.shape[1]), object)
    seen = visible(step, ids[None])[0]
    for row in range(len(x)):
        for head in range(step.heads):
            columns = slice(head * size, head * size + size)
            keys = np.flatnonzero(seen[row])
            scores = [(q[row, columns] * k[n, columns]).sum() * flint.arb(step.scale) for n in keys]
            weights = exact_weights(step, scores, None if step.sink is None else flint.arb(float(step.sink[head])))
            result[row, columns] = sum((p * v[n, columns] for p, n in zip(weights, keys, strict=True)), flint.arb(0))
    return result


def exact_weights(step: Attention, scores: list, sink: object) -> list:
    if step.weighting == "softmax":
        terms = [score.exp() for score in scores]
        total = sum(terms, flint.arb(0)) + (flint.arb(0) if sink is None else sink.exp())
        return [term / total for term in terms]
    falling = sorted(scores, key=float, reverse=True)
    if step.weighting == "hard":
        best = [float(falling[0] - score) < 1e-40 for score in scores]
        return [flint.arb(int(is_best)) / sum(best) for is_best in best]
    sums = np.cumsum(np.array(falling, object))
    tau = max(((total - 1) / count for count, total in enumerate(sums, 1)), key=float)
    return [score - tau if float(score - tau) > 0 else flint.arb(0) for score in scores]


def torch_run(steps: tuple, x: torch.Tensor, ids: np.ndarray) -> torch.Tensor:
    """Prompts of one length: (prompts, T, width), in the dtype of ``x``."""

    def to(array: np.ndarray | None) -> torch.Tensor | None:
        return None if array is None else torch.tensor(np.asarray(array), dtype=x.dtype)

    for step in steps:
        match step:
            case Affine(weight, bias):
                x = functional.linear(x, to(weight), to(bias))
            case Norm(groups=groups) if groups > 1:
                x = torch.cat([torch_run((norm,), x[..., place], ids) for place, norm in step.parts], dim=-1)
            case Norm("layer", gain, bias, eps):
                x = functional.layer_norm(x, (len(gain),), to(gain), to(bias), eps)
            case Norm(_, gain, _, eps):
                x = functional.rms_norm(x, (len(gain),), to(gain), eps)
            case Activation("gelu"):
                x = functional.gelu(x)
            case Activation("gelu_tanh"):
                x = functional.gelu(x, approximate="tanh")
            case Activation("silu" | "tanh" | "sigmoid" as kind):
                x = functional.silu(x) if kind == "silu" else getattr(torch, kind)(x)
            case Activation(_, slope):
                x = functional.leaky_relu(x, slope)
            case AbsTopK(count):
                kept = torch.zeros_like(x).scatter(-1, x.abs().topk(count, dim=-1).indices, 1.0)
                x = x * kept
            case Mask(_, kept, means):
                x = torch.where(torch.tensor(np.array(kept)), x, to(means))
            case Product(left, right):
                x = torch_run(left, x, ids) * torch_run(right, x, ids)
            case Lookup(table):
                x = x + to(table)[torch.tensor(ids)]
            case Residual(inner):
                x = x + torch_run(inner, x, ids)
            case Pool("last"):
                x = x[:, -1:]
            case Pool("first"):
                x = x[:, :1]
            case Pool(kind):
                x = x.sum(dim=1, keepdim=True) if kind == "sum" else x.mean(dim=1, keepdim=True)
            case Attention():
                x = torch_attention(step, x, ids)
    return x


def torch_attention(step: Attention, x: torch.Tensor, ids: np.ndarray) -> torch.Tensor:
    q, k, v = (
        torch_run(part, x, ids).unflatten(-1, (step.heads, -1)).transpose(1, 2)
        for part in (step.query, step.key, step.value)
    )
    scores = (q @ k.transpose(-1, -2)) * step.scale
    scores = scores.masked_fill(~torch.tensor(visible(step, ids))[:, None], -torch.inf)
    if step.weighting == "softmax":
        if step.sink is not None:
            sink = torch.tensor(step.sink, dtype=x.dtype)[:, None, None].expand(*scores.shape[:3], 1)
            scores = torch.cat([scores, sink], dim=-1)
        pattern = scores.softmax(dim=-1)[..., : ids.shape[1]]
    elif step.weighting == "hard":
        best = (scores == scores.amax(dim=-1, keepdim=True)).to(x.dtype)
        pattern = best / best.sum(dim=-1, keepdim=True)
    else:
        falling = scores.sort(dim=-1, descending=True).values
        count = torch.arange(1, ids.shape[1] + 1, dtype=x.dtype)
        sums = falling.cumsum(dim=-1)
        support = (1 + count * falling > sums).sum(dim=-1, keepdim=True)
        pattern = (scores - (sums.gather(-1, support - 1) - 1) / support).clamp(min=0)
    return (pattern @ v).transpose(1, 2).flatten(-2)


# --- laws -------------------------------------------------------------------------------------------------------


def assert_inside(rows: Ball, values: np.ndarray) -> None:
    """All of ``values`` (floats or arbs), certainly; at most the unbounded may hold anything."""
    for center, radius, value in zip(rows.center.flat, rows.radius.flat, values.flat, strict=True):
        if radius < np.inf:
            value = value if isinstance(value, flint.arb) else flint.arb(float(value))
            assert abs(value - flint.arb(center)) <= flint.arb(radius), (center, radius, value)


@pytest.mark.parametrize("enclose", [interpreter.enclose, zonotope_interpreter.enclose], ids=["balls", "forms"])
@laws
@given(seeds, st.sampled_from([FLOAT32, FLOAT64]))
def test_bounds_hold_the_ideal_value_and_what_torch_computes(enclose, rng, u):
    net = network(rng)
    batches = [rng.integers(0, VOCABULARY, (6, length)) for length in (2, LONGEST)]
    stream = enclose(net, batches, u)
    dtype = torch.float32 if u == FLOAT32 else torch.float64
    for ids, place in zip(batches, stream.places, strict=True):
        rows = stream.x[place.ravel()]
        x = net.tokens[ids] + (0 if net.positions is None else net.positions[: ids.shape[1]])
        run = torch_run(net.steps, torch.tensor(x.astype(F if u == FLOAT32 else float), dtype=dtype), ids)
        assert_inside(rows, run.double().numpy().reshape(-1, 2))
        assert_inside(rows, logits(net, ids).reshape(-1, 2))
        for prompt in range(2):
            start = lift(net.tokens[ids[prompt]])
            start = start if net.positions is None else start + lift(net.positions[: ids.shape[1]])
            assert_inside(stream.x[place[prompt]], exact_run(net.steps, start, ids[prompt]))


@pytest.mark.parametrize("enclose", [interpreter.enclose, zonotope_interpreter.enclose], ids=["balls", "forms"])
def test_bounds_in_double_precision_are_small_for_nearly_all_networks(enclose):
    small = []
    for seed in range(examples(60)):
        rng = np.random.default_rng(seed)
        net, ids = network(rng), rng.integers(0, VOCABULARY, (8, LONGEST))
        x = enclose(net, [ids], FLOAT64).x
        small.append(np.median(x.radius) <= 1e-9 * (1 + np.abs(x.center).max()))
    assert np.mean(small) > 0.7  # the others met a tie, or a norm of nearly equal entries


@laws
@given(seeds)
def test_forms_are_hardly_ever_looser_than_balls(rng):
    net = network(rng)
    ids = rng.integers(0, VOCABULARY, (8, LONGEST))
    streams = (module.enclose(net, [ids], FLOAT32) for module in (interpreter, zonotope_interpreter))
    loose, tight = (stream.x.radius[stream.places[0]] for stream in streams)  # which rows are one is not the same
    assert (tight <= 1.5 * loose + 1e-30).mean() > 0.9


@laws
@given(
    seeds,
    st.sampled_from([1e-9, 1e-3, 0.3]),
    st.sampled_from(["leaky_relu", "gelu_tanh", "silu", "tanh", "sigmoid"]),
)
def test_activations_hold_every_point_of_a_ball(rng, blur, kind):
    x = Ball(numbers(rng, 3, 5), np.full((3, 5), blur))
    operation = getattr(operations, kind)
    y = operations.leaky_relu(x, 0.01, FLOAT64) if kind == "leaky_relu" else operation(x, FLOAT64)
    for shift in (-1.0, 1.0, rng.uniform(-1, 1)):
        point = lift(x.center) + lift(np.full((3, 5), shift)) * flint.arb(blur)
        assert_inside(y, exact_activation(kind, 0.01, point))


@pytest.mark.parametrize("kind", ["silu", "tanh", "sigmoid"])
def test_activations_hold_executions_far_out_by_exp_and_by_tanh(kind):
    points = np.array([[*np.linspace(-110, 110, 881), -1e4, 1e4, -90.5, 88.73]]).astype(F)
    y = getattr(operations, kind)(Ball.exact(points), FLOAT32)
    with np.errstate(over="ignore"):
        shares = [F(1) / (F(1) + np.exp(-points)), F(0.5) * (F(1) + np.tanh(F(0.5) * points))]
        late = points / (F(1) + np.exp(-points))
    runs = {"tanh": [np.tanh(points)], "sigmoid": shares, "silu": [late, *(points * share for share in shares)]}
    for run in runs[kind]:
        assert_inside(y, run.astype(float))
    assert_inside(y, exact_activation(kind, 0.0, lift(points)))
    assert (y.radius <= 1e-5 * (1 + np.abs(points))).all()


@laws
@given(seeds, st.sampled_from([0.0, 1e-9, 1e-3, 0.3]), st.sampled_from([FLOAT32, FLOAT64]))
def test_products_hold_every_point_of_their_balls(rng, blur, u):
    x, y = (Ball(numbers(rng, 3, 5), blur * rng.random((3, 5))) for _ in range(2))
    product = ball.multiply(x, y, u)
    for _ in range(4):
        points = [b.center + b.radius * rng.choice([-0.99, 0.0, 0.99], size=(3, 5)) for b in (x, y)]
        assert_inside(product, lift(points[0]) * lift(points[1]))
        if u == FLOAT32:
            single = [np.where(np.abs(p.astype(F) - b.center) <= b.radius, p.astype(F), b.center.astype(F))
                      for p, b in zip(points, (x, y), strict=True)]  # fmt: skip
            assert_inside(product, (single[0] * single[1]).astype(float))
    assert (product.radius <= 2 * blur * (1 + x.magnitude + y.magnitude) + 2.0**-22 * (1 + product.magnitude)).all()


@pytest.mark.parametrize("bad", [np.inf, np.nan, 2.0**50])
def test_nothing_is_known_of_a_product_with_what_may_not_be_finite(bad):
    x = ball._ball(np.array([[bad, 2.0]]), np.zeros((1, 2)))
    product = ball.multiply(x, Ball.exact(np.zeros((1, 2))), FLOAT32)
    assert product.radius[0, 0] == np.inf
    assert product.radius[0, 1] < 1


@pytest.mark.parametrize("enclose", [interpreter.enclose, zonotope_interpreter.enclose], ids=["balls", "forms"])
@laws
@given(seeds)
def test_bounds_hold_whatever_table_lies_within_its_error(enclose, rng):
    positions, width = numbers(rng, LONGEST, WIDTH), int(rng.integers(1, 3))
    tokens = numbers(rng, VOCABULARY, WIDTH)
    errors = [10.0 ** -rng.integers(2, 6) * rng.random(table.shape) for table in (tokens, positions)]
    gated = Product((affine(rng, 3, WIDTH), Activation("silu")), (affine(rng, 3, WIDTH),))
    steps = (
        Residual((attention(rng, "softmax", causal=True), affine(rng, WIDTH, WIDTH))),
        Residual((Norm("rms", numbers(rng, WIDTH), None, 1e-5, width), gated, affine(rng, WIDTH, 3))),
    )
    net = Transformer(tokens, positions, steps, LONGEST, "float64", *errors)
    ids = rng.integers(0, VOCABULARY, (4, LONGEST))
    stream = enclose(net, [ids], FLOAT64)
    for _ in range(3):
        moved = [t + e * rng.choice([-0.999, 0.0, 0.999], size=t.shape) for t, e in zip((tokens, positions), errors,
                                                                                       strict=True)]  # fmt: skip
        near = Transformer(*moved, steps, LONGEST, "float64")
        assert_inside(stream.x[stream.places[0].ravel()], logits(near, ids).reshape(-1, WIDTH))


def test_places_of_equal_numbers_and_other_errors_are_told_apart():
    error = np.array([[0.0], [0.5]])
    net = Transformer(np.zeros((1, 1)), np.zeros((2, 1)), (), 2, "float32", position_error=error)
    stream = interpreter.enclose(net, [np.zeros((1, 2), int)], FLOAT32)
    assert [float(r) > 0.4 for r in stream.x.radius[stream.places[0].ravel(), 0]] == [False, True]


@laws
@given(seeds, st.sampled_from([1e-9, 1e-3, 0.2]), st.sampled_from(["sparsemax", "hard"]))
def test_attention_holds_every_point_of_its_balls(rng, blur, weighting):
    keys, size = int(rng.integers(1, 6)), 3
    centers = [numbers(rng, 1, 1, size), numbers(rng, keys, 1, size), numbers(rng, keys, 1, size)]
    q, k, v = (Ball(center, np.full(center.shape, blur)) for center in centers)
    attend = operations.sparse_attend if weighting == "sparsemax" else operations.hard_attend
    y = attend(ball.scores_of_one(q, k, 0.5, FLOAT64)[None], Ball(v.center[None], v.radius[None]), FLOAT64)
    step = Attention((), (), (), 1, 0.5, weighting)
    points = [lift(c) + lift(blur * rng.choice([-1.0, 0.0, 1.0], size=c.shape)) * flint.arb("0.999") for c in centers]
    scores = [(points[0][0, 0] * points[1][n, 0]).sum() * flint.arb(0.5) for n in range(keys)]
    weights = exact_weights(step, scores, None)
    mixed = sum((p * points[2][n, 0] for n, p in enumerate(weights)), flint.arb(0))
    assert_inside(y, np.array(mixed)[None, None])


@pytest.mark.parametrize("kind", ["sum", "mean", "last"])
def test_pools_hold_sums_in_any_order(kind):
    rng = np.random.default_rng(0)
    x = Ball(numbers(rng, 4, 9, 3), rng.random((4, 9, 3)) * 1e-6)
    y = operations.pool(x, kind, FLOAT32)
    for _ in range(20):
        point = (x.center + x.radius * rng.uniform(-0.99, 0.99, x.center.shape))[
            :, rng.permutation(9) if kind != "last" else slice(None)
        ]
        total = point.astype(F).sum(axis=1) if kind == "sum" else point.astype(F).mean(axis=1)
        assert_inside(y, (point[:, -1] if kind == "last" else total).astype(float))


def curved_point(rng, form):
    """A point of a form, often a corner, as arbs."""
    symbols = rng.choice([-1.0, 1.0, rng.uniform(-1, 1)], size=form.shape.shape[2])
    aside = rng.choice([-1.0, 0.0, 1.0], size=form.rest.shape)
    point = lift(form.center) + (lift(form.shape) * lift(symbols)).sum(axis=2) + lift(form.rest) * lift(aside)
    return point, symbols


@pytest.mark.parametrize("kind", range(11))
@settings(max_examples=examples(25), deadline=None, derandomize=True)
@given(seeds, st.sampled_from([1e-6, 1e-2, 0.3]), st.sampled_from([0.0, 1.0]))
def test_forms_hold_every_point_and_know_what_it_came_from(kind, rng, blur, aside):
    """The image of a point is within ``rest`` of what the same symbols give after the step."""
    step = [
        Activation("relu"),
        Activation("leaky_relu", 0.25),
        Activation("gelu"),
        Activation("gelu_tanh"),
        Norm("layer", numbers(rng, 4), numbers(rng, 4), 1e-5),
        Norm("rms", numbers(rng, 4), None, 1e-5),
        Norm("rms", numbers(rng, 4), None, 1e-5, 2),
        Activation("silu"),
        Activation("tanh"),
        Activation("sigmoid"),
        Product((affine(rng, 4, 4), Activation("silu")), (affine(rng, 4, 4),)),
    ][kind]
    start = zonotope.Form.of(Ball(numbers(rng, 3, 4), blur * rng.random((3, 4))))
    start = zonotope.Form(start.center, start.shape, aside * blur * rng.random((3, 4)))
    layer = affine(rng, 4, 4)
    mixed = zonotope.affine(start, ball.Affine.of(layer.weight, np.zeros(4)), FLOAT64)
    after = zonotope_interpreter.form_step(step, FLOAT64)(mixed, np.zeros(3, int))
    total = zonotope.add(after, mixed, FLOAT64)
    for _ in range(4):
        point, symbols = curved_point(rng, start)
        middle = point @ lift(layer.weight).T
        image = exact_run((step,), middle, np.zeros(3, int))
        for form, values in ((mixed, middle), (after, image), (total, image + middle)):
            line = lift(form.center) + (lift(form.shape) * lift(symbols)).sum(axis=2)
            for off, rest in zip((values - line).flat, form.rest.flat, strict=True):
                assert rest == np.inf or abs(off) <= flint.arb(rest), (kind, off, rest)
            assert_inside(form.ball, values)


@laws
@given(seeds, st.sampled_from([1e-6, 1e-3]))
def test_a_form_that_cancels_is_tighter_than_a_ball(rng, blur):
    x = Ball(numbers(rng, 2, 4), np.full((2, 4), blur))
    layer = ball.Affine.of(np.vstack([np.eye(4), -np.eye(4)]), np.zeros(8))
    back = ball.Affine.of(np.hstack([np.eye(4), np.eye(4)]), np.zeros(4))
    start = zonotope.Form.of(x)
    assert (
        zonotope.affine(zonotope.affine(start, layer, FLOAT64), back, FLOAT64).ball.radius.max() < 1e-6 * blur + 1e-13
    )


@laws
@given(seeds)
def test_forms_hold_what_float32_computes_of_exact_inputs(rng):
    x, y, gain = numbers(rng, 5, 4), numbers(rng, 5, 4), numbers(rng, 4)
    start, single = zonotope.Form.of(Ball.exact(x)), torch.tensor(x, dtype=torch.float32)
    total = zonotope.add(start, zonotope.Form.of(Ball.exact(y)), FLOAT32)
    assert_inside(total.ball, (x.astype(F) + y.astype(F)).astype(float))
    normed = zonotope.norm(Norm("layer", gain, numbers(rng, 4), 1e-5), start, FLOAT32)
    plain = functional.layer_norm(single, (4,), torch.tensor(gain, dtype=torch.float32), None, 1e-5)
    bias_free = zonotope.norm(Norm("layer", gain, np.zeros(4), 1e-5), start, FLOAT32)
    assert_inside(bias_free.ball, plain.double().numpy())
    assert (normed.rest > 0).all()
    bent = zonotope.activation(Activation("gelu"), start, FLOAT32)
    assert_inside(bent.ball, functional.gelu(single).double().numpy())


def test_errors_of_a_row_and_of_what_it_is_given_are_never_set_off_against_each_other():
    """x minus the mean of all rows: both carry the rounding of the embedding, and each its own."""
    rng = np.random.default_rng(0)
    zero = (Affine(np.zeros((1, WIDTH))),)
    mean = Attention(zero, zero, (Affine(np.eye(WIDTH)),), 1, 1.0, causal=False)
    tokens, positions = numbers(rng, VOCABULARY, WIDTH), numbers(rng, LONGEST, WIDTH)
    same, minus = Affine(np.eye(WIDTH)), Affine(-np.eye(WIDTH))
    radius = {}
    for name, steps in (("x", (same,)), ("mean", (mean, same)), ("difference", (Residual((mean, minus)),))):
        net = Transformer(tokens, positions, steps, LONGEST)
        radius[name] = zonotope_interpreter.enclose(net, [np.array([[0, 1, 2, 3, 1]])], FLOAT32).x.radius
    assert (radius["difference"] >= 0.9 * (radius["x"] + radius["mean"])).all()

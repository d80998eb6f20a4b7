"""``from_torch``: a torch module of one's own as the network type of which everything is proved.

``torch.export`` traces the module once, on a prompt of the longest length, to a program of tensor operations; that
program is followed (``tensor_graph``) and written as steps (``lowering``). The module itself is never changed: a copy
is traced, in evaluation mode, in its own precision, and a second one in float64. The steps of the second are run
beside it on random prompts of every length, and a mapping that differs by more than rounding is refused.

An operation that has no rule is named, with the module it is in and the way round it (``WAY_ROUND``).
"""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from cegis.domain import Constraint
from tasks.formats.lowering import lower
from tasks.formats.tensor_graph import HIDDEN, ErrorFunction, Moment, Rows, Scores, Squares, TensorGraph
from tasks.formats.torch_recurrent import has_recurrence, recurrent_of
from tasks.networks.interpreter import logits
from tasks.networks.model import Loaded, Question, authored
from tasks.networks.quoting import shown
from tasks.networks.readout import Readout
from tasks.networks.recurrent import Recurrent
from tasks.networks.sparse_transformer import NetworkError
from tasks.networks.transformer import Activation, Transformer, walk

if TYPE_CHECKING:
    import torch

    Module = torch.nn.Module
else:
    Module = Any

WAY_ROUND = (
    "rewrite that part with operations that are understood (docs/your-own-network.md), or ask the module as a black "
    "box (from_callable), of which answers are enumerated and nothing is proved"
)
UNKNOWN = {  # what operations without a rule are for, where that says more than their names
    "zeros_like": "an operation that is not understood; attention begins so with a mask that depends on the tokens, "
    "such as one that hides padding: leave it out, as prompts have no padding here",
}
PROMPTS, BLOCK = 16, 4  # compared per length; and asked at once
CLOSE, CLOSE_IN_FLOAT32 = 1e-9, 1e-5  # of the largest logit; the latter where the module insists on float32
MOST_LENGTHS = 64  # that are compared, spread evenly

# Operations that only move numbers, which are done to indices:
MOVES = frozenset((
    "view", "reshape", "_unsafe_view", "transpose", "permute", "slice", "select", "unsqueeze", "squeeze", "expand",
    "expand_as", "unflatten", "flatten", "contiguous", "clone", "chunk", "split", "split_with_sizes", "unbind", "index",
    "index_select", "narrow", "movedim", "t", "repeat", "repeat_interleave", "flip", "alias", "view_as", "unsafe_split",
    "unsafe_chunk", "swapaxes", "numpy_T", "mT", "tile", "broadcast_to", "take_along_dim",
))  # fmt: skip
NOTHING = frozenset(("dropout", "detach", "lift_fresh_copy", "identity", "feature_dropout", "alpha_dropout"))
MADE = frozenset((  # known numbers without any rounding
    "full", "full_like", "zeros", "zeros_like", "ones", "ones_like", "arange", "triu", "tril", "scalar_tensor", "where",
    "masked_fill", "neg", "lift_fresh_copy", "detach", "eye", "tensor", "embedding", "cat", "stack", "dropout",
))  # fmt: skip
CASTS = frozenset(("to", "_to_copy", "type_as", "float", "double"))


def from_torch(
    module: Module,
    example: Any = None,
    *,
    vocabulary: tuple[str, ...],
    longest: int | None = None,
    outputs: tuple[str, ...] | None = None,
    alphabet: tuple[str, ...] | None = None,
    prefix: tuple[str, ...] | None = None,
    suffix: tuple[str, ...] | None = None,
    lengths: tuple[int, int | None] | None = None,
    readout: str | Readout | None = None,
    answers: tuple[str, ...] | None = None,
    constraint: Constraint | None = None,
    name: str | None = None,
) -> Loaded:
    """``module`` as a network that can be proved, with the sequences and the read-out that it is for.

    ``module`` maps token ids (prompts, T) to logits (prompts, T, outputs) or (prompts, outputs); the first of several
    results is taken. ``example`` is such a prompt of the greatest length, (1, T) or (T,), or one-hot numbers of shape
    (1, T, tokens) or (1, T * tokens) for a module that takes those; or say ``longest`` instead. ``vocabulary`` names
    the token ids, ``outputs`` the logits (default: the tokens, where there are as many). The others are those of
    ``Question``, with ``constraint``, the sequences that are meant; what is left out has its default.

    Raises NetworkError for what cannot be mapped, naming it, and where the mapping is not equal to the module.

    >>> import torch
    >>> module = torch.nn.Sequential(torch.nn.Embedding(2, 3), torch.nn.Flatten(), torch.nn.Linear(12, 2))
    >>> loaded = from_torch(module, vocabulary=("a", "b"), longest=4, outputs=("no", "yes"))
    >>> loaded.network.shortest, [type(step).__name__ for step in loaded.network.steps]
    (4, ['Pool', 'Affine'])
    """
    import torch

    if not isinstance(module, torch.nn.Module):
        raise NetworkError(f"expected a torch module, got {type(module).__name__}; any function: from_callable")
    name = name or type(module).__name__
    lazy = [called for called, p in module.named_parameters() if torch.nn.parameter.is_lazy(p)]
    if lazy:
        raise NetworkError(
            f"{name}: {lazy[0]} has no size yet (a lazy module): run the module once on a prompt, train it"
        )
    shape = _example(example, longest, len(vocabulary))
    with _settings(torch):
        own, double = (_copy(torch, module, shape.encoding, len(vocabulary), wide=wide) for wide in (False, True))
        _check_runs(torch, own, shape.longest)
        notes: dict[str, None] = {}
        if any(p.dtype in (torch.float16, torch.bfloat16) for p in (*module.parameters(), *module.buffers())):
            notes["the weights are half precision numbers; nothing is said of executions in half precision"] = None
        dtype: Literal["float32", "float64"] = "float64" if _is_double(torch, module) else "float32"
        program = _traced(torch, own, shape.longest)
        exact: Transformer | Recurrent
        network: Transformer | Recurrent
        if has_recurrence(program):
            network = exact = recurrent_of(torch, program, len(vocabulary), shape.longest, dtype)
        else:
            exact, graph = _followed(torch, program, len(vocabulary), shape.longest, "float64")
            notes |= dict.fromkeys(graph.notes)
            alike = exact if dtype == "float64" else _followed(torch, program, len(vocabulary), shape.longest, dtype)[0]
            network = alike
        if isinstance(network, Transformer) and isinstance(exact, Transformer) and not _are_alike(network, exact):
            raise NetworkError(f"{name}: the module computes something else in float64 than in float32")
        around = len(prefix or ()) + len(suffix or ())
        least = max(exact.shortest, around + lengths[0] if lengths else 1)
        beside, close = (double, CLOSE) if _runs_in_float64(torch, double, shape.longest) else (own, CLOSE_IN_FLOAT32)
        _compare(torch, name, beside, exact, max(1, least), close)
    lengths = (
        (1, None) if lengths is None and isinstance(network, Recurrent) else lengths
    )  # torch takes no empty prompt
    question = Question(alphabet, prefix, suffix, lengths, readout, answers)
    said = tuple(notes)
    return authored(name, "torch", network, vocabulary, question, outputs=outputs, constraint=constraint, notes=said)


class _Shape:
    """How a module is asked: its longest prompt, and whether ids become one-hot numbers first."""

    def __init__(self, longest: int, encoding: Literal["ids", "one-hot", "flat one-hot"]) -> None:
        self.longest, self.encoding = longest, encoding


def _example(example: Any, longest: int | None, tokens: int) -> _Shape:
    if example is None:
        if longest is None or longest < 1:
            raise NetworkError("expected an example prompt, or the longest length of one (longest)")
        return _Shape(longest, "ids")
    shape = tuple(example.shape)
    if not example.is_floating_point():
        found = _Shape(shape[-1], "ids") if len(shape) in (1, 2) else None
    elif len(shape) == 3 and shape[2] == tokens:
        found = _Shape(shape[1], "one-hot")
    else:
        found = _Shape(shape[-1] // tokens, "flat one-hot") if shape and shape[-1] % tokens == 0 else None
    if found is None or found.longest < 1 or longest not in (None, found.longest):
        raise NetworkError(
            f"expected an example of token ids (1, T), or one-hot numbers (1, T, {tokens}) or (1, T * {tokens}), "
            f"{'' if longest is None else f'for T = {longest}, '}got shape {shape}"
        )
    return found


@contextmanager
def _settings(torch: Any) -> Iterator[None]:
    """Fused operations and warnings off while the module is traced and run, as they were afterwards."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def _copy(torch: Any, module: Module, encoding: str, tokens: int, *, wide: bool) -> Any:
    """A copy in evaluation mode, on the CPU, in its own precision (half is widened) or, ``wide``, in float64."""

    class Asked(torch.nn.Module):  # type: ignore[misc]
        """The module as a function of token ids."""

        def __init__(self, inner: Any) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, ids: Any) -> Any:
            """Whatever the module answers first."""
            given = ids
            if encoding != "ids":
                given = (ids[..., None] == torch.arange(tokens)).to(self.dtype)
                given = given.flatten(1) if encoding == "flat one-hot" else given
            return self.inner(given)

    try:
        inner = copy.deepcopy(module).cpu().eval()
    except Exception as error:
        raise NetworkError(f"the module cannot be copied: {type(error).__name__}: {error}") from error
    for tensor in (*inner.parameters(), *inner.buffers()):
        if tensor.is_floating_point() and (wide or tensor.dtype in (torch.float16, torch.bfloat16)):
            tensor.data = tensor.data.to(torch.float64 if wide else torch.float32)
    for parameter in inner.parameters():
        if parameter.is_floating_point():
            parameter.requires_grad_(True)  # as fused operations are for those without
    asked = Asked(inner).eval()
    asked.dtype = torch.float64 if wide or _is_double(torch, module) else torch.float32
    return asked


def _runs_in_float64(torch: Any, module: Any, longest: int) -> bool:
    """Whether a copy in float64 computes in float64 throughout: what it makes float32 by itself is in the way."""
    try:
        with torch.no_grad():
            return bool(_first(module(torch.zeros((1, longest), dtype=torch.long))).dtype == torch.float64)
    except RuntimeError:
        return False


def _is_double(torch: Any, module: Module) -> bool:
    return any(parameter.dtype == torch.float64 for parameter in module.parameters())


def _are_alike(network: Transformer, exact: Transformer) -> bool:
    """Whether two networks have the same steps, with weights that differ by rounding."""
    kinds, others = ([type(step) for step in walk(each.steps)] for each in (network, exact))
    pairs = zip(network.arrays(), exact.arrays(), strict=False)
    return kinds == others and all(
        a.shape == b.shape and bool((np.abs(a - b) <= 1e-5 * (1e-3 + np.abs(b).max())).all()) for a, b in pairs
    )


def _check_runs(torch: Any, module: Any, longest: int) -> None:
    """Raise NetworkError where the module itself fails on its longest prompt, with the length on which it does not."""

    def problem(length: int) -> str:
        try:
            with torch.no_grad():
                module(torch.zeros((1, length), dtype=torch.long))
        except Exception as error:
            return f"{type(error).__name__}: {shown(str(error).strip().split(chr(10))[0])}"
        return ""

    found = problem(longest)
    if not found:
        return
    fits, fails = (0 if problem(1) else 1), longest
    while 0 < fits < fails - 1:
        middle = (fits + fails) // 2
        fits, fails = (fits, middle) if problem(middle) else (middle, fails)
    more = f", and on one of {fits} it does not: longest is more than it takes (a table of positions?)" if fits else ""
    raise NetworkError(f"the module itself fails on a prompt of {longest} tokens ({found}){more}")


def _traced(torch: Any, module: Any, longest: int) -> Any:
    """The program of a module on a prompt of so many tokens."""
    ids = torch.zeros((1, longest), dtype=torch.long)
    try:
        return torch.export.export(module, (ids,), strict=False)
    except Exception as error:
        text = shown(str(error).strip().split("\n")[0])
        raise NetworkError(
            f"the module cannot be traced on a prompt of {longest} tokens: {type(error).__name__}: {text}; what it "
            f"does may depend on values, not on the length alone; {WAY_ROUND}"
        ) from error


def _followed(
    torch: Any, program: Any, tokens: int, longest: int, dtype: Literal["float32", "float64"]
) -> tuple[Transformer, TensorGraph]:
    """The steps of a ``program`` whose known numbers are computed in ``dtype``, and the graph they are from."""
    follower = Follower(torch, program, TensorGraph(tokens, longest), dtype)
    return lower(follower.graph, follower.result(), dtype), follower.graph


class Follower:
    """A traced program, operation by operation: values that depend on the prompt, and known tensors."""

    def __init__(self, torch: Any, program: Any, graph: TensorGraph, dtype: str) -> None:
        self._torch, self._program, self.graph, self._dtype = torch, program, graph, dtype
        self._values: dict[Any, Any] = {}

    def result(self) -> Rows:
        """The first result of the program."""
        torch, program = self._torch, self._program
        signature = program.graph_signature
        stored = {**program.state_dict, **program.constants}
        owners = {
            **signature.inputs_to_parameters,
            **signature.inputs_to_buffers,
            **signature.inputs_to_lifted_tensor_constants,
        }
        needed = self._needed(program.graph)
        with torch.no_grad():
            for node in program.graph.nodes:
                if node.op == "placeholder":
                    self._values[node] = self._given(node.name, stored, owners)
                elif node.op == "call_function" and node in needed:
                    self._values[node] = self._called(node)
                elif node.op == "get_attr":
                    self._values[node] = getattr(program.graph_module, node.target)
        last = next(node for node in program.graph.nodes if node.op == "output").args[0][0]
        found = self._values.get(last)
        if not isinstance(found, Rows):
            raise NetworkError("the module's first result is no tensor of logits that depends on the prompt")
        return found

    def _given(self, name: str, stored: dict[str, Any], owners: dict[str, str]) -> Any:
        """A parameter or buffer in the precision that is followed, a constant of the code as it is, or the prompt."""
        if name not in owners:
            return self.graph.ids()
        constants = self._program.graph_signature.inputs_to_lifted_tensor_constants
        return stored[owners[name]] if name in constants else self._wide(stored[owners[name]])

    def _needed(self, graph: Any) -> set[Any]:
        """What the first result is made from, and whatever is done in place."""
        results = next(node for node in graph.nodes if node.op == "output").args[0]
        in_place = [node for node in graph.nodes if node.op == "call_function" and _name(node).endswith("_")]
        waiting, found = [results[0], *in_place], set()
        while waiting:
            node = waiting.pop()
            if node not in found and hasattr(node, "all_input_nodes"):
                found.add(node)
                waiting += node.all_input_nodes
        return found

    def _called(self, node: Any) -> Any:
        """The value of one operation."""
        args, kwargs = self._torch.fx.map_arg((node.args, node.kwargs), self._values.__getitem__)
        name = _name(node)
        try:
            if not _depends((args, kwargs)):
                found = node.target(*args, **kwargs)
                if name not in MOVES | CASTS | MADE and getattr(found, "is_floating_point", bool)():
                    note = f"numbers that the module computes itself ({name}) are those of this machine"
                    self.graph.notes[note] = None
                return found
            if name == "getitem":
                return args[0][args[1]]
            rule = getattr(self, f"_do_{name.strip('_')}", None)
            if name in NOTHING or name in CASTS:
                return self._cast(name, args, kwargs)
            if name in MOVES:
                return self._moved(node.target, args, kwargs)
            if rule is None:
                raise NetworkError(UNKNOWN.get(name, "an operation that is not understood"))
            if name.endswith("_") and name not in ("softmax",):
                raise NetworkError("an operation in place, which may change what others read")
            return rule(*args, **kwargs)
        except NetworkError as error:
            raise NetworkError(f"{_place(node)}: {error} (torch operation {name}); {WAY_ROUND}") from error
        except (TypeError, ValueError, IndexError, AttributeError, RuntimeError) as error:
            raise NetworkError(
                f"{_place(node)}: torch operation {name} is used in a way that is not understood "
                f"({type(error).__name__}: {shown(error)}); {WAY_ROUND}"
            ) from error

    def _wide(self, value: Any) -> Any:
        """Known numbers in the precision that is followed."""
        torch = self._torch
        if self._dtype == "float64" and isinstance(value, torch.Tensor) and value.dtype == torch.float32:
            return value.detach().double()
        return value.detach() if isinstance(value, torch.Tensor) else value

    def rule(self, name: str) -> Callable[..., Any]:
        """The rule of an operation of torch, to be given values and known tensors."""
        found: Callable[..., Any] = getattr(self, f"_do_{name}")
        return found

    def cast(self, value: Any, dtype: Any) -> Any:
        """``value`` in another type, where that changes no number."""
        return self._cast("to", (value, dtype), {})

    def _cast(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        torch, value = self._torch, args[0]
        if name in NOTHING:
            return value
        asked = [part for part in (*args[1:], *kwargs.values()) if isinstance(part, torch.dtype)]
        asked += [part.dtype for part in args[1:] if isinstance(part, torch.Tensor)]
        asked += {"float": [torch.float32], "double": [torch.float64]}.get(name, [])
        if any(dtype in (torch.float16, torch.bfloat16) for dtype in asked):
            raise NetworkError("a computation in half precision")
        if self.graph.token_root(value) is not None and asked:
            wide = torch.float64 if self._dtype == "float64" and asked[-1].is_floating_point else asked[-1]
            return self.graph.by_token(value, lambda table: _array(torch.from_numpy(table.copy()).to(wide)))
        if any(not dtype.is_floating_point for dtype in asked):
            raise NetworkError("a number that depends on the prompt is made an integer")
        if self._dtype == "float32" and torch.float64 in asked:
            raise NetworkError("a computation in float64 inside a module in float32")
        return value

    def _moved(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        torch, value = self._torch, args[0]
        if _depends((args[1:], kwargs)):
            raise NetworkError("positions or sizes that depend on the prompt")
        whole = target(torch.from_numpy(np.ascontiguousarray(self._index(value))), *args[1:], **kwargs)

        def piece(moved: Any) -> Any:
            return self.graph.moved(value, lambda index: np.ascontiguousarray(moved.numpy()))

        return [piece(part) for part in whole] if isinstance(whole, list | tuple) else piece(whole)

    def _index(self, value: Rows | Scores | Squares | Moment) -> NDArray[np.int64]:
        if not isinstance(value, Rows | Scores):
            raise NetworkError("squares of numbers are rearranged")
        return value.index

    def _do_embedding(self, weight: Any, ids: Any, *options: Any) -> Any:
        if not isinstance(ids, Rows) or _depends(weight):
            raise NetworkError("an embedding of something that is no token id")
        table = _array(weight)

        def looked_up(tokens: NDArray[Any]) -> NDArray[Any]:
            if tokens.dtype.kind not in "iu" or tokens.min() < 0 or tokens.max() >= len(table):
                raise NetworkError(f"the vocabulary has tokens that an embedding of {len(table)} rows lacks")
            if len(tokens) == self.graph.vocabulary == tokens.max() + 1 < len(table):
                note = f"the vocabulary names {len(tokens)} tokens, and an embedding has {len(table)} rows: nothing is "
                self.graph.notes[f"{note}said of the others"] = None
            return np.asarray(table[tokens])

        return self.graph.by_token(ids, looked_up)

    def _do_one_hot(self, ids: Any, classes: int) -> Any:
        torch = self._torch
        return self.graph.by_token(
            ids, lambda table: _array(torch.nn.functional.one_hot(_tensor(torch, table), classes))
        )

    def _do_linear(self, x: Any, weight: Any, bias: Any = None) -> Any:
        if _depends((weight, bias)) or not isinstance(x, Rows):
            raise NetworkError("a linear map whose weights depend on the prompt")
        return self.graph.linear(x, _array(weight), None if bias is None else _array(bias))

    def _do_addmm(self, bias: Any, x: Any, weight: Any, *, beta: float = 1, alpha: float = 1) -> Any:
        if beta != 1 or alpha != 1:
            raise NetworkError("a product with factors of its own")
        return self._do_add(self._do_matmul(x, weight), bias)

    def _do_baddbmm(self, added: Any, x: Any, y: Any, *, beta: float = 1, alpha: float = 1) -> Any:
        return self._do_addmm(added, x, y, beta=beta, alpha=alpha)

    def _do_matmul(self, x: Any, y: Any) -> Any:
        if _depends(x) and _depends(y):
            return self.graph.product(x, y)
        if _depends(x):
            if not isinstance(x, Rows) or y.ndim not in (1, 2):
                raise NetworkError("a product with a stack of known matrices")
            table = _array(y)
            if y.ndim == 1:
                found = self.graph.linear(x, table[None])
                return Rows(found.node, found.index[..., 0])
            return self.graph.linear(x, np.ascontiguousarray(table.T))
        if not isinstance(y, Rows) or x.ndim != 2:
            raise NetworkError("a product of known numbers with something that depends on the prompt")
        turned = Rows(y.node, y.index.swapaxes(-1, -2))
        found = self.graph.linear(turned, _array(x))
        return Rows(found.node, found.index.swapaxes(-1, -2))

    _do_mm = _do_bmm = _do_matmul

    def _do_layer_norm(
        self, x: Any, shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5, *_: Any
    ) -> Any:
        return self._norm("layer", x, shape, weight, bias, eps)

    def _do_rms_norm(self, x: Any, shape: Any, weight: Any = None, eps: float | None = None) -> Any:
        least = self._torch.finfo(self._torch.float32 if self._dtype == "float32" else self._torch.float64).eps
        return self._norm("rms", x, shape, weight, None, least if eps is None else eps)

    def _norm(self, kind: Any, x: Any, shape: Any, weight: Any, bias: Any, eps: float) -> Any:
        if len(shape) != 1:
            raise NetworkError("a norm over several axes")
        gain, shift = (None if part is None else _array(part) for part in (weight, bias))
        return self.graph.norm(x, kind, gain, shift, eps)

    def _do_relu(self, x: Any) -> Any:
        return self.graph.activate(x, Activation("relu"))

    def _do_leaky_relu(self, x: Any, slope: float = 0.01) -> Any:
        return self.graph.activate(x, Activation("leaky_relu", float(slope)))

    def _do_gelu(self, x: Any, *, approximate: str = "none") -> Any:
        return self.graph.activate(x, Activation("gelu_tanh" if approximate == "tanh" else "gelu"))

    def _do_silu(self, x: Any) -> Any:
        return self.graph.activate(x, Activation("silu"))

    def _do_sigmoid(self, x: Any) -> Any:
        return self.graph.activate(x, Activation("sigmoid"))

    def _do_tanh(self, x: Any) -> Any:
        return self.graph.activate(x, Activation("tanh"))

    def _do_erf(self, x: Any) -> Any:
        return self.graph.error_function(x)

    def _do_clamp_min(self, x: Any, least: Any) -> Any:
        return self._clamped(x, least, None)

    def _do_clamp(self, x: Any, least: Any = None, most: Any = None) -> Any:
        return self._clamped(x, least, most)

    def _clamped(self, x: Any, least: Any, most: Any) -> Any:
        if most is not None or least != 0:
            raise NetworkError("a clamp other than at zero from below")
        return self._do_relu(x)

    def _do_add(self, x: Any, y: Any, *, alpha: float = 1) -> Any:
        if alpha != 1:
            y = self._do_mul(y, alpha) if _depends(y) else y * alpha
        if not _depends(x):
            x, y = y, x
        if _depends(y):
            return self._both(x, y, 1.0)
        added = self._known(y)
        match x:
            case Scores():
                return self.graph.masked(x, added)
            case Moment() if x.stage == "mean" and added.size == 1:
                return Moment(x.of, x.eps + float(added.ravel()[0]))
            case ErrorFunction() if added.size == 1:
                return ErrorFunction(x.of, x.shift + float(added.ravel()[0]))
            case Rows():
                return self._elementwise("add", x, y, lambda: self.graph.add_constant(x, added))
        raise NetworkError("a sum with the squares of numbers")

    def _do_sub(self, x: Any, y: Any, *, alpha: float = 1) -> Any:
        if alpha != 1:
            y = self._do_mul(y, alpha) if _depends(y) else y * alpha
        if _depends(x) and _depends(y):
            return self._both(x, y, -1.0)
        if _depends(x):
            return self._do_add(x, -y)
        return self._do_add(self._do_neg(y), x)

    def _do_rsub(self, x: Any, y: Any, alpha: float = 1) -> Any:
        return self._do_sub(y, x, alpha=alpha)

    def _both(self, x: Any, y: Any, sign: float) -> Any:
        if isinstance(x, Rows) and isinstance(y, Rows):
            return self.graph.add(x, y, sign)
        raise NetworkError("numbers that depend on the prompt are added to the scores of attention, or to squares")

    def _do_neg(self, x: Any) -> Any:
        return self._do_mul(x, -1.0)

    def _do_mul(self, x: Any, y: Any) -> Any:
        if not _depends(x):
            x, y = y, x
        if not _depends(y):
            factor = self._known(y)
            match x:
                case Scores() if factor.size == 1 and not x.are_weights and factor.ravel()[0] > 0:
                    return Scores(
                        x.query, x.key, x.of_query, x.of_key, x.index, x.scale * float(factor.ravel()[0]), x.seen
                    )
                case Rows():
                    return self._elementwise("mul", x, y, lambda: self.graph.scaled(x, factor))
            raise NetworkError("a factor of scores that is no positive number, or of squares")
        if isinstance(y, Rows) and isinstance(x, Moment | ErrorFunction):
            x, y = y, x
        if isinstance(x, Rows) and isinstance(y, Moment) and y.stage == "inverse root":
            return self.graph.normalised(x, y)
        if isinstance(x, Rows) and isinstance(y, ErrorFunction):
            return self.graph.gelu(x, y)
        if x is y or (
            isinstance(x, Rows) and isinstance(y, Rows) and x.node is y.node and np.array_equal(x.index, y.index)
        ):
            return self.graph.square(x)
        if isinstance(x, Rows) and isinstance(y, Rows):
            return self.graph.times(x, y)
        raise NetworkError("a product of scores or squares with something that depends on the prompt")

    def _do_div(self, x: Any, y: Any) -> Any:
        if isinstance(x, Rows) and isinstance(y, Moment) and y.stage == "root":
            return self.graph.normalised(x, y)
        if not _depends(x) and isinstance(y, Moment) and self._known(x).size == 1 and float(x) == 1.0:
            return self._do_reciprocal(y)
        if _depends(y):
            raise NetworkError("a division by something that depends on the prompt")
        return self._do_mul(x, 1.0 / y)

    def _do_pow(self, x: Any, power: Any) -> Any:
        if isinstance(x, Moment) and power in (0.5, -0.5):
            return self._do_sqrt(x) if power > 0 else self._do_rsqrt(x)
        if power != 2 or not isinstance(x, Rows):
            raise NetworkError(f"the power {power}")
        return self.graph.square(x)

    def _do_square(self, x: Any) -> Any:
        return self.graph.square(x)

    def _do_sqrt(self, x: Any) -> Any:
        return self._stage(x, "root")

    def _do_rsqrt(self, x: Any) -> Any:
        return self._stage(x, "inverse root")

    def _do_reciprocal(self, x: Any) -> Any:
        if isinstance(x, Moment) and x.stage == "root":
            return Moment(x.of, x.eps, "inverse root")
        raise NetworkError("one over something that depends on the prompt")

    def _stage(self, x: Any, stage: Any) -> Any:
        if not isinstance(x, Moment) or x.stage != "mean":
            raise NetworkError("the root of something that is no mean of squares")
        return Moment(x.of, x.eps, stage)

    def _do_var(self, x: Any, axes: Any = None, *flags: Any, correction: Any = None, keepdim: bool = False) -> Any:
        if flags:  # unbiased, and whether the axis is kept
            correction, keepdim = int(flags[0]), bool(flags[1:] and flags[1])
        last = isinstance(axes, list | tuple) and [axis % x.index.ndim for axis in axes] == [x.index.ndim - 1]
        if correction != 0 or not last or not keepdim:
            raise NetworkError("a variance other than the mean square around the mean along the last axis, kept as one")
        return self.graph.variance(x)

    def _do_einsum(self, equation: str, operands: Any, **_: Any) -> Any:
        """Two operands as one matrix product: axes of both that stay, of the first, contracted, of the second."""
        given, _arrow, wanted = equation.replace(" ", "").partition("->")
        names = given.split(",")
        if len(operands) != 2 or "." in equation or any(len({*name}) != len(name) for name in (*names, wanted)):
            raise NetworkError(f"the sum of products {equation!r}")
        one, other = names
        both = [axis for axis in wanted if axis in one and axis in other]
        left = [axis for axis in wanted if axis in one and axis not in other]
        right = [axis for axis in wanted if axis in other and axis not in one]
        summed = [axis for axis in one if axis in other and axis not in wanted]
        if {*one, *other} != {*both, *left, *right, *summed}:
            raise NetworkError(f"the sum of products {equation!r}")
        sizes: dict[str, int] = {}
        for name, operand in zip(names, operands, strict=True):
            sizes |= dict(zip(name, self._shape(operand), strict=True))

        def arranged(operand: Any, name: str, rows: list[str], columns: list[str]) -> Any:
            order = [name.index(axis) for axis in (*both, *rows, *columns)]
            shape = [*(sizes[axis] for axis in both)] + [
                math.prod(sizes[axis] for axis in axes) for axes in (rows, columns)
            ]
            return self._reshaped(operand, order, shape)

        found = self._do_matmul(arranged(operands[0], one, left, summed), arranged(operands[1], other, summed, right))
        made = [*both, *left, *right]
        found = self._reshaped(found, list(range(found.index.ndim)), [sizes[axis] for axis in made])
        return self._reshaped(found, [made.index(axis) for axis in wanted], [sizes[axis] for axis in wanted])

    def _shape(self, value: Any) -> tuple[int, ...]:
        return tuple(self._index(value).shape if _depends(value) else value.shape)

    def _reshaped(self, value: Any, order: list[int], shape: list[int]) -> Any:
        """Axes in another ``order``, then in another ``shape``."""
        if not _depends(value):
            return value.permute(order).reshape(shape)
        return self.graph.moved(value, lambda index: index.transpose(order).reshape(shape))

    def _do_mean(self, x: Any, axes: Any = None, keepdim: bool = False, **_: Any) -> Any:
        if isinstance(x, Squares):
            own = x.of.index.ndim
            if axes is None or [axis % own for axis in axes] != [own - 1] or not keepdim:
                raise NetworkError("a mean of squares other than along the last axis, kept as one")
            return Moment(x.of)
        return self._reduced(x, axes, "mean", keepdim)

    def _do_sum(self, x: Any, axes: Any = None, keepdim: bool = False, **_: Any) -> Any:
        return self._reduced(x, axes, "sum", keepdim)

    def _reduced(self, x: Any, axes: Any, kind: Any, keepdim: bool) -> Any:
        if not isinstance(x, Rows):
            raise NetworkError(f"a {kind} of scores or squares")
        whole = range(x.index.ndim) if axes is None or list(axes) == [] else axes
        return self.graph.reduced(x, tuple(whole), kind, keeps=keepdim)

    def _do_cat(self, parts: Any, axis: int = 0) -> Any:
        if not all(isinstance(part, Rows) for part in parts):
            raise NetworkError(
                "known numbers beside numbers that depend on the prompt (a token that the module adds itself: name it "
                "as prefix or suffix instead)"
            )
        return self.graph.joined(list(parts), axis)

    def _do_stack(self, parts: Any, axis: int = 0) -> Any:
        if not all(isinstance(part, Rows) for part in parts):
            raise NetworkError("known numbers beside numbers that depend on the prompt")
        return self.graph.joined([Rows(part.node, np.expand_dims(part.index, axis)) for part in parts], axis)

    def _do_masked_fill(self, x: Any, mask: Any, value: Any) -> Any:
        return self._filled(x, mask, value)

    def _do_where(self, mask: Any, x: Any, y: Any) -> Any:
        if _depends(mask):
            raise NetworkError("a choice that depends on the prompt")
        if isinstance(x, Scores) and not _depends(y):
            return self._filled(x, ~mask, y)
        if isinstance(y, Scores) and not _depends(x):
            return self._filled(y, mask, x)
        raise NetworkError("a choice between two things that depend on the prompt")

    def _filled(self, x: Any, mask: Any, value: Any) -> Any:
        if _depends((mask, value)) or not isinstance(x, Scores) or x.are_weights:
            raise NetworkError("a mask that depends on the prompt (such as one that hides padding), or of no scores")
        number = float(self._known(value).ravel()[0])
        if self._known(value).size != 1 or number > HIDDEN:
            raise NetworkError(f"scores are replaced by {number:g}; a key is hidden by {HIDDEN:g} or less")
        return self.graph.masked(x, np.where(self._known(mask), number, 0.0))

    def _do_softmax(self, x: Any, axis: int, *_: Any, **__: Any) -> Any:
        if not isinstance(x, Scores):
            raise NetworkError("a softmax that belongs to no attention; let the module answer with logits")
        return self.graph.softmax(x, axis)

    _do_safe_softmax = _do_softmax

    def _do_log_softmax(self, x: Any, *_: Any, **__: Any) -> Any:
        raise NetworkError("a log-softmax; let the module answer with logits")

    def _do_scaled_dot_product_attention(
        self, q: Any, k: Any, v: Any, mask: Any = None, dropout: float = 0.0, is_causal: bool = False,
        *, scale: float | None = None, enable_gqa: bool = False,
    ) -> Any:  # fmt: skip
        if _depends(mask):
            raise NetworkError("a mask that depends on the prompt (such as one that hides padding)")
        if enable_gqa:
            each = q.index.shape[-3] // k.index.shape[-3]
            k, v = (Rows(part.node, np.repeat(part.index, each, axis=-3)) for part in (k, v))
        size = q.index.shape[-1]
        scores = self.graph.product(q, Rows(k.node, k.index.swapaxes(-1, -2)))
        scores = self._do_mul(scores, 1 / math.sqrt(size) if scale is None else scale)
        if is_causal:
            later = ~np.tri(self.graph.rows, dtype=np.bool_)
            scores = self.graph.hidden(scores, later)
        if mask is not None:
            known = self._known(mask)
            scores = self.graph.hidden(scores, ~known) if known.dtype == np.bool_ else self.graph.masked(scores, known)
        return self.graph.product(self.graph.softmax(scores, -1), v)

    def _do_eq(self, x: Any, y: Any) -> Any:
        return self._compared("eq", x, y)

    def _do_ne(self, x: Any, y: Any) -> Any:
        return self._compared("ne", x, y)

    def _compared(self, name: str, x: Any, y: Any) -> Any:
        """A comparison of token ids with known numbers, which may make a new last axis."""
        torch = self._torch
        if (_depends(x) and _depends(y)) or self.graph.token_root(x if _depends(x) else y) is None:
            raise NetworkError("a comparison of numbers that depend on the prompt")
        if not _depends(x):
            x, y = y, x
        known = torch.as_tensor(y)
        function = getattr(torch, name)
        if known.numel() == 1:
            return self.graph.by_token(x, lambda table: _array(function(_tensor(torch, table), known.reshape(()))))
        if known.shape[-1] != known.numel() or x.index.shape[-1] != 1:
            raise NetworkError("a comparison of token ids with several numbers that are no list of ids")
        inner = Rows(x.node, x.index[..., 0])
        return self.graph.by_token(
            inner, lambda table: _array(function(_tensor(torch, table)[..., None], known.ravel()))
        )

    def _elementwise(self, name: str, x: Rows, y: Any, otherwise: Callable[[], Any]) -> Any:
        """An operation with one known number is done to the table, where a tensor is a function of each token alone."""
        torch = self._torch
        single = not isinstance(y, torch.Tensor) or y.numel() == 1
        if self.graph.token_root(x) is None or not single or (isinstance(y, torch.Tensor) and y.ndim > x.index.ndim):
            return otherwise()
        number = y.reshape(()) if isinstance(y, torch.Tensor) else y
        return self.graph.by_token(x, lambda table: _array(getattr(torch, name)(_tensor(torch, table), number)))

    def _known(self, value: Any) -> NDArray[Any]:
        torch = self._torch
        return _array(value) if isinstance(value, torch.Tensor) else np.asarray(value)


def _depends(value: Any) -> bool:
    """Whether anything in nested arguments depends on the prompt."""
    if isinstance(value, dict):
        return any(map(_depends, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_depends, value))
    return isinstance(value, Rows | Scores | Squares | Moment | ErrorFunction)


def _array(tensor: Any) -> NDArray[Any]:
    return tensor.detach().cpu().numpy()  # type: ignore[no-any-return]


def _tensor(torch: Any, table: NDArray[Any]) -> Any:
    return torch.from_numpy(np.ascontiguousarray(table).copy())


def _name(node: Any) -> str:
    """What torch calls an operation, without its overload."""
    return str(getattr(node.target, "__name__", node.target)).split(".")[0]


def _place(node: Any) -> str:
    """The module that an operation is in, as its owner calls it."""
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    if not stack:
        return "in the module"
    path, kind = stack[-1]
    kind = kind if isinstance(kind, str) else kind.__name__
    path = path.removeprefix("inner").removeprefix(".")
    return f"in {path or 'the module'} ({kind.rpartition('.')[2]})"


def _compare(torch: Any, name: str, module: Any, network: Transformer | Recurrent, least: int, close: float) -> None:
    """Run both on random prompts of every length; raises NetworkError where they differ, or the module refuses."""
    rng = np.random.default_rng(0)
    lengths = np.unique(np.linspace(least, network.longest, MOST_LENGTHS).round().astype(int))
    for length in map(int, lengths):
        ids = rng.integers(0, len(network.tokens), (PROMPTS, length))
        for batch in (ids[:1], *np.split(ids[1:], range(BLOCK, PROMPTS - 1, BLOCK))):
            expected = logits(network, batch) if isinstance(network, Transformer) else network.logits(batch)[:, 1:]
            try:
                with torch.no_grad():
                    answer = module(torch.from_numpy(batch))
            except Exception as error:
                raise NetworkError(
                    f"{name}: the module raises {type(error).__name__} for {len(batch)} prompts of {length} tokens: "
                    f"{shown(str(error).strip())}; where it takes one length alone, say lengths=(T, T)"
                ) from error
            found = _first(answer).double().cpu().numpy()
            if found.ndim < 3 and found.size == len(batch) * network.outputs:
                expected, found = expected[:, -1], found.reshape(len(batch), network.outputs)
            if found.shape != expected.shape:
                raise NetworkError(
                    f"{name}: expected logits of shape {expected.shape} for {len(batch)} prompts, got {found.shape}"
                )
            apart = np.abs(found - expected)
            if not (apart <= close * (1.0 + np.abs(expected).max())).all():
                raise NetworkError(
                    f"{name}: the mapping is not equal to the module on a prompt of {length} tokens: logits differ by "
                    f"{np.nanmax(apart) if np.isfinite(apart).any() else math.nan:.3g}; what it does there is not what "
                    f"it does on {network.longest} tokens; {WAY_ROUND}"
                )


def _first(answer: Any) -> Any:
    """The first tensor of what a module answers."""
    while not hasattr(answer, "double"):
        answer = next(iter(answer.values() if isinstance(answer, dict) else answer))
    return answer

"""ONNX files as networks that can be proved: the operators that torch exports of transformers and MLPs over tokens.

A file is one graph with one input, token ids (prompts, T) or one-hot numbers (prompts, T, tokens), and its first output
is logits. It is followed as a torch module is (``torch_module``), with the same rules: what only moves numbers is done
to indices, what depends on nothing is computed by the reference implementation of the ``onnx`` package, and so is the
whole file afterwards on random prompts, which must agree with what it became. Files are a stranger's: operators are
those listed here, tensors are inside the file, nothing else is opened.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cegis.domain import Constraint
from tasks.formats.lowering import lower
from tasks.formats.tensor_graph import ErrorFunction, Moment, Rows, Scores, Squares, TensorGraph
from tasks.formats.torch_module import CLOSE_IN_FLOAT32, WAY_ROUND, Follower
from tasks.networks.interpreter import logits
from tasks.networks.model import Loaded, Question, authored
from tasks.networks.quoting import shown
from tasks.networks.readout import Readout
from tasks.networks.sparse_transformer import NetworkError
from tasks.networks.transformer import Transformer

SUFFIX = ".onnx"
MOVES = frozenset((
    "Reshape", "Transpose", "Slice", "Split", "Squeeze", "Unsqueeze", "Expand", "Flatten", "Identity", "Tile",
))  # fmt: skip
RULES = {  # operators that are rules of torch with the same operands
    "Add": "add", "Sub": "sub", "Mul": "mul", "Div": "div", "MatMul": "matmul", "Relu": "relu", "Sigmoid": "sigmoid",
    "Tanh": "tanh", "Sqrt": "sqrt", "Reciprocal": "reciprocal", "Neg": "neg", "Erf": "erf",
}  # fmt: skip
OTHERS = frozenset((
    "Gather", "Gemm", "Softmax", "LayerNormalization", "Gelu", "LeakyRelu", "Pow", "ReduceMean", "ReduceSum", "Concat",
    "Einsum", "OneHot", "Where", "Cast", "Dropout", "IsNaN", "Shape",
))  # fmt: skip
KNOWN_ALONE = frozenset((  # of known numbers alone
    "Constant", "ConstantOfShape", "Range", "Trilu", "Equal", "Not", "And", "Or", "Less", "LessOrEqual", "Greater",
    "GreaterOrEqual", "Mod", "Floor", "Exp", "Log", "Sin", "Cos", "Abs", "Min", "Max", "CumSum", "Size", "Cast", "Erf",
))  # fmt: skip
UNDERSTOOD = MOVES | RULES.keys() | OTHERS | KNOWN_ALONE
PROMPTS, MOST_NUMBERS = 8, 2**24  # compared per length; of a known tensor


def from_onnx(
    path: Path | str,
    *,
    vocabulary: tuple[str, ...] | None = None,
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
    """The network in the ONNX file ``path``, with the sequences and the read-out that it is for, as in ``from_torch``.

    ``vocabulary`` names the token ids (default: ``#0``, ``#1``, ..., as many as the embedding has). A file whose
    prompts have one length takes that length alone; for others ``longest`` must be said. Raises NetworkError for what
    is not understood, or where the ``onnx`` package is missing.
    """
    question = Question(alphabet, prefix, suffix, lengths, readout, answers)
    network, notes, is_fixed = _network(Path(path), longest, None if vocabulary is None else len(vocabulary))
    names = vocabulary or tuple(f"#{n}" for n in range(len(network.tokens)))
    if is_fixed and question.lengths is None:
        length = network.longest - len(prefix or ()) - len(suffix or ())
        question = Question(alphabet, prefix, suffix, (length, length), readout, answers)
    name = name or Path(path).stem
    return authored(name, "onnx", network, names, question, outputs=outputs, constraint=constraint, notes=notes)


def load(path: Path, question: Question) -> Loaded:
    """The network in an ONNX file as the command line asks for it; NetworkError for what is not understood."""
    if question.circuit or question.task is not None:
        raise NetworkError(f"{path}: an ONNX file holds one whole network, no circuits or tasks to choose")
    return from_onnx(
        path, alphabet=question.alphabet, prefix=question.prefix, suffix=question.suffix, lengths=question.lengths,
        readout=question.readout, answers=question.answers,
    )  # fmt: skip


def _network(path: Path, longest: int | None, tokens: int | None) -> tuple[Transformer, tuple[str, ...], bool]:
    try:
        import onnx
        import torch  # noqa: F401 (the rules are those of torch)
        from onnx.reference import ReferenceEvaluator
    except ImportError as error:
        raise NetworkError(f"{path}: reading ONNX files needs the packages onnx and torch: pip install them") from error
    try:
        model = onnx.load(str(path), load_external_data=False)
        onnx.checker.check_model(model)
    except Exception as error:
        raise NetworkError(f"{path}: no ONNX file: {shown(str(error).strip().splitlines()[0], 300)}") from error
    graph, constants = model.graph, {}
    for tensor in graph.initializer:
        if tensor.external_data or tensor.data_location == onnx.TensorProto.EXTERNAL:
            raise NetworkError(f"{path}: the tensor {shown(tensor.name)!r} lies in another file; save it inside")
        constants[tensor.name] = onnx.numpy_helper.to_array(tensor)
    if model.functions or any(entry.domain not in ("", "ai.onnx") for entry in model.opset_import):
        raise NetworkError(f"{path}: functions or operators of other domains; export with the standard operators alone")
    for node in graph.node:
        if node.op_type not in UNDERSTOOD or node.domain not in ("", "ai.onnx"):
            raise NetworkError(f"{path}: {_place(node)}: an operator that is not understood; {WAY_ROUND}")
    inputs = [entry for entry in graph.input if entry.name not in constants]
    if len(inputs) != 1:
        raise NetworkError(f"{path}: expected one input, the prompt, got {len(inputs)}")
    is_ids = inputs[0].type.tensor_type.elem_type in (onnx.TensorProto.INT64, onnx.TensorProto.INT32)
    shape = [size.dim_value or None for size in inputs[0].type.tensor_type.shape.dim]
    if len(shape) != (2 if is_ids else 3):
        raise NetworkError(
            f"{path}: expected token ids (prompts, T) or one-hot numbers (prompts, T, tokens), got {shape}"
        )
    length = shape[1] or longest
    if length is None or longest not in (None, length):
        takes = "prompts may have any length" if shape[1] is None else f"prompts have {shape[1]} tokens"
        raise NetworkError(
            f"{path}: {takes}; say the longest from Python: from_onnx(path, longest=...), then save_folder for the "
            "command line"
        )
    count = tokens or (_embedded(graph, inputs[0].name, constants) if is_ids else shape[2])
    if count is None:
        raise NetworkError(f"{path}: nothing says how many tokens there are; give a vocabulary")
    follower = _Follower(path, model, ReferenceEvaluator, TensorGraph(count, length))
    network = follower.network(constants, inputs[0].name, is_ids=is_ids)
    _compare(path, ReferenceEvaluator(model), network, inputs[0], is_ids=is_ids, is_fixed=shape[1] is not None)
    return network, tuple(follower.graph.notes), shape[1] is not None


def _embedded(graph: Any, name: str, constants: dict[str, NDArray[Any]]) -> int | None:
    """How many rows the smallest embedding has that is looked up by the ids themselves."""
    ids = {name}
    sizes = []
    for node in graph.node:
        if node.op_type in ("Cast", "Identity") and node.input[0] in ids:
            ids.add(node.output[0])
        if node.op_type == "Gather" and node.input[1] in ids and node.input[0] in constants:
            sizes.append(len(constants[node.input[0]]))
    return min(sizes, default=None)


class _Follower:
    """One graph, node by node: values that depend on the prompt, and known tensors of torch."""

    def __init__(self, path: Path, model: Any, evaluator: Any, graph: TensorGraph) -> None:
        import torch

        self._path, self._model, self._evaluator, self.graph = path, model, evaluator, graph
        self._torch, self._values = torch, dict[str, Any]()
        self._rules = Follower(torch, None, graph, "float32")

    def network(self, constants: dict[str, NDArray[Any]], prompt: str, *, is_ids: bool) -> Transformer:
        """The network whose logits are the first output."""
        torch, dtypes = self._torch, {array.dtype for array in constants.values() if array.dtype.kind == "f"}
        if dtypes - {np.dtype(np.float32), np.dtype(np.float64)} or len(dtypes) > 1:
            raise NetworkError(
                f"{self._path}: expected weights in float32, or all in float64, got {sorted(map(str, dtypes))}"
            )
        dtype: Literal["float32", "float64"] = "float64" if dtypes == {np.dtype(np.float64)} else "float32"
        self._rules = Follower(torch, None, self.graph, dtype)
        self._values = {name: torch.from_numpy(array.copy()) for name, array in constants.items()}
        ids = self.graph.ids()
        number = np.float64 if dtype == "float64" else np.float32
        tokens = self.graph.vocabulary
        self._values[prompt] = (
            ids if is_ids else self.graph.by_token(ids, lambda table: np.eye(tokens, dtype=number)[table])
        )
        for node in self._model.graph.node:
            self._follow(node)
        result = self._values.get(self._model.graph.output[0].name)
        if not isinstance(result, Rows):
            raise NetworkError(f"{self._path}: the first output is no tensor of logits that depends on the prompt")
        return lower(self.graph, result, dtype)

    def _follow(self, node: Any) -> None:
        given = [self._values[name] if name else None for name in node.input]
        try:
            depends = any(isinstance(value, Rows | Scores | Squares | Moment | ErrorFunction) for value in given)
            found = self._called(node, given) if depends else self._computed(node, given)
        except NetworkError as error:
            raise NetworkError(f"{self._path}: {_place(node)}: {error}; {WAY_ROUND}") from error
        except Exception as error:
            raise NetworkError(
                f"{self._path}: {_place(node)} is used in a way that is not understood ({type(error).__name__}: "
                f"{shown(error, 300)}); {WAY_ROUND}"
            ) from error
        self._values.update(zip(node.output, found, strict=False))

    def _computed(self, node: Any, given: list[Any]) -> list[Any]:
        """Known numbers from known numbers."""
        found = self._run(node, [None if value is None else value.numpy() for value in given])
        if any(np.size(array) > MOST_NUMBERS for array in found):
            raise NetworkError(f"more than {MOST_NUMBERS:,} known numbers")
        return [self._torch.from_numpy(np.array(array)) for array in found]

    def _run(self, node: Any, given: list[NDArray[Any] | None]) -> list[NDArray[Any]]:
        """One node by the reference implementation, unless its result would be huge."""
        from onnx import helper

        if node.op_type in ("ConstantOfShape", "Expand", "Tile", "Range") and given[-1] is not None:
            if node.op_type == "Range":
                sizes = [float(abs(given[1] - given[0]) / max(abs(given[2]), 1e-30))]  # type: ignore[operator, arg-type]
            else:
                sizes = [float(n) for n in given[-1].ravel()]
                sizes += [float(given[0].size)] if node.op_type == "Tile" and given[0] is not None else []
            if math.prod(max(1.0, size) for size in sizes) > MOST_NUMBERS:
                raise NetworkError(f"more than {MOST_NUMBERS:,} known numbers")

        used = {name: array for name, array in zip(node.input, given, strict=True) if name and array is not None}
        inputs = [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
            for name, array in used.items()
        ]
        outputs = [helper.make_empty_tensor_value_info(name) for name in node.output if name]
        graph = helper.make_graph([node], "one", inputs, outputs)
        model = helper.make_model(graph, opset_imports=self._model.opset_import, ir_version=self._model.ir_version)
        return [np.asarray(array) for array in self._evaluator(model).run(None, used)]

    def _moved(self, node: Any, given: list[Any]) -> list[Any]:
        value, *others = given
        if not isinstance(value, Rows | Scores):
            raise NetworkError("squares of numbers are rearranged")
        known = [None if other is None else other.numpy() for other in others]
        moved = self._run(node, [np.ascontiguousarray(value.index), *known])
        return [self.graph.moved(value, lambda index, found=found: found) for found in moved]  # type: ignore[misc]

    def _called(self, node: Any, given: list[Any]) -> list[Any]:
        kind, rules = node.op_type, self._rules
        attributes = {entry.name: _attribute(entry) for entry in node.attribute}
        if kind in MOVES:
            return self._moved(node, given)
        if kind in RULES:
            return [rules.rule(RULES[kind])(*given)]
        x = given[0]
        match kind:
            case "Gather":
                return self._gathered(node, given, attributes.get("axis", 0))
            case "Shape":
                whole = list(x.index.shape)[attributes.get("start", 0) : attributes.get("end")]
                return [self._torch.tensor(whole, dtype=self._torch.int64)]
            case "Gemm":
                return [self._gemm(attributes, *given)]
            case "Softmax":
                return [rules.rule("softmax")(x, attributes.get("axis", -1))]
            case "LayerNormalization":
                if attributes.get("axis", -1) not in (-1, x.index.ndim - 1):
                    raise NetworkError("a norm over several axes")
                eps = attributes.get("epsilon", 1e-5)
                shape = [x.index.shape[-1]]
                return [rules.rule("layer_norm")(x, shape, *given[1:], *[None] * (3 - len(given)), eps)]
            case "Gelu":
                return [rules.rule("gelu")(x, approximate=attributes.get("approximate", "none"))]
            case "LeakyRelu":
                return [rules.rule("leaky_relu")(x, attributes.get("alpha", 0.01))]
            case "Pow":
                return [rules.rule("pow")(x, float(given[1].reshape(())))]
            case "ReduceMean" | "ReduceSum":
                axes = attributes.get("axes") if len(given) < 2 or given[1] is None else given[1].tolist()
                rule = rules.rule("mean" if kind == "ReduceMean" else "sum")
                return [rule(x, axes, bool(attributes.get("keepdims", 1)))]
            case "Concat":
                return [rules.rule("cat")(given, attributes["axis"])]
            case "Einsum":
                return [rules.rule("einsum")(attributes["equation"], given)]
            case "OneHot":
                return [self._one_hot(attributes.get("axis", -1), *given)]
            case "Where":
                return [self._chosen(*given)]
            case "Cast":
                return [rules.cast(x, self._dtype(attributes["to"]))]
            case "Dropout":
                return [x]
            case "IsNaN":
                return [self._torch.zeros(x.index.shape, dtype=self._torch.bool)]  # every row sees a key
        raise NetworkError("an operator that is understood of known numbers alone")

    def _one_hot(self, axis: int, ids: Any, depth: Any, values: Any) -> Any:
        count = int(depth.reshape(()))
        if axis not in (-1, ids.index.ndim) or not 0 < count <= MOST_NUMBERS // self.graph.vocabulary:
            raise NetworkError("one-hot numbers along another axis, or too many")
        off, on = values.numpy()
        rows = np.where(np.eye(self.graph.vocabulary, count, dtype=bool), on, off)
        return self.graph.by_token(ids, lambda table: rows[table])

    def _chosen(self, mask: Any, x: Any, y: Any) -> Any:
        if isinstance(mask, self._torch.Tensor) and not mask.any():
            return y
        return self._rules.rule("where")(mask, x, y)

    def _gathered(self, node: Any, given: list[Any], axis: int) -> list[Any]:
        data, ids = given
        if not isinstance(ids, self._torch.Tensor):
            if axis != 0 or not isinstance(data, self._torch.Tensor):
                raise NetworkError("a look-up at positions that depend on the prompt")
            return [self._rules.rule("embedding")(data, ids)]
        return self._moved(node, given)

    def _gemm(self, attributes: dict[str, Any], x: Any, weight: Any, bias: Any = None) -> Any:
        if attributes.get("transA", 0) or attributes.get("alpha", 1.0) != 1 or attributes.get("beta", 1.0) != 1:
            raise NetworkError("a product with factors of its own, or of a transposed tensor")
        if not isinstance(weight, self._torch.Tensor) or not (bias is None or isinstance(bias, self._torch.Tensor)):
            raise NetworkError("a linear map whose weights depend on the prompt")
        table = weight if attributes.get("transB", 0) else weight.T
        bias = None if bias is None else bias.expand(len(table))
        return self._rules.rule("linear")(x, table, bias)

    def _dtype(self, code: int) -> Any:
        from onnx import helper

        return self._torch.from_numpy(np.zeros(1, helper.tensor_dtype_to_np_dtype(code))).dtype


def _attribute(entry: Any) -> Any:
    from onnx import helper

    value = helper.get_attribute_value(entry)
    return value.decode() if isinstance(value, bytes) else value


def _place(node: Any) -> str:
    name = f" {shown(node.name, 80)}" if node.name else ""
    return f"node{name} ({shown(node.op_type, 40)})"


def _compare(path: Path, reference: Any, network: Transformer, prompt: Any, *, is_ids: bool, is_fixed: bool) -> None:
    """Run file and network on random prompts; NetworkError where they differ by more than rounding in float32."""
    rng, tokens = np.random.default_rng(0), len(network.tokens)
    number = np.float64 if network.dtype == "float64" else np.float32
    for length in range(network.longest if is_fixed else network.shortest, network.longest + 1):
        for ids in rng.integers(0, tokens, (PROMPTS, 1, length)):
            given = ids.astype(np.int32 if prompt.type.tensor_type.elem_type == 6 else np.int64)
            try:
                found = reference.run(None, {prompt.name: given if is_ids else np.eye(tokens, dtype=number)[ids]})[0]
            except Exception as error:
                raise NetworkError(
                    f"{path}: the file cannot be run on a prompt of {length} tokens: {type(error).__name__}: "
                    f"{shown(str(error).strip(), 300)}"
                ) from error
            expected, found = logits(network, ids), np.asarray(found, np.float64)
            expected = expected[:, -1] if found.size == network.outputs else expected
            apart = (
                np.abs(found.reshape(-1) - expected.reshape(-1)) if found.size == expected.size else np.array([np.inf])
            )
            if not (apart <= CLOSE_IN_FLOAT32 * (1 + np.abs(expected).max())).all():
                raise NetworkError(
                    f"{path}: the mapping is not equal to the file on a prompt of {length} tokens: logits differ by "
                    f"{apart.max():.3g}; {WAY_ROUND}"
                )

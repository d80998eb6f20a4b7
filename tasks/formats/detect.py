"""Find out from its files how a folder stores a network, and read it.

Formats are looked for in a fixed order; the first whose files are all there, with the entry that marks it, is the one.
A folder that no format recognises is refused with the list of what was looked for, or of the networks inside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tasks.formats import (
    adders,
    decoder,
    dyck,
    gpt2,
    network_folder,
    onnx_file,
    openai,
    recurrent_case,
    sparse,
    sparsemax,
    torch_state,
    tracr,
    transformer_lens,
)
from tasks.formats.lists import read_lists
from tasks.formats.operands import read_operands
from tasks.formats.reading import MOST_WEIGHTS, TOO_LARGE, read_bytes, read_object
from tasks.formats.untrusted import read_safetensors
from tasks.networks.model import Loaded, Question
from tasks.networks.quoting import named
from tasks.networks.sparse_transformer import NetworkError


@dataclass(frozen=True)
class Format:
    """``files`` must all be there, and the JSON in ``files[0]`` must hold ``entry`` (with ``value`` unless None).

    Of several values or marks one is enough. Where there is a ``mark``, it must stand in the header of the weights,
    the last of the files.
    """

    name: str
    files: tuple[str, ...]
    load: Callable[[Path, Question], Loaded]
    entry: tuple[str, ...] = ()
    value: str | tuple[str, ...] | None = None
    mark: str | tuple[str, ...] = ""

    def fits(self, folder: Path) -> bool:
        """Whether ``folder`` looks like this format; raises NetworkError where the marking file is no JSON."""
        if not all((folder / name).is_file() for name in self.files):
            return False
        if self.mark:
            header = _header(folder / self.files[-1])
            if not any(mark.encode() in header for mark in _each(self.mark)):
                return False
        found: object = read_object(folder / self.files[0]) if self.entry else None
        for key in self.entry:
            if not isinstance(found, dict) or key not in found:
                return False
            found = found[key]
        return self.value is None or found in _each(self.value)


def _each(said: str | tuple[str, ...]) -> tuple[str, ...]:
    return (said,) if isinstance(said, str) else said


def _header(weights: Path) -> bytes:
    """The text of a safetensors file in which its tensors have their names; as much of it as is there."""
    with weights.open("rb") as file:
        return file.read(min(int.from_bytes(file.read(8), "little"), MOST_HEADER))


MOST_HEADER = 2**24  # bytes
DEEPEST, MOST_FOLDERS = 6, 10_000  # of folders that are searched for networks
WEIGHTS = ("weights.safetensors", "model.safetensors")
PICKLED = (".bin", ".pt", ".pth", ".pkl", ".ckpt")
FORMATS = (
    Format("circuit", ("circuit.json", "weights.safetensors"), sparse.load),
    Format("steps", (network_folder.FILE, network_folder.WEIGHTS), network_folder.load, ("steps",)),
    Format(
        network_folder.RECURRENT, (network_folder.FILE, network_folder.WEIGHTS), network_folder.load, ("transition",)
    ),
    Format("circuit_sparsity circuit", ("viz_data.pt",), openai.load),
    Format("circuit_sparsity model", ("beeg_config.json", "final_model.pt"), openai.load),
    Format("transformer_lens", ("config.json", "model.safetensors"), transformer_lens.load, ("d_vocab",)),
    Format("transformer_lens", ("config.json", "model.safetensors.index.json"), transformer_lens.load, ("d_vocab",)),
    Format("transformer_lens", ("config.json", "model.safetensors"), transformer_lens.load, mark=transformer_lens.MARK),
    Format("transformer_lens", ("case.json", "model.safetensors"), transformer_lens.load, mark=transformer_lens.MARK),
    Format("gpt2", ("config.json", "model.safetensors"), gpt2.load, ("model_type",), "gpt2"),
    Format("gpt2 in parts", ("config.json", "model.safetensors.index.json"), gpt2.load, ("model_type",), "gpt2"),
    Format("decoder", ("config.json", "model.safetensors"), decoder.load, ("model_type",), decoder.KINDS),
    Format(
        "decoder in parts",
        ("config.json", "model.safetensors.index.json"),
        decoder.load,
        ("model_type",),
        decoder.KINDS,
    ),
    Format("decoder", ("case.json", "model.safetensors"), decoder.load, mark=decoder.MARK),
    Format("adder", ("case.json", "model.safetensors"), adders.load, mark=adders.MARKS),
    *(
        Format(torch_state.FORMAT, ("case.json", weights), torch_state.load, (torch_state.ENTRY,))
        for weights in torch_state.WEIGHTS
    ),
    Format("recurrent case", ("case.json", "model.safetensors"), recurrent_case.load, mark=recurrent_case.DYNET),
    Format("recurrent case", ("case.json", "model.safetensors"), recurrent_case.load, mark=recurrent_case.MIPS),
    Format("dyck", ("config.json", "model.safetensors"), dyck.load, ("pool",)),
    Format("sparsemax", ("config.json", "smt_weights.json", "vocab.json"), sparsemax.load, ("attn_variant",)),
    Format("tracr", ("case.json", "model.safetensors"), tracr.load, ("architecture", "mlp_hidden")),
)


def _problem(weights: Path) -> str:
    """What is wrong with a file of weights; a format that is known by its tensors is not seen in a broken one."""
    try:
        if weights.is_file() and weights.stat().st_size <= MOST_HEADER:
            read_safetensors(weights.name, read_bytes(weights))
    except NetworkError as error:
        return str(error)
    return ""


def _of_a_hub(folder: Path) -> str:
    """What to say of a model of another architecture that is too large anyway."""
    files = [path for pattern in ("*.safetensors", "*.bin") for path in folder.glob(pattern) if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    return f"{size / 2**20:,.0f} MB of weights; {TOO_LARGE}" if size > 2 * MOST_WEIGHTS else ""


def _halves(folder: Path) -> Iterator[tuple[str, str]]:
    """A file of a layout that is in ``folder``, and one of the same layout that is not."""
    for known in FORMATS:
        there = [name for name in known.files if (folder / name).is_file()]
        lacking = [name for name in known.files if name not in there]
        if there and lacking:
            yield there[0], lacking[0]


def _is_no_file(path: Path) -> bool:
    """Whether something else stands where a format has a file."""
    return (path.exists() or path.is_symlink()) and not path.is_file()


def inside(root: Path) -> tuple[tuple[Path, str], ...]:
    """The folders in ``root``, at any depth to ``DEEPEST``, that look like a network, and the format of each.

    Those inside a network's own folder are left out, and so are links and hidden folders.
    """
    found: list[tuple[Path, str]] = []
    level = [root]
    for _ in range(DEEPEST):
        below = [
            entry
            for folder in level
            for entry in sorted(folder.iterdir())
            if entry.is_dir() and not entry.is_symlink() and not entry.name.startswith(".")
        ]
        kinds = [(folder, _kind(folder)) for folder in below]
        found += [(folder, kind) for folder, kind in kinds if kind]
        level = [folder for folder, kind in kinds if not kind][:MOST_FOLDERS]
    return tuple(found)


def is_network(folder: Path) -> bool:
    """Whether ``folder`` looks like a network itself."""
    return bool(_kind(folder))


def _kind(folder: Path) -> str:
    """The format of ``folder``, or nothing; a broken file that marks one is none of it."""
    try:
        return next((known.name for known in FORMATS if known.fits(folder)), "")
    except (NetworkError, OSError):
        return ""


def load(path: Path | str, question: Question | None = None) -> Loaded:
    """The network in the folder or ONNX file ``path``, asked as ``question`` says; NetworkError when no format fits."""
    folder = Path(path)
    if folder.suffix == onnx_file.SUFFIX and folder.is_file():
        return onnx_file.load(folder, question or Question())
    if not folder.is_dir():
        raise NetworkError(
            f"{folder}: expected a folder with a network, {'got a file' if folder.exists() else 'no such folder'}"
        )
    for known in FORMATS:
        if known.fits(folder):
            loaded = known.load(folder, question or Question())
            if loaded.format == "circuit":  # named by from_circuit
                return loaded
            operands, lists = read_operands(folder, loaded.vocabulary), read_lists(folder, loaded.vocabulary)
            return replace(loaded, name=named(loaded.name), operands=operands, lists=lists)
    strange = [folder / name for name in sorted({n for f in FORMATS for n in f.files}) if _is_no_file(folder / name)]
    if strange:
        raise NetworkError(
            f"{strange[0]}: expected a file, got {'a folder' if strange[0].is_dir() else 'none, or a link'}"
        )
    networks = inside(folder)
    if networks:
        names = [str(place.relative_to(folder)) for place, _ in networks[:8]]
        raise NetworkError(
            f"{folder}: holds {len(networks)} networks and is none itself: {', '.join(names)}"
            f"{', ...' if len(networks) > 8 else ''}; name the folder of one (distill show lists them)"
        )
    found = sorted(entry.name for entry in folder.iterdir())[:10]
    large = _of_a_hub(folder)
    if large:
        raise NetworkError(f"{folder}: {large}")
    pickled = [name for name in found if name.endswith(PICKLED)]
    hint = f"; {pickled[0]} may be a pickle, which is never read: save it as model.safetensors" if pickled else ""
    hint += next((f"; {has} is there without {lacks}" for has, lacks in _halves(folder)), "")
    problems = "".join(f"{problem}; " for problem in map(_problem, (folder / name for name in WEIGHTS)) if problem)
    layouts = ", ".join(dict.fromkeys(known.name for known in FORMATS))
    raise NetworkError(
        f"{folder}: {problems}no known network format: transformers and recurrent networks are read from files; others "
        "can be asked from Python, as black boxes (tasks.formats.from_callable). "
        f"Found {', '.join(found) or 'an empty folder'}{hint}; looked for {layouts}, whose files are listed in "
        "docs/layouts.md"
    )

"""Adders whose tables have formulas: recorded logits, small ones of the same layouts, executions, and refusals."""

import json
import math
import os
from pathlib import Path

import flint
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from scipy.special import erf

from tasks.bounds import ball, interpreter, zonotope_interpreter
from tasks.checker.arithmetic import ROUNDOFF, Arithmetic
from tasks.checker.computations import logits as checked_logits
from tasks.checker.files import UnreadableError
from tasks.checker.formats import FILES, read
from tasks.formats import load
from tasks.networks.interpreter import logits
from tasks.networks.sparse_transformer import NetworkError

CASES = Path(os.environ.get("DISTILL_CASES", Path(__file__).resolve().parents[5] / "shared" / "cases"))
FOUND = sorted(path for path in CASES.glob("adders/*") if (path / "case.json").is_file())
ABSENT = pytest.mark.skip(reason=f"no cases of adders in {CASES} (set DISTILL_CASES)")
ADDERS = [pytest.param(path, id=path.name) for path in FOUND] or [pytest.param(CASES, id="absent", marks=ABSENT)]
FAMILIES = ("circle", "circle_tied", "spiral_halves", "stored_halves", "low")
BUFFERS = {"causal_mask": np.ones((1, 1, 34, 34), bool)}


def stand_in(family):
    """Tensors of a small network of this family, and what describes it."""
    rng = np.random.default_rng(len(family))

    def drawn(*shape):
        return rng.normal(scale=0.8, size=shape).astype(np.float32)

    spiral = {f"spiral_{name}": drawn() for name in ("amp", "phase", "slope", "offset")}
    if family.startswith("circle"):
        tensors = {
            **{f"tok_arc_{name}": drawn() for name in ("A", "start", "stride")}, **spiral, **BUFFERS,
            **{name: drawn(1, 3) for name in ("special_pos_equals", "z_hi_pos", "_plus_pos", "_eos_pos")},
            "q_phase_angle": drawn(1), "q_proj.weight": drawn(4, 3), "out_proj.A": drawn(5, 1),
            "out_proj.B": drawn(1, 5), "fc1.weight": drawn(2, 5), "head_proj.weight": drawn(2, 5),
            "norm1.weight": drawn(5),
        }  # fmt: skip
        tensors |= {"norm2.weight": tensors["norm1.weight"], "norm_f.weight": tensors["norm1.weight"]}
        tensors |= {} if family.endswith("tied") else {"fc2.weight": drawn(5, 2)}
        heads, head, d, tokens, longest = 1, 4, 5, 10, 34
    elif family == "low":
        tensors = {
            "token_emb.weight": drawn(14, 4), "pos_emb.A": drawn(33, 3), "pos_emb.B": drawn(3, 4),
            "blocks.0.ln1.weight": drawn(4), "blocks.0.attn.qkv_A": drawn(4, 3), "blocks.0.attn.qkv_Bq": drawn(3, 4),
            "blocks.0.attn.qkv_Bkv": drawn(3, 4), "blocks.0.attn.proj.A": drawn(4, 3),
            "blocks.0.attn.proj.B": drawn(3, 4), "blocks.0.ln2.weight": drawn(4), "blocks.0.mlp.fc1.A": drawn(4, 3),
            "blocks.0.mlp.fc1.B": drawn(3, 8), "blocks.0.mlp.fc2.A": drawn(8, 3), "blocks.0.mlp.fc2.B": drawn(3, 4),
            "ln_f.weight": drawn(4),
        }  # fmt: skip
        tensors["lm_head.weight"] = tensors["token_emb.weight"]
        heads, head, d, tokens, longest = 1, 4, 4, 14, 33
    else:
        at = "blocks.0." if family == "spiral_halves" else ""
        up, down = ("ffn.fc1", "ffn.fc2") if at else ("ffn.0", "ffn.2")
        tensors = {"tok_emb.weight": drawn(14, 3), "ln_f.weight": drawn(6), "head_proj.weight": drawn(3, 6)}
        tensors |= {f"{at}{name}": drawn(6) for name in ("ln1.weight", "ln2.weight")}
        attn = f"{at}attn." if at else ""
        tensors |= {f"{attn}{part}_proj.weight": drawn(6, 3) for part in "qkv"}
        tensors |= {f"{attn}out_proj.weight": drawn(6, 6), f"{attn}causal_mask": BUFFERS["causal_mask"]}
        tensors |= {f"{at}{up}.weight": drawn(2, 6), f"{at}{up}.bias": drawn(2)}
        tensors |= {f"{at}{down}.weight": drawn(6, 2), f"{at}{down}.bias": drawn(6)}
        if at:
            tensors |= {**spiral, "pos_correction": drawn(10), "z_hi_pos": drawn(1, 3), "special_pos": drawn(3, 3)}
        else:
            tensors |= {"digit_enc": drawn(10, 3), "z10_enc": drawn(1, 3), "special_enc": drawn(3, 3)}
        heads, head, d, tokens, longest = 2, 3, 6, 14, 34
    described = {
        "kind": family, "n_layer": 1, "n_head": heads, "head_size": head, "d_model": d, "mlp_width": 2,
        "vocab_size": tokens, "n_positions": longest, "constants": {"rms_eps": 1e-5, "attention_scale": head**-0.5},
    }  # fmt: skip
    return tensors, {"architecture": described}


def written(folder, family, change=()):
    tensors, case = stand_in(family)
    folder.mkdir()
    save_file({**tensors, **dict(change)}, folder / "model.safetensors")
    (folder / "case.json").write_text(json.dumps(case))
    return folder


class Executed:
    """The formulas of one folder, in float32 or float64 throughout."""

    def __init__(self, folder, dtype):
        self.f = dtype
        case = json.loads((folder / "case.json").read_text())["architecture"]
        self.heads, self.head, self.eps = case["n_head"], case["head_size"], dtype(case["constants"]["rms_eps"])
        self.tokens = case["vocab_size"]
        self.t = {}
        for name, tensor in load_file(folder / "model.safetensors").items():
            own = name.removeprefix("blocks.0.")
            own = own.removeprefix("attn.").removeprefix("ffn.").removeprefix("mlp.")
            own = {"0": "fc1", "2": "fc2"}.get(own[0], own[0]) + own[1:] if own[1:2] == "." else own
            self.t[own] = tensor.astype(dtype)

    def norm(self, x, name):
        return x / np.sqrt((x * x).mean(-1, keepdims=True, dtype=self.f) + self.eps) * self.t[f"{name}.weight"]

    def gelu(self, x):
        return self.f(0.5) * x * (self.f(1) + erf(x / self.f(math.sqrt(2))).astype(self.f))

    def attend(self, q, k, v):
        parts = []
        for h in range(self.heads):
            at = slice(h * self.head, (h + 1) * self.head)
            scores = q[:, at] @ k[:, at].T * self.f(self.head**-0.5)
            scores = np.where(np.tri(len(q), dtype=bool), scores, self.f(-np.inf))
            p = np.exp(scores - scores.max(-1, keepdims=True))
            width = v.shape[1] // self.heads
            parts.append((p / p.sum(-1, keepdims=True)) @ v[:, h * width : (h + 1) * width])
        return np.concatenate(parts, axis=1)

    def spiral(self):
        t, n = self.t, np.arange(10).astype(self.f)
        angle = self.f(2 * math.pi) * n / self.f(10) + t["spiral_phase"]
        rise = t["spiral_slope"] * n + t["spiral_offset"]
        found = np.stack([t["spiral_amp"] * np.cos(angle), t["spiral_amp"] * np.sin(angle), rise], axis=1)
        return found * (self.f(1) + t["pos_correction"])[:, None] if "pos_correction" in t else found

    def logits(self, ids):
        """(T,) ids to (T, tokens)."""
        t = self.t
        if "pos_emb.A" in t:
            x = t["token_emb.weight"][ids] + (t["pos_emb.A"] @ t["pos_emb.B"])[: len(ids)]
            h = self.norm(x, "ln1") @ t["qkv_A"]
            kv = h @ t["qkv_Bkv"]
            x = x + self.attend(h @ t["qkv_Bq"], kv, kv) @ t["proj.A"] @ t["proj.B"]
            inner = self.gelu(self.norm(x, "ln2") @ t["fc1.A"] @ t["fc1.B"])
            x = x + inner @ t["fc2.A"] @ t["fc2.B"]
            return self.norm(x, "ln_f") @ t["token_emb.weight"].T
        if "tok_arc_A" in t:
            d = np.arange(self.tokens).astype(self.f)
            angle = t["tok_arc_start"] + d * t["tok_arc_stride"]
            table = t["tok_arc_A"] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
            ends = [t[name] for name in ("_plus_pos", "special_pos_equals", "z_hi_pos", "_eos_pos")]
            x = self.embedded(table, self.spiral(), ends, ids)
            name = "norm1" if "norm1.weight" in t else "ln1"
            u, turn = self.norm(x, name), t["q_phase_angle"][0]
            k, q = u[:, 2:] @ t["q_proj.weight"].T, np.zeros((len(ids), 4), self.f)
            for n in (0, 2):
                q[:, n] = k[:, n] * np.cos(turn) - k[:, n + 1] * np.sin(turn)
                q[:, n + 1] = k[:, n] * np.sin(turn) + k[:, n + 1] * np.cos(turn)
            x = x + self.attend(q, k, u[:, :2] @ t["head_proj.weight"]) @ t["out_proj.A"] @ t["out_proj.B"]
            inner = self.gelu(self.norm(x, name) @ t["fc1.weight"].T)
            x = x + inner @ (t["fc2.weight"].T if "fc2.weight" in t else t["head_proj.weight"])
            return (self.norm(x, name) @ t["head_proj.weight"].T) @ table.T
        is_stored = "digit_enc" in t
        special = t["special_enc" if is_stored else "special_pos"]
        last = t["z10_enc" if is_stored else "z_hi_pos"]
        digits = t["digit_enc"] if is_stored else self.spiral()
        x = self.embedded(t["tok_emb.weight"], digits, [special[:1], special[1:2], last, special[2:]], ids)
        u = self.norm(x, "ln1")
        q, k, v = (
            u[:, at] @ t[f"{part}_proj.weight"].T
            for part, at in zip("qkv", (slice(3, 6), slice(3, 6), slice(3)), strict=True)
        )
        x = x + self.attend(q, k, v) @ t["out_proj.weight"].T
        inner = self.gelu(self.norm(x, "ln2") @ t["fc1.weight"].T + t["fc1.bias"])
        x = x + inner @ t["fc2.weight"].T + t["fc2.bias"]
        return (self.norm(x, "ln_f") @ t["head_proj.weight"].T) @ t["tok_emb.weight"].T

    def embedded(self, table, digits, ends, ids):
        plus, equals, last, end = ends
        places = np.concatenate([digits, plus, digits, equals, digits, last, end])
        return np.concatenate([table[ids], places[: len(ids)]], axis=1)


def prompts(tokens, count=3, length=33):
    return np.random.default_rng(5).integers(0, tokens, (count, length))


@pytest.mark.parametrize("folder", ADDERS)
def test_an_adder_gives_its_recorded_logits_and_digits(folder):
    loaded, said = load(folder), json.loads((folder / "case.json").read_text())
    for v in said["test_vectors"]["vectors"]:
        found = logits(loaded.network, np.array([v["prompt"] + v["generated"][:10]]))[0]
        first = len(v["prompt"]) - 1
        assert np.allclose(found[first], v["logits_first_step"], rtol=1e-9, atol=1e-8)
        assert np.allclose(found[first + 10], v["logits_last_step"], rtol=1e-9, atol=1e-8)
        assert found[first : first + 11].argmax(axis=1).tolist() == v["generated"]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_stand_in_computes_its_formulas(family, tmp_path):
    folder = written(tmp_path / "net", family)
    loaded = load(folder)
    for ids in prompts(len(loaded.network.tokens)):
        expected = Executed(folder, np.float64).logits(ids)
        assert np.allclose(logits(loaded.network, ids[None])[0], expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("bounds", [interpreter, zonotope_interpreter], ids=["balls", "forms"])
def test_bounds_hold_an_execution_that_computes_its_tables_in_float32(family, bounds, tmp_path):
    folder = written(tmp_path / "net", family)
    network = load(folder).network
    ids = prompts(len(network.tokens))
    for u, dtype in ((ball.FLOAT32, np.float32), (ball.FLOAT64, np.float64)):
        stream = bounds.enclose(network, [ids], u)
        rows = stream.x[stream.places[0]]
        executed = np.stack([Executed(folder, dtype).logits(one) for one in ids]).astype(float)
        assert (np.abs(rows.center - executed) <= rows.radius).all()
        assert np.isfinite(rows.radius).mean() > 0.5
    real = bounds.enclose(network, [ids], ball.REAL)
    assert real.x.radius.max() < 1e-7


@pytest.mark.parametrize("family", FAMILIES)
def test_the_checker_reads_the_same_adder(family, tmp_path):
    folder = written(tmp_path / "net", family)
    network, ids = load(folder).network, prompts(10, 1)
    files = {name: (folder / name).read_bytes() for name in FILES["adder"][0]}
    with flint.ctx.workprec(100):
        for semantics, dtype in (("real", np.float64), ("float32", np.float32)):
            found = read("adder", files, semantics)
            (rows,) = checked_logits(found.network, Arithmetic(ROUNDOFF[semantics]), [tuple(map(int, ids[0]))])
            exact = semantics == "real"
            values = logits(network, ids)[0] if exact else Executed(folder, dtype).logits(ids[0]).astype(float)
            for row, value in zip(np.array(rows, object).reshape(-1), values.reshape(-1), strict=True):
                assert not row.is_finite() or abs(float(row.mid()) - value) <= float(row.rad()) + 1e-9 * exact


@pytest.mark.parametrize("flushed", [False, True], ids=["subnormals", "flushed"])
@pytest.mark.parametrize(("small", "large"), [(3.3e-44, 2e37), (1.1e-38, 1e12)])
@pytest.mark.parametrize("name", ["spiral_amp", "spiral_slope", "pos_emb.A"])
def test_a_table_holds_what_is_made_of_a_number_that_float32_hardly_has(name, small, large, flushed, tmp_path):
    """A small number loses digits, or all of itself, before a large one makes it ordinary."""
    is_low = name == "pos_emb.A"
    other, shape = ("pos_emb.B", (3, 4)) if is_low else ("pos_correction", (10,))
    change = {name: np.full((33, 3) if is_low else (), small, np.float32), other: np.full(shape, large, np.float32)}
    if not is_low:
        change["spiral_offset"] = np.full((), small, np.float32)
    folder = written(tmp_path / "net", "low" if is_low else "spiral_halves", change)
    network, executed = load(folder).network, Executed(folder, np.float32)
    if flushed:
        executed.t = {name: np.where(np.abs(t) < 2.0**-126, np.float32(0), t) for name, t in executed.t.items()}
    rows = executed.t["pos_emb.A"] @ executed.t["pos_emb.B"] if is_low else executed.spiral()
    columns = slice(4) if is_low else slice(3, 6)
    off = np.abs(network.positions[: len(rows), columns] - rows.astype(float))
    assert (off <= network.position_error[: len(rows), columns]).all()
    files = {name: (folder / name).read_bytes() for name in FILES["adder"][0]}
    if large >= 2.0**40:
        with pytest.raises(UnreadableError, match=r"2\*\*40 or more"):
            read("adder", files, "float32")
        return
    with flint.ctx.workprec(100):
        for mine, theirs in zip(rows, read("adder", files, "float32").network.positions, strict=False):
            assert all(abs(b.mid() - float(v)) <= b.rad() for v, b in zip(mine, theirs[columns], strict=True))


@pytest.mark.parametrize(
    ("family", "change", "said"),
    [
        ("circle", {"norm2.weight": np.ones(5, np.float32)}, r"norm2.weight (should be a|is no) copy of norm1.weight"),
        ("circle", {"extra": np.ones(1, np.float32)}, "unknown tensor 'extra'"),
        ("circle", {"spiral_amp": np.ones(2, np.float32)}, "should have shape"),
        ("low", {"lm_head.weight": np.ones((14, 4), np.float32)}, r"lm_head.weight (should be a|is no) copy"),
        ("stored_halves", {"q_proj.weight": np.ones((6, 6), np.float32)}, "should have shape"),
        ("stored_halves", {"blocks.0.ln1.weight": np.ones(6, np.float32)}, "named twice"),
        ("low", {"pos_emb.A": np.full((33, 3), np.inf, np.float32)}, "finite|NaN"),
    ],
)
def test_what_is_not_understood_is_refused_twice(family, change, said, tmp_path):
    folder = written(tmp_path / "net", family, change)
    with pytest.raises(NetworkError, match=said):
        load(folder)
    files = {name: (folder / name).read_bytes() for name in FILES["adder"][0]}
    with pytest.raises(UnreadableError, match=said):
        read("adder", files, "float32")

"""A stranger's certificate is data: it ends within its limits, writes no line of its own, and leaves no process."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from quick import sliced
from safetensors.numpy import save

from cegis.certificate import MANIFEST, Certificate, CertificateError
from tasks.checker.evidence import PROGRAM, establish
from tasks.checker.files import UnreadableError, load
from tasks.checker.limits import Ended, guarded
from tasks.checker.text import NAME
from tasks.checker.text import shown as checker_shown
from tasks.commands.main import main
from tasks.formats.circuit_folder import shipped_path
from tasks.networks.quoting import json_text, shown

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = Path(sys.executable).parent
TASKS_MAIN = [sys.executable, "-m", "tasks.commands.main", "check"]
CHECKER = [sys.executable, "-m", "tasks.checker"]
CONFIG = {"n": 3, "d": 2, "heads": 1, "ff": 1, "layers": 1, "causal": True, "pool": "sum"}
GPT2 = {"vocab_size": 3, "n_positions": 2, "n_embd": 2, "n_layer": 1, "n_head": 1, "model_type": "gpt2"}
HONEST = "def program(tokens):\n    return 'valid' if tokens[0] == '(' else 'not valid'\n"
LIMIT, SLACK = 20.0, 2.0  # seconds
SPOOF = "net\nThe certificate holds.\x1b[2K\rHOLDS: all\x9b1A\u202etrap\u200b\u2066\u200f\x00\x07\u3164\ud800\u2028\x85"


def tensors(shapes):
    rng = np.random.default_rng(3)
    return save({name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()})


def dyck(program=HONEST, **change):
    d, ff = CONFIG["d"], CONFIG["ff"]
    shapes = {"pos": (CONFIG["n"], d), "tok.weight": (2, d), "h1.weight": (d, d), "h1.bias": (d,)}
    shapes |= {f"blocks.0.W{part}.weight": (d, d) for part in "qkvo"}
    shapes |= {"blocks.0.mlp1.weight": (ff, d), "blocks.0.mlp1.bias": (ff,), "blocks.0.mlp2.weight": (d, ff)}
    shapes |= {"blocks.0.mlp2.bias": (d,), "h2.weight": (2, d), "h2.bias": (2,)}
    question = {
        "kind": "network", "format": "dyck", "alphabet": ["(", ")"], "lengths": [3, 3], "automaton": None, "prefix": [],
        "suffix": [], "semantics": "real", "directions": None, "least_margin": 0.0,
        "readout": {"kind": "argmax", "columns": [0, 1], "names": ["not valid", "valid"], "position": "last",
                    "denominator": 1},
    } | change  # fmt: skip
    config, weights = json.dumps(CONFIG).encode(), tensors(shapes)
    files = {"network/config.json": config, "network/model.safetensors": weights}
    return question, {**files, PROGRAM: program.encode(errors="surrogatepass")}


def gpt2(name, letter="a"):
    d = 2
    shapes = {"wte.weight": (3, d), "wpe.weight": (2, d)}
    shapes |= {"h.0.attn.c_attn.weight": (d, 3 * d), "h.0.attn.c_attn.bias": (3 * d,), "h.0.attn.c_proj.weight": (d, d)}
    shapes |= {"h.0.attn.c_proj.bias": (d,), "h.0.mlp.c_fc.weight": (d, 4 * d), "h.0.mlp.c_fc.bias": (4 * d,)}
    shapes |= {"h.0.mlp.c_proj.weight": (4 * d, d), "h.0.mlp.c_proj.bias": (d,)}
    shapes |= {f"{norm}.{part}": (d,) for norm in ("h.0.ln_1", "h.0.ln_2", "ln_f") for part in ("weight", "bias")}
    tokens = [letter, "b", "c"]
    question, _ = dyck()
    readout = question["readout"] | {"columns": [0, 1, 2], "names": tokens}
    question |= {"format": "gpt2", "alphabet": tokens, "lengths": [1, 2], "readout": readout}
    case = json.dumps({"name": name, "tokens": {token: n for n, token in enumerate(tokens)}}).encode()
    program = b"def program(tokens):\n    return 'b'\n"
    files = {"network/config.json": json.dumps(GPT2).encode(), "network/case.json": case, PROGRAM: program}
    return question, {**files, "network/model.safetensors": tensors(shapes)}


def sealed(folder, question, files):
    """A certificate that states what was asked, with right sums."""
    return Certificate({**question, "margin": 0.0}, files).save(folder)


def timed(command, folder, *options, limit=LIMIT, **more):
    """What a check prints, within its limit and 2 seconds, with no process left."""
    began = time.monotonic()
    command = [*command, str(folder), "--time-limit", str(limit), *map(str, options)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT, **more)
    assert time.monotonic() - began < limit + SLACK, done
    assert "Traceback" not in done.stdout + done.stderr
    assert processes_of(folder) == []
    return done


def processes_of(folder):
    """Commands of running processes that speak of ``folder``, but this one's."""
    found = []
    for number in filter(str.isdecimal, os.listdir("/proc")):
        with suppress(OSError):
            line = Path(f"/proc/{number}/cmdline").read_bytes()
            if str(folder).encode() in line and int(number) != os.getpid():
                found.append(line)
    return found


def one_line(done, code):
    lines = [*done.stdout.splitlines(), *done.stderr.splitlines()]
    assert (done.returncode, len(lines)) == (code, 1), done
    assert len(lines[0]) < 2100
    return lines[0]


LOOPS = "for a in x for b in x for c in x for d in x"
CHAIN = "".join(f"def f{n}(x):\n    return f{n - 1}(x) + f{n - 1}(x)\n" for n in range(1, 60))
PROGRAMS = {
    "endless": (
        f"def program(tokens):\n    x = [0] * 1000000\n    return str(sum(1 {LOOPS}))\n",
        2.0,
        "took more than",
    ),
    "doubling": (f"def f0(x):\n    return 0\n{CHAIN}def program(tokens):\n    return str(f59(0))\n", 2.0, "took more"),
    "huge": (
        f"def program(tokens):\n    x = [0] * 1000000\n    return str(len(list(x * 1 {LOOPS})))\n",
        20.0,
        "{} MB",
    ),
    "nested": (f"def program(tokens):\n    return {'-' * 400000}1\n", 20.0, "nested too deeply"),
}


@pytest.mark.parametrize(
    ("name", "command"),
    sliced(
        [
            pytest.param(
                name, command, marks=[pytest.mark.slow] * (who == "distill" and name != "endless"), id=f"{who}-{name}"
            )
            for who, command in (("checker", CHECKER), ("distill", TASKS_MAIN))
            for name in PROGRAMS
        ],
        3,
    ),
)
def test_a_hostile_program_ends_in_one_line_within_the_limit(tmp_path, name, command):
    program, seconds, said = PROGRAMS[name]
    folder = sealed(tmp_path / "c", *dyck(program))
    memory, options = (512, ("--memory", 512)) if command is CHECKER else (2048, ())  # the second as usual
    assert said.format(memory) in one_line(timed(command, folder, *options, limit=seconds), 2)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return 'a' * 3000000000", "1,048,576 entries"),
        ("x = [0] * 250000000\n    return 'valid'", "1,048,576 entries"),
        ("x = 3\n    for token in tokens * 1000:\n        x = x * x\n    return 'valid'", "4,096 bits"),
        ("return '%1000000000d' % len(tokens)", "formats"),
        ("return tokens[9]", "the program fails on"),
    ],
)
def test_a_program_that_grows_does_not_hold(tmp_path, body, said):
    line = one_line(timed(CHECKER, sealed(tmp_path / "c", *dyck(f"def program(tokens):\n    {body}\n"))), 1)
    assert line.startswith("DOES NOT HOLD: ")
    assert said in line


def test_lengths_that_no_list_holds_end_at_the_limit(tmp_path):
    folder = shipped_path("bracket_depth")
    told = json.loads((folder / "circuit.json").read_text())
    files = {f"network/{name}": (folder / name).read_bytes() for name in ("circuit.json", "weights.safetensors")}
    columns = [told["vocabulary"].index(label) for label in told["labels"]]
    readout = {"kind": "argmax", "columns": columns, "names": told["labels"], "position": "last", "denominator": 1}
    question, _ = dyck()
    question |= {"kind": "counts", "format": "circuit", "alphabet": told["domain"]["alphabet"], "lengths": [0, 65536]}
    question |= {"prefix": told["prefix"], "readout": readout, "semantics": "float32"}
    program = f"def program(tokens):\n    return {told['labels'][0]!r}\n".encode()
    done = timed(CHECKER, sealed(tmp_path / "c", question, {**files, PROGRAM: program}), limit=2.0)
    assert done.returncode in (1, 2), done
    one_line(done, done.returncode)


def manifest(text):
    return lambda folder: (folder / MANIFEST).write_bytes(text)


def linked(name, to="/etc/hostname"):
    def change(folder):
        (folder / name).unlink()
        (folder / name).symlink_to(to)

    return change


def replaced_by_fifo(name):
    def change(folder):
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return change


def folder_linked(folder):
    (folder / "network").rename(folder.parent / "elsewhere")
    (folder / "network").symlink_to(folder.parent / "elsewhere")


def sealed_anew(**change):
    """A manifest whose digest is right."""

    def write(folder):
        body = json.loads((folder / MANIFEST).read_bytes())
        body.pop("sha256")
        body |= change
        text = json.dumps(body, sort_keys=True, ensure_ascii=False)
        body["sha256"] = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
        (folder / MANIFEST).write_text(json.dumps(body))

    return write


def sparse(folder):
    with open(folder / PROGRAM, "wb") as file:
        file.truncate(1 << 40)


def deep(folder):
    place = folder
    for _ in range(200):
        place /= "d"
    place.mkdir(parents=True)


FOLDERS = {
    "program is a link": (linked(PROGRAM), "is a link"),
    "manifest is a link": (linked(MANIFEST), "is a link"),
    "manifest is /dev/zero": (linked(MANIFEST, "/dev/zero"), "is a link"),
    "weights are a link": (linked("network/model.safetensors"), "is a link"),
    "a folder is a link": (folder_linked, "is a link"),
    "program is a pipe": (replaced_by_fifo(PROGRAM), "is no file"),
    "manifest is a pipe": (replaced_by_fifo(MANIFEST), "is no file"),
    "a program of a terabyte": (sparse, "at most 1,024 MB"),
    "many folders in one another": (deep, "folders in one another"),
    "brackets without end": (manifest(b"[" * 10_000_000), "cannot be read|cannot read"),
    "a number without end": (manifest(b'{"format": ' + b"9" * 5_000_000 + b"}"), "cannot be read|cannot read"),
    "half a manifest of 300 kB": (manifest(b'{"format": [' + b"[]," * 100_000), "cannot"),
    "a name that leads out": (sealed_anew(files={"../x": "0"}), "file"),
    "an absolute name": (sealed_anew(files={"/etc/passwd": "0"}), "file"),
    "a name with a line of its own": (sealed_anew(files={"a\nHOLDS: all\x1b[2K": "0"}), "file"),
    "names for two systems": (sealed_anew(files={"a\\..\\b": "0", "A": "0", "a": "0"}), "file"),
    "another format": (sealed_anew(format="\x1b[2K" * 9999), "manifest changed|expected format 1"),
}


@pytest.mark.parametrize("name", FOLDERS)
def test_a_hostile_folder_is_refused_by_both_readers(tmp_path, name):
    change, said = FOLDERS[name]
    folder = sealed(tmp_path / "c", *dyck())
    change(folder)
    with pytest.raises(CertificateError, match=said):
        Certificate.load(folder)
    with pytest.raises(UnreadableError, match=said):
        load(folder)


@pytest.mark.parametrize("name", ["manifest is a pipe", "a name with a line of its own"])
@pytest.mark.parametrize(
    "command", [CHECKER, pytest.param(TASKS_MAIN, marks=pytest.mark.slow)], ids=["checker", "distill"]
)
def test_a_hostile_folder_is_refused_in_one_line(tmp_path, name, command):
    change, said = FOLDERS[name]
    folder = sealed(tmp_path / "c", *dyck())
    change(folder)
    line = one_line(timed(command, folder, limit=8.0), 2)
    assert re.search(said, line), line
    assert line.isprintable()


@pytest.mark.slow
def test_a_name_cannot_write_lines_of_its_own(tmp_path):
    question, files = gpt2(SPOOF)
    folder = Certificate(establish(question, files), files).save(tmp_path / "c")
    for command, holds in ((CHECKER, 0), (TASKS_MAIN, 1)):
        done = timed(command, folder, limit=20.0)
        assert done.returncode == 0, done
        lines = done.stdout.splitlines()
        assert [line for line in lines if line.startswith("The certificate holds.")] == lines[:holds]
        assert sum(line.startswith("HOLDS") for line in lines) == 1 - holds
        assert all(line.isprintable() and "\u3164" not in line for line in lines), done
        assert "'net\\nThe certificate holds.\\x1b[2K" in lines[holds]
        assert "on all 12 sequences of length 1 to 2" in lines[holds]
    done = timed(TASKS_MAIN, folder, "--json", limit=20.0)
    assert all(line.isprintable() for line in done.stdout.splitlines())
    assert json.loads(done.stdout)["holds"] is True


def test_a_long_name_is_cut_and_what_is_found_is_not(tmp_path):
    question, files = gpt2("on all 99 sequences of length 1 to 9. " * 5000)
    found = establish(question, files)
    assert len(found["claim"]) < 600
    assert "'on all 99 sequences of length 1 to 9. on all 99 sequences o…' on all 12 sequences" in found["claim"]


@pytest.mark.parametrize("escape", [shown, checker_shown])
def test_whatever_is_written_is_shown_on_one_printable_line(escape):
    for number in [
        *range(0x3000),
        *range(0xD7F0, 0xE010),
        0xFEFF,
        0xFFF9,
        0x1D173,
        0xE0001,
        0xE0041,
        0xE0100,
        0x10FFFF,
    ]:
        line = escape(f"a{chr(number)}b")
        assert line.isprintable()
        assert line.isascii() or line == f"a{chr(number)}b"
    assert escape("é ( 中") == "é ( 中"
    assert len(escape("\x1b" * 10**6)) == len(escape("a" * 10**6)) == 2000
    assert len(escape("x" * 99, NAME)) == NAME


def test_json_is_printable_and_means_the_same():
    value = {SPOOF: [SPOOF, "\U000e0041 é\x7f"]}
    assert all(line.isprintable() for line in json_text(value).split("\n"))
    assert json.loads(json_text(value)) == value


def test_an_interrupt_ends_the_check_with_one_line_and_no_process(tmp_path):
    folder = sealed(tmp_path / "c", *dyck(PROGRAMS["endless"][0]))
    for command, number, said, code in (
        (CHECKER, signal.SIGINT, "interrupted", 2),
        (TASKS_MAIN, signal.SIGINT, "interrupted", 1),
        (CHECKER, signal.SIGTERM, "ended by SIGTERM", 2),
        (TASKS_MAIN, signal.SIGTERM, "ended by SIGTERM", 2),
        (CHECKER, signal.SIGKILL, None, -9),
    ):
        with started(command, folder) as running:
            running.send_signal(number)
            out, err = running.communicate(timeout=10)
            assert running.returncode == code, err
            assert said is None or ((out + err).count("\n") == 1 and said in err), err
            ends = time.monotonic() + 2
            while processes_of(folder) and time.monotonic() < ends:
                time.sleep(0.02)
            assert processes_of(folder) == []


@contextmanager
def started(command, folder):
    """A check that is at work: its job has begun to compute. It hears SIGINT, which a background job ignores."""
    running = subprocess.Popen(
        [*command, folder], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    with running:
        try:
            ends = time.monotonic() + 20
            while len(processes_of(folder)) < 3 and time.monotonic() < ends:
                time.sleep(0.02)
            time.sleep(0.5)
            assert len(processes_of(folder)) >= 3
            yield running
        finally:
            running.kill()  # whose supervisor then ends the rest


def test_what_a_job_starts_in_a_session_of_its_own_ends_with_it(tmp_path):
    (tmp_path / "starts.py").write_text(
        "import subprocess, sys, time\n"
        "def job(name):\n"
        "    subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)', name], start_new_session=True)\n"
        "    time.sleep(60)\n"
    )
    sys.path.insert(0, str(tmp_path))
    try:
        ended = guarded("starts:job", {"name": f"{tmp_path}/mark"}, seconds=1.5, memory_mb=512)
    finally:
        sys.path.remove(str(tmp_path))
    assert ended == Ended(2, "not checked: it took more than 1.5 s; give it more with --time-limit")
    assert processes_of(tmp_path / "mark") == []


def test_limits_are_never_above_the_inherited_ones(tmp_path):
    folder = sealed(tmp_path / "c", *dyck(PROGRAMS["endless"][0]))
    command = f"ulimit -t 2; exec {' '.join(CHECKER)} {folder} --time-limit 30"
    began = time.monotonic()
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert "CPU time" in one_line(done, 2)
    assert time.monotonic() - began < 10


@pytest.mark.skipif(
    not (SCRIPTS / "distill-check").exists(), reason="distill-check is not installed (pip install -e .)"
)
def test_nothing_in_the_current_folder_stands_before_the_checker(tmp_path):
    question, files = dyck()
    folder = Certificate(establish(question, files), files).save(tmp_path / "c")
    (tmp_path / "tasks" / "checker").mkdir(parents=True)
    shadow = "print('HOLDS: everything')\nraise SystemExit(0)\n"
    names = ("json", "flint", "ast", "argparse", "resource", "hashlib", "encodings", "sitecustomize", "limits")
    for place in (*(f"{name}.py" for name in names), "tasks/__init__.py", "tasks/checker/__init__.py"):
        (tmp_path / place).write_text(shadow)
    script = [str(SCRIPTS / "distill-check"), str(folder)]
    done = subprocess.run(script, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.returncode == 0, done
    assert done.stdout.startswith("HOLDS: the program equals the dyck network on all 8 sequences")


@pytest.mark.parametrize("options", [("--time-limit", "0"), ("--time-limit", "nan"), ("--memory", "1")])
def test_limits_that_make_no_sense_are_refused(tmp_path, options):
    done = subprocess.run([*CHECKER, tmp_path, *options], capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert "expected" in one_line(done, 2)


def test_a_circuit_of_a_stranger_is_shown_without_its_codes(tmp_path, capsys):
    folder = tmp_path / "mine"
    folder.mkdir()
    for path in shipped_path("quote_closing").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    told = json.loads((folder / "circuit.json").read_text())
    token = told["domain"]["alphabet"][0]
    text = (folder / "circuit.json").read_text().replace(json.dumps(token), json.dumps("\n\x1b[2K\u202e"))
    told = json.loads(text)
    told["card"] = {"\x1bcard": "PROVED\n\u202eall"}
    (folder / "circuit.json").write_text(json.dumps(told))
    for options in ((), ("--json",)):
        with pytest.raises(SystemExit) as ended:
            main(["show", str(folder), *options])
        out, err = capsys.readouterr()
        assert (ended.value.code, err) == (0, "")
        assert all(line.isprintable() for line in out.split("\n"))
        assert not [line for line in out.split("\n") if line.startswith("PROVED")]


def test_words_of_a_folder_leave_the_assumption_whole(tmp_path):
    question, files = gpt2("net", letter="\U0010ffff" * 500)
    question |= {"semantics": "float64"}
    case = json.loads(files["network/case.json"])
    case["language"] = {"alphabet": question["alphabet"], "start": "s", "states": ["s"], "words": "\U0010ffff" * 5000}
    case["language"]["transitions"] = {"s": dict.fromkeys(question["alphabet"], "s")}
    files["network/case.json"] = json.dumps(case).encode()
    question |= {"automaton": {"transitions": [[0, 0, 0]], "accepting": [True]}}
    found = establish(question, files)
    assert len(found["claim"]) < 2000
    folder = Certificate(found, files).save(tmp_path / "c")
    for command in (CHECKER, TASKS_MAIN):
        done = timed(command, folder)
        assert done.returncode == 0, done
        assert found["assumption"] in done.stdout
        assert "stated here, as the network's files declare none: " in done.stdout


def test_what_does_not_hold_is_one_line_of_both_checkers(tmp_path):
    folder = sealed(tmp_path / "c", *dyck("def program(tokens):\n    return 'a' * 3000000000\n"))
    assert "does NOT hold: the program makes" in one_line(timed(TASKS_MAIN, folder), 1)
    assert "DOES NOT HOLD: the program makes" in one_line(timed(CHECKER, folder), 1)


def test_a_name_too_long_for_a_file_is_one_sentence(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["run", "quote_closing", "--length", "2", "--out", "w" * 300])
    assert ended.value.code == 2
    assert "File name too long" in capsys.readouterr().err

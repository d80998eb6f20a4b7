"""Networks of other people, with what is known about them; skipped where the folder of cases is absent."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from tasks.formats import Question, load
from tasks.networks.interpreter import logits
from tasks.networks.readout import UNDECIDED, Argmax, TokenSet
from tasks.networks.recurrent import Recurrent

CASES = Path(os.environ.get("DISTILL_CASES", Path(__file__).resolve().parents[5] / "shared" / "cases"))
MOST = 300  # sequences per length


def folders(*families):
    """One parameter per case; without the folder of cases one that says so."""
    found = [
        path for family in families for path in sorted(CASES.glob(f"{family}/*")) if (path / "case.json").is_file()
    ]
    absent = pytest.mark.skip(reason=f"no cases of {', '.join(families)} in {CASES} (set DISTILL_CASES)")
    return [pytest.param(path, id=path.name) for path in found] or [pytest.param(CASES, id="absent", marks=absent)]


def described(folder):
    return json.loads((folder / "case.json").read_text())


def vectors_agree(loaded, vectors):
    """Whether the logits at the last row are the recorded ones, to the digits that were recorded."""
    return all(
        np.allclose(
            logits(loaded.network, np.array([v.get("ids", v.get("x"))]))[0, -1], v["logits"], rtol=1e-8, atol=1e-9
        )
        for v in vectors
    )


def few(loaded, longest):
    """Sequences of the domain up to ``longest``, at most ``MOST`` per length."""
    for length in range(loaded.domain.min_length, longest + 1):
        every = loaded.domain.sequences(length)
        yield every[np.linspace(0, len(every) - 1, min(MOST, len(every))).astype(int)] if len(every) else every


@pytest.mark.parametrize("folder", folders("gpt2"))
def test_a_gpt2_gives_its_recorded_logits_and_knows_its_language(folder):
    loaded, said = load(folder), described(folder)
    assert vectors_agree(loaded, said["test_vectors"]["vectors"])
    language, names = said["language"], loaded.domain.words
    longest = 5 if loaded.network.tokens.shape[1] > 100 else 8
    for batch in few(loaded, longest):
        labels, _ = loaded.labels(batch)
        if isinstance(loaded.readout, TokenSet):
            for row, label in zip(batch, labels, strict=True):
                state = language["start"]
                for token in names(row):
                    state = language["transitions"][state][token]
                allowed = {*language["transitions"].get(state, {}), *(["<eos>"] * (state in language["accepting"]))}
                assert set(loaded.readout.members(int(label))) == allowed
        else:  # the other task: which symbol is in the majority
            lead = np.where(batch == 1, 1, -1).sum(axis=1)
            assert (labels[lead != 0] == (lead[lead != 0] > 0)).all()


@pytest.mark.parametrize("folder", folders("dyck"))
def test_a_dyck_network_is_right_on_every_string(folder):
    loaded, said = load(folder), described(folder)
    assert vectors_agree(loaded, said["test_vectors"]["vectors"])
    every = loaded.domain.sequences(loaded.domain.max_length)
    depth = np.cumsum(1 - 2 * every.astype(int), axis=1)
    labels, margins = loaded.labels(every)
    assert (labels == ((depth >= 0).all(axis=1) & (depth[:, -1] == 0))).all()
    assert margins.min() == pytest.approx(said["measured"]["min_margin"], abs=1e-6)


@pytest.mark.parametrize("folder", folders("sparsemax"))
def test_a_sparsemax_network_is_wrong_exactly_where_it_is_known_to_be(folder):
    said, wrong = described(folder), json.loads((folder / "wrong_any_id.json").read_text())["wrong"]
    for name, task in said["input"]["tasks"].items():
        loaded = load(folder, Question(task=name))
        assert vectors_agree(loaded, said["test_vectors"]["vectors"])
        every = loaded.domain.sequences(4)
        known = np.isin(
            [hash(tuple(row)) for row in loaded.prompts(every).tolist()], [hash(tuple(w)) for w in wrong[name]]
        )
        picked = known | (np.arange(len(every)) % 16 == 0)
        labels, _ = loaded.labels(every[picked])
        assert ((labels != (every[picked][:, 1] == task["openers"][1])) == known[picked]).all()
        assert known.sum() == len(wrong[name])


@pytest.mark.parametrize("folder", folders("sparsemax"))
def test_a_sparsemax_circuit_is_right_on_its_own_domain(folder):
    for name, task in described(folder)["input"]["tasks"].items():
        loaded = load(folder, Question(task=name, circuit=True))
        every = loaded.domain.sequences(4)
        own = every[np.isin(every[:, [0, 2, 3]], [5, 6, 7, 8]).all(axis=1)]
        assert len(own) == 128
        assert (loaded.labels(own)[0] == (own[:, 1] == task["openers"][1])).all()


@pytest.mark.parametrize("folder", folders("tracr", "interpbench"))
def test_a_compiled_network_gives_its_recorded_outputs(folder):
    loaded, said = load(folder), described(folder)
    interpreted = json.loads((folder / "io.json").read_text()) if (folder / "io.json").is_file() else []
    for pair in [*interpreted, *said["test_vectors"]["vectors"]]:
        tokens = loaded.domain.indices([str(token) for token in pair["tokens"]])
        labels, _ = loaded.labels(np.array([tokens]))
        for label, expected in zip(labels[0], pair["out"], strict=True):
            if expected == "None" or (label == UNDECIDED and pair not in interpreted):
                continue  # undefined in RASP; there the vectors record the first of equal columns
            if isinstance(loaded.readout, Argmax):
                assert loaded.readout.text(int(label)) == str(expected)
            else:
                number = {"True": 1.0, "False": 0.0}.get(expected, expected)
                assert float(loaded.readout.value(int(label))) == pytest.approx(float(number), abs=1e-7)


@pytest.mark.parametrize("folder", folders("rnn/mips", "rnn/weiss"))
def test_a_recurrent_network_is_one_whatever_its_files_are_called(folder):
    assert isinstance(load(folder).network, Recurrent)


def lens_vectors(name, vector, vocabulary):
    """Token ids, the row that is recorded, and what is recorded there of a vector of ``arena`` or ``modular``."""
    match vector:
        case {"word": word, "logits": expected}:
            return [0, *map(vocabulary.index, word), 2], 0, expected
        case {"word": word, "logits_last": expected}:
            return [10, *map(vocabulary.index, word)], -1, expected
        case {"list": numbers, "logits_first_step_0_to_9": expected}:
            return [*numbers, 51], -1, expected
        case {"a": a, "b": b, "logits_first_step": expected}:
            return [*map(int, f"{a:04d}"), 10, *map(int, f"{b:04d}"), 11], -1, expected
        case {"a": a, "b": b, "logits_0_to_4": expected}:
            return [a, b, len(vocabulary) - 1], -1, expected
    raise AssertionError(f"{name}: a vector of another kind")


@pytest.mark.parametrize("folder", folders("arena", "modular"))
def test_names_of_transformer_lens_give_the_recorded_logits(folder):
    loaded, said = load(folder, Question(readout="argmax")), described(folder)
    assert loaded.format == "transformer_lens"
    for vector in said["test_vectors"]["vectors"]:
        ids, row, expected = lens_vectors(folder.name, vector, loaded.vocabulary)
        got = logits(loaded.network, np.array([ids]))[0, row]
        assert np.allclose(got[: len(expected)], expected, rtol=1e-8, atol=1e-9)
        if "largest_logit" in vector:
            assert (got.argmax(), got.max()) == (vector["argmax"], pytest.approx(vector["largest_logit"], abs=1e-9))


def test_a_gpt2_whose_layers_have_names_of_transformer_lens_is_read():
    folder = CASES / "faults" / "tl_keys"
    if not folder.is_dir():
        pytest.skip(f"no cases of faults in {CASES} (set DISTILL_CASES)")
    assert vectors_agree(load(folder), described(folder)["test_vectors"]["vectors"])

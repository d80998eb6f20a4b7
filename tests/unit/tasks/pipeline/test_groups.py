"""Products of finite groups are read off the labels of all pairs, whatever elements are called, and nothing else."""

import itertools
import json

import click
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quick import examples, sliced

from cegis import Program
from dsl.grammars.groups import Naming, group_product
from dsl.operators import GrammarError
from tasks import Question, distill, from_callable
from tasks.checker.programs import called, function_of
from tasks.commands.question import ask
from tasks.formats import save_folder
from tasks.formats.case import elements_of
from tasks.pipeline.closed_forms import calculated
from tasks.pipeline.dependence import Labelled
from tasks.pipeline.groups import is_group, namings
from tests.support.adding_networks import adding


def composed(p, q):
    return "".join(q[int(i)] for i in p)


def added(*moduli):
    return lambda p, q: tuple((x + y) % m for x, y, m in zip(p, q, moduli, strict=True))


def turned(n):
    return lambda p, q: ((p[0] - q[0] if p[1] else p[0] + q[0]) % n, (p[1] + q[1]) % 2)


def multiplied(p, q):
    return tuple(tuple(sum(x * y for x, y in zip(row, c, strict=True)) % 3 for c in zip(*q, strict=True)) for row in p)


def is_even(p):
    return sum(p[i] > p[j] for i, j in itertools.combinations(range(len(p)), 2)) % 2 == 0


FOUR = ["".join(map(str, p)) for p in itertools.permutations(range(4))]
MATRICES = [((a, b), (c, d)) for a, b, c, d in itertools.product(range(3), repeat=4) if (a * d - b * c) % 3 == 1]
GROUPS = {
    "symmetric": (FOUR, composed),
    "alternating": ([p for p in FOUR if is_even(p)], composed),
    "other order": (FOUR, lambda p, q: composed(q, p)),
    "dihedral": ([(x, s) for s in (0, 1) for x in range(7)], turned(7)),
    "two cyclic": ([(x, s) for s in range(4) for x in range(6)], added(6, 4)),
    "three cyclic": (list(itertools.product(range(2), range(2), range(4))), added(2, 2, 4)),
    "matrices": (MATRICES, multiplied),
}
RULES = {"dihedral": "turns", "two cyclic": "residues", "three cyclic": "residues"}


def products(elements, times):
    number = {element: n for n, element in enumerate(elements)}
    return np.array([[number[times(p, q)] for q in elements] for p in elements])


def network(table, names=None, **question):
    """A black box over the numbers of elements whose largest output is that of the product."""
    names = names or tuple(map(str, range(len(table))))

    def outputs(ids):
        logits = np.zeros((len(ids), len(table)))
        logits[np.arange(len(ids)), table[ids[:, 0], ids[:, 1]]] = 1.0
        return logits

    question = Question(alphabet=names, lengths=(2, 2), **question)
    return from_callable(outputs, vocabulary=names, longest=2, question=question)


@pytest.mark.parametrize("name", GROUPS)
@pytest.mark.parametrize("prefix", sliced(["g", ""], 2))
def test_a_group_is_found_in_any_order_and_with_any_names(name, prefix):
    elements, times = GROUPS[name]
    order = np.random.default_rng(3).permutation(len(elements))
    table = products([elements[n] for n in order] if prefix else elements, times)
    tokens = tuple(f"{prefix}{n}" for n in range(len(table)))
    naming = next(namings(table, tokens))
    assert naming.rule == RULES.get(name, "permutations")
    text = f"{naming.helper}\n\ndef f(tokens: list[str]) -> str:\n    return product(tokens[0], tokens[-1])\n"
    checked, scope = function_of(text, ["tokens"]), {}
    exec(naming.helper, scope)
    said = group_product(tokens, tokens, naming).numpy(None, *np.indices(table.shape))
    assert (said == table).all()
    for n, m in itertools.product(range(len(table)), repeat=2):
        assert scope["product"](tokens[n], tokens[m]) == called(checked, [tokens[n], tokens[m]]) == tokens[table[n, m]]


@pytest.mark.parametrize("name", GROUPS)
def test_what_is_declared_is_what_a_program_says(name):
    elements, times = GROUPS[name]
    order = np.random.default_rng(5).permutation(len(elements))
    chosen = elements_of(json.loads(json.dumps([elements[n] for n in order])))
    tokens = tuple(map(str, range(len(elements))))
    naming = next(namings(products(chosen, times), tokens, chosen))
    assert naming.elements == chosen
    assert naming.is_later_first == (name == "other order")


@pytest.mark.parametrize("base", [0, 1])
def test_permutations_may_be_rows_of_numbers_from_zero_or_one(base):
    rows = [tuple(int(digit) + base for digit in p) for p in FOUR]
    naming = next(namings(products(FOUR, composed), tuple(map(str, range(24))), rows))
    assert naming.elements == tuple(FOUR)


def test_wrong_declarations_are_no_matter():
    table, tokens = products(FOUR, composed), tuple(map(str, range(24)))
    for wrong in (FOUR[::-1], FOUR[:-1], ["x"] * 24, [(0, 0)] * 24, [()] * 24, [((0,),)] * 24, [*FOUR[:-1], 3]):
        naming = next(namings(table, tokens, wrong))
        assert naming.rule == "permutations"
        assert (group_product(tokens, tokens, naming).numpy(None, *np.indices(table.shape)) == table).all()


@settings(max_examples=examples(60))
@given(st.sampled_from(sorted(GROUPS)), st.data())
def test_no_group_is_found_where_one_product_is_another(name, data):
    table = products(*GROUPS[name])
    n, m = (data.draw(st.integers(0, len(table) - 1)) for _ in range(2))
    wrong = table.copy()
    wrong[n, m] = (wrong[n, m] + data.draw(st.integers(1, len(table) - 1))) % len(table)
    assert is_group(table)
    assert not is_group(wrong)
    assert next(namings(wrong, tuple(map(str, range(len(table)))), GROUPS[name][0]), None) is None


def test_a_latin_square_with_a_unit_that_is_not_associative_is_no_group():
    loop = np.array([[0, 1, 2, 3, 4], [1, 0, 3, 4, 2], [2, 4, 0, 1, 3], [3, 2, 4, 0, 1], [4, 3, 1, 2, 0]])
    assert not is_group(loop)
    assert not is_group((2 * np.arange(5)[:, None] + np.arange(5)) % 5)  # no unit


@pytest.mark.slow
def test_a_network_that_multiplies_permutations_is_distilled_and_read_back():
    found = distill(network(products(FOUR, composed), elements=tuple(FOUR)), seconds=0.5)
    assert found.is_exact
    source = found.program.source("f")
    assert "names.index(''.join(q[int(i)] for i in p))" in source
    assert Program.parse(source, found.program.grammar).term == found.program.term
    with pytest.raises(GrammarError):
        Program.parse(source.replace("q[int(i)] for i in p", "p[int(i)] for i in q[::-1]"), found.program.grammar)
    own = distill(network(products(FOUR, composed), names=tuple(FOUR)), seconds=0.5)
    assert own.is_exact
    assert "return ''.join(" in own.program.source("f")
    assert Program.parse(own.program.source("f"), own.program.grammar).term == own.program.term


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "text"),
    sliced(
        [
            (lambda a, b: max(a, b), "max(int(tokens[0]), int(tokens[-1]))"),
            (lambda a, b: a * b % 7, "int(tokens[0]) * int(tokens[-1]) % 7"),
        ],
        2,
    ),
)
def test_what_is_calculated_of_two_numbers_is_read_off(answer, text):
    table = np.array([[answer(a, b) for b in range(7)] for a in range(7)])
    found = distill(network(table), seconds=0.5)
    assert found.is_exact
    read_off = calculated(Labelled(found.labels))
    assert read_off is not None
    assert text in read_off.source()


def test_elements_that_are_none_are_refused():
    for rule, elements, moduli in (
        ("permutations", ("01", "11"), ()), ("permutations", ("01", "01"), ()), ("residues", (0, 3), (3,)),
        ("residues", ((0, 1), (1,)), (2, 2)), ("turns", ((0, 0), (1, 1)), (4, 2)),
        ("matrices", (((0, 1),), ((1, 0),)), (2,)),
        ("tables", ("0", "1"), ()),
    ):  # fmt: skip
        with pytest.raises(GrammarError):
            Naming(rule, ("a", "b"), elements, moduli, 2)


def test_elements_come_from_a_file_or_are_refused_in_a_sentence(tmp_path):
    folder, file = tmp_path / "network", tmp_path / "elements.json"
    save_folder(adding(1, 3), folder)
    file.write_text(json.dumps([[0, 1, 2], [1, 2, 0], [2, 0, 1]]))
    assert ask(str(folder), elements=str(file)).model.elements == ((0, 1, 2), (1, 2, 0), (2, 0, 1))
    for wrong in ("", "{}", "[[0, [1]]]", "[1.5]", "[]"):
        file.write_text(wrong)
        with pytest.raises(click.ClickException, match="--elements: expected"):
            ask(str(folder), elements=str(file))

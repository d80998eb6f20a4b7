"""Long lines are broken at entries and words, mean the same, and keep to the width where anything can be broken."""

import ast
import random

import pytest

from dsl.wrapping import LONGEST, wrapped

ENTRIES = ", ".join(f"('{n}, (', {n}): '{n * n}'" for n in range(40))
LONG = {
    "a table": f"    return {{{ENTRIES}}}.get((tokens[i], len(tokens)), '0')",
    "a set": f"    return 'yes' if tokens[i] in {{{', '.join(map(repr, range(60)))}}} else 'no'",
    "a conjunction": "    if " + " and ".join(f"tokens[{n}] == 'a or {n}'" for n in range(9)) + ":\n        return 'x'",
    "a choice": f"    return {'a' * 40!r} if tokens[i] == {'b' * 40!r} else {'c' * 40!r}",
    "alternatives": "    return " + " or ".join(f"(tokens[{n}] == 'a' and i >= {n})" for n in range(9)),
    "a table of a loop": f"    for token in tokens:\n        state = ({', '.join(map(str, range(99)))})[state]",
    "nested": f"    return f(1, g(2, h({', '.join(['a' * 30] * 5)})), {', '.join(['b' * 30] * 3)})",
}


def parsed(text):
    return ast.dump(ast.parse(f"if True:\n{text}"))


@pytest.mark.parametrize("name", LONG)
def test_a_long_line_is_broken_and_means_the_same(name):
    text = wrapped(LONG[name])
    assert parsed(text) == parsed(LONG[name])
    assert max(map(len, text.splitlines())) <= LONGEST, text
    assert min(map(len, text.splitlines())) > 0


def test_a_table_fills_its_lines():
    text = wrapped(LONG["a table"]).splitlines()
    assert text[0] == "    return {"
    assert text[-1] == "    }.get((tokens[i], len(tokens)), '0')"
    assert len(text) < 14


def test_only_a_table_ends_in_a_comma():
    assert ",\n    }" in wrapped(LONG["a table"])
    assert ",\n    )" not in wrapped(LONG["nested"])


def test_short_lines_and_long_texts_stay_as_they_are():
    for text in ("    return 'a'", f"    return {'a' * 120!r}", f"    x = {'a, (b' * 30!r}"):
        assert wrapped(text) == text


def test_random_expressions_mean_the_same():
    rng = random.Random(0)

    def expression(depth):
        if depth == 0:
            return rng.choice(["tokens[i]", "'a, b'", "i", "'(['", "12345", '"it\'s"'])
        parts = [expression(rng.randrange(depth)) for _ in range(rng.randint(1, 5))]
        return rng.choice([
            f"{{{', '.join(parts)}}}", f"({', '.join(parts)},)", f"f({', '.join(parts)})", f"({' and '.join(parts)})",
            f"({' or '.join(parts)})", f"({parts[0]} if {parts[-1]} else {parts[0]})", f"[{', '.join(parts)}]",
            f"{parts[0]}[{', '.join(parts)}]", f"sum({parts[0]} for token in {parts[-1]})", f"not {parts[0]}",
        ])  # fmt: skip

    broken = 0
    for _ in range(400):
        node = ast.parse(f"return {expression(4)}").body[0]
        before = "    " + ast.unparse(node)
        after = wrapped(before)
        assert parsed(after) == parsed(before)
        broken += after != before
    assert broken > 100


def test_a_comprehension_is_broken_at_its_clauses_and_not_in_its_target():
    pairs = "b for a, b in zip(tokens[:i + 1][::-1], tokens[:i + 1][-2::-1])"
    assert wrapped(f"    return next(({pairs} if a == tokens[i] != 'no token'), 'none')") == (
        "    return next(\n"
        "        (\n"
        "            b for a, b in zip(tokens[:i + 1][::-1], tokens[:i + 1][-2::-1])\n"
        "            if a == tokens[i] != 'no token'\n"
        "        ),\n"
        "        'none'\n"
        "    )"
    )

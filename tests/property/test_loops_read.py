"""Functions drawn at random: what ``loop_from_text`` reads answers on every stream as Python does, or is not read."""

import random
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from quick import examples

from dsl.grammars.stream_reading import loop_from_text
from dsl.grammars.streams import OutgrownError
from dsl.operators import GrammarError

ALPHABETS = {1: ("0", "1", "2", "3"), 2: tuple(f"{a},{b}" for a in range(3) for b in range(3))}
NAMES = ("a", "b", "x", "token", "last", "sum", "x_2")


class Drawn:
    """One function, some of its names without a value where they are read."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.inputs = self.draw.choice((1, 1, 2))
        self.each = self.draw.choice(("t", "token", "c"))
        self.states = self.draw.sample(NAMES, self.draw.randint(1, 3))
        self.others = ["v", self.draw.choice(NAMES)]

    def text(self) -> str:
        values = [self.draw.randint(-3, 3) for _ in self.states]
        lines = ["def f(tokens):"]
        lines += [f"    {name} = {value}" for name, value in zip(self.states, values, strict=True)]
        lines += [f"    for {self.each} in tokens:", *self.block(2, 2)]
        lines += self.block(1, 0)[: self.draw.randint(0, 1)]
        return "\n".join([*lines, f"    return {self.value(2, '')}"]) + "\n"

    def block(self, depth: int, branches: int) -> list[str]:
        lines = []
        for _ in range(self.draw.randint(1, 3)):
            lines += self.statement("    " * depth, depth, branches)
        return lines

    def statement(self, indent: str, depth: int, branches: int) -> list[str]:
        token = self.each if depth > 1 else ""
        names = [*self.states, *self.others]
        kind = self.draw.random()
        if branches and kind < 0.3:
            lines = [f"{indent}if {self.flag(1, token)}:", *self.block(depth + 1, branches - 1)]
            if self.draw.random() < 0.5:
                lines += [f"{indent}else:", *self.block(depth + 1, branches - 1)]
            return lines
        if kind < 0.45:
            return [f"{indent}{self.draw.choice(names)} {self.draw.choice('+-*')}= {self.value(1, token)}"]
        if kind < 0.6:
            one, other = self.draw.sample(names, 2) if len(set(names)) > 1 else (names[0], "w")
            return [f"{indent}{one}, {other} = {self.value(1, token)}, {self.value(1, token)}"]
        return [f"{indent}{self.draw.choice(names)} = {self.value(2, token)}"]

    def value(self, depth: int, token: str) -> str:
        kind = self.draw.random()
        if depth == 0 or kind < 0.3:
            leaves = [*self.states, *self.states, self.others[0], str(self.draw.randint(-2, 4))]
            leaves += self.numbers(token) * 3 if token else []
            return self.draw.choice(leaves)
        one, other = self.value(depth - 1, token), self.value(depth - 1, token)
        return self.draw.choice([
            f"{one} + {other}", f"({one} - {other})", f"({one}) * ({other})", f"({one}) // {self.draw.randint(1, 4)}",
            f"({one}) % {self.draw.randint(1, 5)}", f"max({one}, {other})", f"min({one}, {other}, 2)", f"abs({one})",
            f"-({one})", f"({one} if {self.flag(0, token)} else {other})", f"int({self.flag(0, token)})",
            f"({self.flag(0, token)}) + ({one})",
        ])  # fmt: skip

    def flag(self, depth: int, token: str) -> str:
        one, other = self.value(depth, token), self.value(depth, token)
        texts = [f"{token} == '1'", f"{token} in ('0', '2')", f"{token} != '3'"] if token and self.inputs == 1 else []
        return self.draw.choice([
            f"{one} {self.draw.choice(['<', '<=', '>', '>=', '==', '!='])} {other}", f"0 <= {one} < 3",
            f"{one} in (0, 2, -1)", f"not {one} > {other}", f"{one} > 0 and {other} < 2", f"{one} == 1 or {other} >= 1",
            *texts,
        ])  # fmt: skip

    def numbers(self, token: str) -> list[str]:
        if self.inputs == 1:
            return [f"int({token})"]
        return [f"int({token}[0])", f"int({token}[2])", f"int({token}.split(',')[1])"]


@settings(max_examples=examples(200))
@given(st.integers(0, 2**40))
def test_what_is_read_answers_as_python_does(seed):
    drawn = Drawn(seed)
    text, alphabet, scope = drawn.text(), ALPHABETS[drawn.inputs], dict[str, Any]()
    try:
        loop = loop_from_text(text, drawn.inputs, alphabet)
    except GrammarError:
        return
    printed = loop.source("again", alphabet)
    loop_from_text(printed, drawn.inputs, alphabet)  # is read back
    exec(text + printed, scope)
    for _ in range(6):
        stream = [drawn.draw.choice(alphabet) for _ in range(drawn.draw.randint(1, 5))]
        numbers = np.array([[[int(number) for number in token.split(",")] for token in stream]])
        try:
            answer = loop.run(numbers)[0, -1]
        except OutgrownError:
            continue
        assert int(scope["f"](stream)) == int(scope["again"](stream)) == answer, (text, stream)


def test_many_drawn_functions_are_read():
    read = 0
    for seed in range(200):
        drawn = Drawn(seed)
        try:
            loop_from_text(drawn.text(), drawn.inputs, ALPHABETS[drawn.inputs])
            read += 1
        except GrammarError:
            pass
    assert read > 30

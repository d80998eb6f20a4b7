"""Python that no grammar prints, as a stranger's certificate may hold it: the checker's machine must say what it says.

Bodies of functions are drawn from shapes of statements and expressions, with loops, folds, neighbours and places, and
names that mean something to the checker. What it refuses is refused; what it follows is compared on every short word.
"""

from __future__ import annotations

import warnings
from itertools import product
from random import Random
from typing import Any

from trial import Outcome

from tasks.checker.files import Rejected, UnreadableError
from tasks.checker.programs import function_of, machine_of

LONGEST, LARGE = 5, 400  # words; letters of a text that grows no more
NAMES = ("s", "t", "token", "place", "before", "x")
SIMPLE = ("0", "1", "2", "3", "'a'", "'b'", "True", "False", "''")
ATOMS = """
tokens
tokens[0]
tokens[-1]
tokens[1:]
tokens[len(tokens) - 1]
len(tokens)
len(set(tokens))
list(tokens)[-1]
sorted(tokens)[0]
max(tokens)
min(tokens)
tokens.count('a')
tokens.count(E)
'a' in tokens
'b' not in tokens
E in tokens
any(E for token in tokens)
sum(E for token in tokens)
sum(E for token in tokens[1:])
sum(E for s in tokens)
sum(E for before, token in zip(tokens, tokens[1:]))
any(E for before, token in zip(tokens, tokens[1:]))
any(E for t, token in zip(tokens, tokens[1:]))
sum(place for place, token in enumerate(tokens) if E)
next((place for place, token in enumerate(tokens) if E), len(tokens))
next((token for token in tokens if E), 'b')
max((place for place, token in enumerate(tokens) if E), default=-1)
max((place for place, token in enumerate(tokens) if E))
all(E for token in tokens)
all(E for before, token in zip(tokens, tokens[1:]))
all(s == t for s, t in zip(tokens, reversed(tokens)))
list(dict.fromkeys(tokens))[0]
tokens[::-1][0]
tokens[::2]
sorted(tokens, key=tokens.count)[0]
min(tokens, key=tokens.index)
max(tokens, key=len)
tokens.index('b')
tokens.index(E)
[token for token in tokens if E]
sum(E for x in range(len(tokens)))
tokens[0].upper()
token.title()
token in {'a', 'c'}
(token, s) in {('a', 0), ('b', True)}
{'a': 1, 'b': 'a'}[token]
{'a': 'b'}.get(token, s)
{('a', 0): 'b', ('b', 'b'): 0}.get((token, s), 'a')
""".strip().splitlines()
SHAPES = """
(E) + (E)
(E) - (E)
(E) * (E)
(E) // 2
(E) % 2
(E) == (E)
(E) != (E)
(E) < (E)
(E) >= (E)
(E) in (E)
(E) and (E)
(E) or (E)
not (E)
-(E)
(E) if (E) else (E)
min((E), (E))
max((E), (E))
int((E))
str((E))
len((E))
((E), (E))
[(E), (E)][(E)]
(E) in {'a', 1}
(E) not in {'b', (0, 'a')}
{'a': 'b', 'b': 'a', 0: 1}.get((E), (E))
{'a': 'b', 'b': 'a', 0: 1}[(E)]
abs((E))
round((E))
round((E), 1)
list(range((E)))
[(E) for token in tokens]
(E)[::-1]
str((E)).upper()
str((E)).startswith((E))
str((E)).isdigit()
str((E)).count((E))
tokens.count((E))
dict.fromkeys((E))
""".strip().splitlines()
LOOP = "s = C; for token in tokens:;     s = E"
BODIES = (
    "return 'x' if E else 'y'",
    "return str(E)",
    "if E:;     return 'x'; return 'y'",
    "x = E; return 'x' if E else str(x)",
    f"{LOOP}; return 'x' if E else 'y'",
    f"t = C; {LOOP};     t = E; return 'x' if E else str(t)",
    f"{LOOP}; t = C; for token in tokens:;     t = E; return 'x' if E else 'y'",
    f"x = E; {LOOP}; return 'x' if E else str(x)",
    "s = C; for token in tokens:;     if E:;         s = E; return 'x' if E else str(s)",
    "s = C; for token in tokens:;     if E:;         s = E;     elif E:;         s = E; return str(s)",
)


class Readings:
    """What other readings of a program give, compared with what Python says."""

    def __init__(self, text: str) -> None:
        self.text, self.tried = text, 0
        self.wrong: list[str] = []

    def compare(self, what: str, on: Any, got: Any, expected: Any) -> None:
        """One comparison; values of other types are other values."""
        self.tried += 1
        if got != expected or type(got) is not type(expected):
            self.wrong.append(f"{what} gives {got!r}, not {expected!r}, on {on!r}")

    @property
    def outcome(self) -> Outcome:
        """All of them."""
        files = {"program.py": self.text.encode()} if self.wrong else {}
        return Outcome(self.tried, self.tried, tuple(self.wrong[:3]), files=files)


def of_a_stranger(choose: Random) -> Outcome:
    """One random text."""
    lines = _grown(choose.choice(BODIES), choose).split("; ")
    text = "\n".join(["def program(tokens):", *(f"    {line.replace(';', '')}" for line in lines), ""])
    found = Readings(text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # of what cannot be called, and the like
            function = function_of(text, ["tokens"])
        counted = [*choose.choice(((), ("a", "b")))]
        machine = machine_of(text, counted)
    except (Rejected, UnreadableError):
        return Outcome(1, 0)
    for word in [word for n in range(1, LONGEST + 1) for word in product("ab", repeat=n)]:
        try:
            state = machine.start
            for token in word:
                state = machine.step(state, token, word[-1])
            answer = machine.answer(state, word[-1])
        except Rejected:
            continue  # the check ends here, with no claim
        try:
            said: Any = function([*word])
        except Exception as error:
            said = type(error)
        found.compare("the checker's machine", "".join(word), answer, said)
        if counted:
            found.compare("its counts", "".join(word), state[:2], (word.count("a"), word.count("b")))
    return found.outcome


def _grown(text: str, choose: Random) -> str:
    """``text`` with random expressions where E stands, and constants where C does."""
    while (at := next((n for n, letter in enumerate(text) if letter in "EC"), -1)) >= 0:
        part = choose.choice(SIMPLE) if text[at] == "C" else _expression(choose, len(text))
        text = text[:at] + part + text[at + 1 :]
    return text


def _expression(choose: Random, size: int) -> str:
    way = choose.random()
    if way < 0.25 or size > LARGE:
        return choose.choice(SIMPLE)
    return choose.choice(NAMES if way < 0.5 else ATOMS if way < 0.75 else SHAPES)

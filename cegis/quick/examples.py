"""Functions given by examples: the smallest term that is right at each, by values alone.

Bottom-up enumeration finds small terms. For texts there are two inverses beside it (Gulwani 2011; Polozov and Gulwani
2015): what follows a known beginning is a text to be found in its turn, and a part of a text is known by the numbers
where it starts and how long it is.
"""

from __future__ import annotations

from cegis.quick.bank import Bank, term_of
from cegis.quick.nodes import CALL, INT, LITERAL, ROW, STRING, BeyondError, Node, node

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from cegis.quick.bank import Entry, Values
    from cegis.quick.reading import Question

MOST_STEPS = 4_000  # terms
MOST_LOOKED_AT = 30_000  # terms, by inverses
MOST_EXAMPLES = 12  # where terms are tried; the answer is run on all
DEEPEST = 3  # beginnings taken off a text
LARGEST = 12  # of an answer by inverses where not all terms are tried that are smaller


def examples_of(question: Question) -> list[tuple[tuple[Any, ...], Any]] | None:
    """Inputs and output of every constraint, if each is ``f(literals) = literal``."""
    found = []
    for constraint in question.constraints:
        if constraint.name != "=" or constraint.kind != ROW:
            return None
        call, value = constraint.arguments if constraint.arguments[0].kind == CALL else constraint.arguments[::-1]
        if call.kind != CALL or value.kind != LITERAL or any(one.kind != LITERAL for one in call.arguments):
            return None
        found.append((tuple(one.value for one in call.arguments), value.value))
    return found or None


def search(question: Question, examples: list[tuple[tuple[Any, ...], Any]]) -> tuple[Node, int]:
    """A term that is right at the examples that are looked at, and how many terms were tried; raises BeyondError."""
    if not question.rules:
        raise BeyondError
    some = examples[:MOST_EXAMPLES]
    points = {
        parameter: tuple(inputs[place] for inputs, _ in some) for place, parameter in enumerate(question.parameters)
    }
    wanted = tuple(output for _, output in some)
    is_text = question.result == STRING
    bank = Bank(question, points, MOST_STEPS, ("ite",) if is_text else ())
    inverses = _Inverses(question, bank) if is_text else None
    found: Node | None = None
    while found is None or found.size > bank.size + 1:
        try:
            bank.grow()
            if wanted in bank.seen[question.start]:
                return term_of(bank.seen[question.start][wanted]), bank.steps
            if inverses is not None and bank.size > 1:
                inverses.numbers.clear()
                found = inverses.text(question.start, wanted, DEEPEST, {}) or found
        except BeyondError:  # too many to be tried: what is found may not be a smallest one
            if found is None or found.size > LARGEST:
                raise
            break
    return found, bank.steps


class _Inverses:
    """Terms with given values, put together from those of a bank."""

    def __init__(self, question: Question, bank: Bank) -> None:
        self.bank, self.left = bank, MOST_LOOKED_AT
        self.joins = self._rules("str.++")
        self.parts = self._rules("str.substr")
        self.sums = [*self._rules("+"), *self._rules("-")]
        self.numbers: dict[tuple[str, Values], Node | None] = {}  # of the bank as it is

    def _rules(self, name: str) -> list[tuple[str, Node, list[str]]]:
        return [
            (nonterminal, rule, used)
            for nonterminal, rules in self.bank.rules.items()
            for rule, _, used in rules
            if rule.name == name and rule.kind == ROW
        ]

    def text(self, name: str, wanted: Values, depth: int, known: dict[Any, Node | None]) -> Node | None:
        """The smallest term of a nonterminal with these texts that is found."""
        key = name, wanted, depth
        if key not in known:
            known[key] = None
            found = self._found(name, wanted)
            candidates = [found] if found else [*self._part(name, wanted), *self._join(name, wanted, depth, known)]
            known[key] = min(candidates, key=lambda term: term.size, default=None)
        return known[key]

    def _found(self, name: str, wanted: Values) -> Node | None:
        entry = self.bank.seen[name].get(wanted)
        return None if entry is None else term_of(entry)

    def _all(self, name: str) -> Iterator[Entry]:
        """The terms of a nonterminal, smallest first; raises BeyondError where enough were looked at."""
        for entries in self.bank.entries[name]:
            for entry in entries:
                self.left -= 1
                if self.left < 0:
                    raise BeyondError
                yield entry

    def _join(self, name: str, wanted: Values, depth: int, known: dict[Any, Node | None]) -> Iterator[Node]:
        for _, rule, (first, second) in [one for one in self.joins if one[0] == name] if depth else ():
            for entry in self._all(first):
                if any(entry[0]) and all(map(str.startswith, wanted, entry[0])):
                    rest = tuple(text[len(start) :] for text, start in zip(wanted, entry[0], strict=True))
                    tail = self.text(second, rest, depth - 1, known)
                    if tail is not None:
                        yield node(ROW, rule.name, rule.sort, (term_of(entry), tail))
            for entry in self._all(second):
                if any(entry[0]) and all(map(str.endswith, wanted, entry[0])):
                    rest = tuple(text[: len(text) - len(end)] for text, end in zip(wanted, entry[0], strict=True))
                    head = self._found(first, rest)
                    if head is not None:
                        yield node(ROW, rule.name, rule.sort, (head, term_of(entry)))

    def _part(self, name: str, wanted: Values) -> Iterator[Node]:
        if not all(wanted):
            return
        lengths = tuple(map(len, wanted))
        for _, rule, (whole, start, length) in [one for one in self.parts if one[0] == name]:
            for entry in self._all(whole):
                places = tuple(map(str.find, entry[0], wanted))
                if min(places) < 0:
                    continue
                begin = self._number(start, places)
                if begin is None:
                    continue
                size = self._number(length, lengths)
                if size is None:
                    if any(
                        place + count < len(text) for place, count, text in zip(places, lengths, entry[0], strict=True)
                    ):
                        continue
                    size = self._long_enough(length, lengths)
                    if size is None:
                        continue
                yield node(ROW, rule.name, STRING, (term_of(entry), begin, size))

    def _long_enough(self, name: str, least: Values) -> Node | None:
        for entry in self._all(name):
            if all(map(int.__ge__, entry[0], least)):
                return term_of(entry)
        return None

    def _number(self, name: str, wanted: Values) -> Node | None:
        """The smallest term with these numbers: one of the bank, or the sum or difference of two."""
        key = name, wanted
        if key not in self.numbers:
            self.numbers[key] = self._found(name, wanted) or self._sum(name, wanted)
        return self.numbers[key]

    def _sum(self, name: str, wanted: Values) -> Node | None:
        best: tuple[Node, Entry, Entry] | None = None
        size = LARGEST
        for nonterminal, rule, used in self.sums:
            if nonterminal != name or len(used) != 2:
                continue
            first, others, is_sum = used[0], self.bank.seen[used[1]], rule.name == "+"
            for entry in self._all(first):
                if entry[3] + 2 >= size:
                    break
                pair = (wanted, entry[0]) if is_sum else (entry[0], wanted)
                other = others.get(tuple(map(int.__sub__, *pair)))
                if other is not None and 1 + entry[3] + other[3] < size:
                    best, size = (rule, entry, other), 1 + entry[3] + other[3]
        return None if best is None else node(ROW, best[0].name, INT, (term_of(best[1]), term_of(best[2])))


def run_text(text: str, name: str, examples: list[tuple[tuple[Any, ...], Any]]) -> bool:
    """Whether the printed function gives every output, when it is run."""
    scope: dict[str, Any] = {}
    exec(text, scope)
    return all(_same(scope[name](*inputs), output) for inputs, output in examples)


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)

"""SyGuS-IF files of the small kind: one function over integers, bit-vectors or strings, and nothing unusual.

Whatever is not understood, or not certainly right, raises ``BeyondError``: ``cegis.sygus.reader`` then reads the file,
or says what is wrong with it. So nothing is refused here, and nothing taken that is refused there.
"""

from __future__ import annotations

from cegis.quick import rows
from cegis.quick.nodes import (
    BOOL,
    CALL,
    DEFINED,
    INT,
    NONTERMINAL,
    ROW,
    STRING,
    VARIABLE,
    BeyondError,
    Node,
    literal,
    node,
    rebuilt,
    subterms,
    width_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

LOGICS = ("BV", "CLIA", "LIA", "PBE_BV", "PBE_SLIA", "QF_BV", "QF_LIA", "QF_SLIA", "SLIA")
BALANCED = ("and", "or", "+", "*", "str.++", "bvand", "bvor", "bvadd", "bvmul", "bvxor", "xor")
LEFT = ("-", "bvsub")
LONGEST = 20_000  # characters of a file
WIDEST = 64  # bits
MOST_DIGITS = 30
MOST_NODES = 2_000  # of a constraint or a definition, written out
SIGNS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789~!@$%^&*_-+=<>.?/")
NOT_NAMES = (
    "true", "false", "let", "forall", "exists", "Constant", "Variable", "InputVariable", "_", "!", "as", "distinct",
    "div", "mod", "concat", "extract", "zero_extend", "sign_extend", "rotate_left", "rotate_right", "repeat",
    "divisible", "to_real", "to_int", "is_int", "par",
)  # fmt: skip


class Definition:
    """A defined function, or constant: ``body`` over ``parameters``, with the calls that the file writes, and without.

    Where it uses a constant, or calls what is asked for, neither is it written nor are calls in it kept.
    """

    __slots__ = ("body", "inlined", "parameters")

    def __init__(self, parameters: tuple[Node, ...], body: Node, inlined: Node) -> None:
        self.parameters, self.body, self.inlined = parameters, body, inlined


class Question:
    """What a file asks: ``function`` so that the ``constraints`` hold for all values of the ``variables``.

    ``rules`` of each nonterminal, ``start`` first; empty where any term of the logic will do. ``invariant`` are the
    bodies before, step and after, over the parameters and their primed copies, where the file says so.
    """

    def __init__(self) -> None:
        self.logic = ""
        self.function = ""
        self.parameters: tuple[Node, ...] = ()
        self.result = ""
        self.variables: list[Node] = []
        self.constraints: list[Node] = []
        self.definitions: dict[str, Definition] = {}
        self.rules: dict[str, tuple[Node, ...]] = {}
        self.start = ""
        self.invariant: tuple[Node, Node, Node] | None = None


def read(text: str) -> Question:
    """The question of a text; raises BeyondError."""
    reading = _Reading()
    for command in _expressions(text):
        reading.command(command)
    if not reading.is_done or not reading.question.function:
        raise BeyondError
    return reading.question


def _expressions(text: str) -> list[Any]:
    """Nested lists of words; a string is the pair of '"' and what it stands for."""
    text = text.replace("\r\n", "\n")
    if not text.isascii() or len(text) > LONGEST or "|" in text or "\\" in text:
        raise BeyondError
    if not text.replace("\n", " ").isprintable():  # a return ends a line as well, and other spaces are none
        raise BeyondError
    if ";" in text:
        lines = text.split("\n")
        if any(";" in line and '"' in line for line in lines):
            raise BeyondError
        text = "\n".join(line.partition(";")[0] for line in lines)
    words: list[Any] = []
    pieces = text.split('"')
    if len(pieces) % 2 == 0:
        raise BeyondError
    for place, piece in enumerate(pieces):
        if place % 2:
            if not piece.isprintable():
                raise BeyondError
            words.append(('"', piece))
        else:
            is_apart = place == 0 or piece.startswith((" ", ")", "\n"))
            if not is_apart or not (place == len(pieces) - 1 or piece.endswith((" ", "(", "\n"))):
                raise BeyondError  # a doubled quote, or a string beside a word
            words += piece.replace("(", " ( ").replace(")", " ) ").split()
    opened: list[list[Any]] = []
    items: list[Any] = []
    for word in words:
        if word == "(":
            opened.append(items)
            items = []
        elif word == ")":
            if not opened or len(opened) > 60:
                raise BeyondError
            opened[-1].append(items)
            items = opened.pop()
        else:
            items.append(word)
    if opened:
        raise BeyondError
    return items


class _Reading:
    """The state of reading one file."""

    def __init__(self) -> None:
        self.question = Question()
        self.is_done = False
        self.names: dict[str, Node] = {}  # variables, defined constants
        self.unwritten: set[str] = set()  # definitions that only constraints may use: nobody prints them

    def command(self, items: Any) -> None:
        """Take one top-level expression."""
        if not isinstance(items, list) or not items or self.is_done:
            raise BeyondError
        question = self.question
        match items:
            case ["set-logic", str(name)] if name in LOGICS and not question.logic:
                question.logic = name
            case ["define-fun", name, list(parameters), sort, body]:
                self._define(self._new(name), parameters, _sort(sort), body)
            case ["declare-var", name, sort]:
                self._declare(self._new(name), _sort(sort))
            case ["synth-fun", name, list(parameters), sort, *grammar] if len(grammar) in (0, 2):
                self._synthesize(self._new(name), parameters, _sort(sort), grammar)
            case ["synth-inv", name, list(parameters)]:
                self._synthesize(self._new(name), parameters, BOOL, [])
            case ["constraint", body]:
                self._constrain(self._term(body, self.names))
            case ["inv-constraint", *names]:
                self._invariant(names)
            case ["check-synth"]:
                self.is_done = True
            case _:
                raise BeyondError
        if items[0] != "set-logic" and not question.logic:
            raise BeyondError

    def _new(self, name: Any) -> str:
        """The name that a command declares, unless it is taken, or not a plain one."""
        taken = (*self.names, *self.question.definitions, self.question.function, *NOT_NAMES)
        if not _is_symbol(name) or name in taken or name.startswith(("str.", "bv", "re.", "int", "ubv", "sbv")):
            raise BeyondError
        for sorts in (("Bool",), ("Bool", "Bool"), (INT,), (INT, INT)):
            if rows.find(name, sorts):
                raise BeyondError
        if name == "ite":
            raise BeyondError
        return str(name)

    def _declare(self, name: str, sort: str) -> None:
        self.names[name] = node(VARIABLE, name, sort)
        self.question.variables.append(self.names[name])

    def _parameters(self, entries: Sequence[Any]) -> tuple[Node, ...]:
        found: dict[str, Node] = {}
        for entry in entries:
            match entry:
                case [name, sort] if _is_symbol(name) and name not in (*found, *NOT_NAMES, *self.question.definitions):
                    found[name] = node(VARIABLE, name, _sort(sort))
                case _:
                    raise BeyondError
        return tuple(found.values())

    def _define(self, name: str, entries: Sequence[Any], sort: str, text: Any) -> None:
        parameters = self._parameters(entries)
        scope = {parameter.name: parameter for parameter in parameters}
        is_written = bool(parameters) and {self.question.function, *self.unwritten}.isdisjoint(_words(text))
        body = self._term(text, scope, is_kept=is_written)
        if body.sort != sort:
            raise BeyondError
        if not is_written:
            self.unwritten.add(name)
        inlined = self._inlined(body)
        if inlined.size > MOST_NODES:  # small as it is written, it may be large
            raise BeyondError
        self.question.definitions[name] = Definition(parameters, body, inlined)

    def _inlined(self, term: Node) -> Node:
        """``term`` without calls of defined functions."""
        arguments = tuple(map(self._inlined, term.arguments))
        if term.kind == DEFINED:
            definition = self.question.definitions[term.name]
            return rebuilt(definition.inlined, dict(zip(definition.parameters, arguments, strict=True)))
        return term if arguments == term.arguments else node(term.kind, term.name, term.sort, arguments, term.value)

    def _synthesize(self, name: str, entries: Sequence[Any], sort: str, grammar: Sequence[Any]) -> None:
        question = self.question
        if question.function:
            raise BeyondError
        question.function, question.parameters, question.result = name, self._parameters(entries), sort
        if grammar:
            self._grammar(grammar)

    def _grammar(self, grammar: Sequence[Any]) -> None:
        question, declared, listed = self.question, *grammar
        scope = {parameter.name: parameter for parameter in question.parameters}
        sorts: dict[str, str] = {}
        for entry in listed:
            match entry:
                case [name, sort, list()] if _is_symbol(name) and name not in (*scope, *sorts, *NOT_NAMES):
                    if name in question.definitions or rows.find(name, (INT, INT)):
                        raise BeyondError
                    sorts[name] = _sort(sort)
                case _:
                    raise BeyondError
        given = [(entry[0], _sort(entry[1])) for entry in declared if isinstance(entry, list) and len(entry) == 2]
        if given != list(sorts.items()) or len(given) != len(declared) or not sorts:
            raise BeyondError
        question.start = next(iter(sorts))
        if sorts[question.start] != question.result:
            raise BeyondError
        scope |= {name: node(NONTERMINAL, name, sort) for name, sort in sorts.items()}
        for name, _, texts in listed:
            found = [self._term(text, scope, is_kept=True, is_rule=True) for text in texts]
            if not found or any(rule.sort != sorts[name] for rule in found):
                raise BeyondError
            question.rules[name] = tuple(dict.fromkeys(found))
            for rule in found:
                if any(argument.kind != NONTERMINAL for argument in rule.arguments):
                    raise BeyondError

    def _constrain(self, term: Node) -> None:
        if term.sort != BOOL or term.size > MOST_NODES or self.question.invariant is not None:
            raise BeyondError
        self.question.constraints.append(term)

    def _invariant(self, names: Sequence[Any]) -> None:
        question = self.question
        if len(names) != 4 or names[0] != question.function or question.variables or question.result != BOOL:
            raise BeyondError
        if question.constraints or not question.parameters:
            raise BeyondError
        now = question.parameters
        then = tuple(node(VARIABLE, f"{one.name}!", one.sort) for one in now)
        if {one.name for one in then} & {one.name for one in now}:
            raise BeyondError
        bodies = []
        for name, given in zip(names[1:], (now, now + then, now), strict=True):
            if not isinstance(name, str) or name not in question.definitions:
                raise BeyondError
            definition = question.definitions[name]
            if [one.sort for one in definition.parameters] != [one.sort for one in given]:
                raise BeyondError
            if definition.body.sort != BOOL:
                raise BeyondError
            bodies.append(rebuilt(definition.inlined, dict(zip(definition.parameters, given, strict=True))))
        before, step, after = bodies
        if any(inner.kind == CALL for body in bodies for inner in subterms(body)):
            raise BeyondError
        for one in now + then:
            if one.name in self.names:
                raise BeyondError
            self._declare(one.name, one.sort)
        first, second = self._call(now), self._call(then)
        for body, head in ((before, first), (_apply("and", first, step), second), (first, after)):
            question.constraints.append(_apply("=>", body, head))
        question.invariant = before, step, after

    def _call(self, arguments: tuple[Node, ...]) -> Node:
        question = self.question
        if [one.sort for one in arguments] != [one.sort for one in question.parameters]:
            raise BeyondError
        return node(CALL, question.function, question.result, arguments)

    # --- terms --------------------------------------------------------------------------------------------------

    def _term(self, text: Any, scope: dict[str, Node], is_kept: bool = False, is_rule: bool = False) -> Node:
        """A term; calls of defined functions are written out unless they are to be ``kept``."""
        if isinstance(text, tuple):
            return literal(text[1], STRING)
        if isinstance(text, str):
            if text in scope:
                return scope[text]
            if text in self.unwritten and not is_kept and not self.question.definitions[text].parameters:
                return self.question.definitions[text].inlined
            return _constant(text)
        match text:
            case ["_", str(value), str(width)] if value[:2] == "bv" and value[2:].isdecimal() and width.isdecimal():
                sort, number = _sort(["_", "BitVec", width]), _number(value[2:])
                if number >> width_of(sort):
                    raise BeyondError
                return literal(number, sort)
            case ["-", str(digits)] if digits.isdecimal():
                return literal(-_number(digits), INT)
            case [["_", *words], *parts] if parts and all(isinstance(word, str) for word in words):
                name = f"(_ {' '.join(words)})"
            case [str(name), *parts] if parts:
                pass
            case _:
                raise BeyondError
        arguments = tuple(self._term(part, scope, is_kept, is_rule) for part in parts)
        if name in scope:
            raise BeyondError
        if name in self.question.definitions:
            definition = self.question.definitions[name]
            if [one.sort for one in arguments] != [one.sort for one in definition.parameters]:
                raise BeyondError
            if is_kept and name in self.unwritten:
                raise BeyondError
            if is_kept:
                return node(DEFINED, name, definition.body.sort, arguments)
            written = rebuilt(definition.inlined, dict(zip(definition.parameters, arguments, strict=True)))
            if written.size > MOST_NODES:
                raise BeyondError
            return written
        if name == self.question.function and not is_kept:
            return self._call(arguments)
        return _applied(name, arguments, is_rule)


def _applied(name: str, arguments: tuple[Node, ...], is_rule: bool) -> Node:
    """An application over rows of at most three arguments; longer ones as ``cegis.sygus.applications`` has them."""
    if len(arguments) > 2 and name != "ite" and not name.startswith("str."):
        if is_rule:
            raise BeyondError
        if name in BALANCED:
            half = (len(arguments) + 1) // 2
            first = arguments[0] if half == 1 else _applied(name, arguments[:half], False)
            rest = arguments[half:]
            return _apply(name, first, rest[0] if len(rest) == 1 else _applied(name, rest, False))
        if name in LEFT:
            return _applied(name, (_apply(name, *arguments[:2]), *arguments[2:]), False)
        if name == "=>":
            return _apply("=>", arguments[0], _applied(name, arguments[1:], False))
        raise BeyondError
    return _apply(name, *arguments)


def _apply(name: str, *arguments: Node) -> Node:
    found = rows.find(name, tuple(argument.sort for argument in arguments))
    if found is None:
        raise BeyondError
    return node(ROW, name, found[0], arguments)


def _constant(text: str) -> Node:
    if text in ("true", "false"):
        return literal(text == "true", BOOL)
    digits = text[1:] if text[0] == "-" else text
    if digits.isdecimal():
        return literal(_number(digits) * (1 if digits is text else -1), INT)
    if text[:2] in ("#x", "#b"):
        base = 16 if text[1] == "x" else 2
        width = len(text[2:]) * (4 if base == 16 else 1)
        if 1 <= width <= WIDEST and all(
            letter in "0123456789abcdefABCDEF"[: 22 if base == 16 else 2] for letter in text[2:]
        ):
            return literal(int(text[2:], base), f"(_ BitVec {width})")
    raise BeyondError


def _number(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise BeyondError
    return int(digits)


def _sort(text: Any) -> str:
    if text in (BOOL, INT, STRING):
        return str(text)
    match text:
        case ["_", "BitVec", str(width)] if width.isdecimal() and 1 <= _number(width) <= WIDEST:
            return f"(_ BitVec {_number(width)})"
    raise BeyondError


def _is_symbol(name: Any) -> bool:
    return (
        isinstance(name, str)
        and not name[0].isdecimal()
        and not name.startswith(("-", ":", "#"))
        and SIGNS.issuperset(name)
    )


def _words(text: Any) -> list[Any]:
    if isinstance(text, list):
        return [word for part in text for word in _words(part)]
    return [text]

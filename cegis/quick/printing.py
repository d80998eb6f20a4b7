"""Answers as text: the same Python function that ``dsl.function`` prints, without parsing any Python.

An expression is its text, how tightly it binds, and its binary operator if it is one; brackets stand where
``ast.unparse`` and ``dsl.text.spaced`` put them. What is not printed alike (a long line, a name that needs care) raises
``BeyondError``. ``tests/unit/cegis/test_quick_rows.py`` compares the two printers.
"""

from __future__ import annotations

import builtins
import keyword

from cegis.quick.nodes import (
    BOOL,
    DEFINED,
    LITERAL,
    ROW,
    STRING,
    VARIABLE,
    BeyondError,
    Node,
    subterms,
    text_of,
    width_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cegis.quick.reading import Definition

    Piece = tuple[str, int, str]

TEST, OR, AND, NOT, COMPARE, BITOR, BITXOR, BITAND, SHIFT, SUM, PRODUCT, SIGN, ATOM = range(13)
INFIX = {
    "+": ("+", SUM), "-": ("-", SUM), "*": ("*", PRODUCT), "str.++": ("+", SUM),
    "bvand": ("&", BITAND), "bvor": ("|", BITOR), "bvxor": ("^", BITXOR), "bvlshr": (">>", SHIFT),
}  # fmt: skip
COMPARED = {
    "<=": "<=", "<": "<", ">=": ">=", ">": ">", "=": "==", "xor": "!=",
    "bvult": "<", "bvule": "<=", "bvugt": ">", "bvuge": ">=",
}  # fmt: skip
SIGNED = {"bvslt": "<", "bvsle": "<=", "bvsgt": ">", "bvsge": ">="}
MASKED = {"bvadd": ("+", SUM), "bvsub": ("-", SUM), "bvmul": ("*", PRODUCT)}
SIGNED_TEXT = "def signed(x, width):\n    return x - (x >> (width - 1) << width)\n"
HELPERS = {
    "=>": {"implies": "def implies(x, y):\n    return not x or y\n"},
    "bvudiv": {"bvudiv": "def bvudiv(x, y, width):\n    return x // y if y else (1 << width) - 1\n"},
    "bvurem": {"bvurem": "def bvurem(x, y):\n    return x % y if y else x\n"},
    "bvsdiv": {
        "signed": SIGNED_TEXT,
        "bvsdiv": """def bvsdiv(x, y, width):
    x, y = signed(x, width), signed(y, width)
    if y == 0:
        return (1 << width) - 1 if x >= 0 else 1
    quotient = abs(x) // abs(y)
    return (quotient if (x < 0) == (y < 0) else -quotient) & ((1 << width) - 1)
""",
    },
    "bvsrem": {
        "signed": SIGNED_TEXT,
        "bvsrem": """def bvsrem(x, y, width):
    x, y = signed(x, width), signed(y, width)
    rest = abs(x) % abs(y) if y else abs(x)
    return (rest if x >= 0 else -rest) & ((1 << width) - 1)
""",
    },
    **{name: {"signed": SIGNED_TEXT} for name in ("bvashr", *SIGNED)},
    "str.at": {
        "char_at": 'def char_at(text, place):\n    return text[place] if 0 <= place < len(text) else ""\n',
    },
    "str.substr": {
        "substr": "def substr(text, start, length):\n"
        '    return text[start:start + length] if 0 <= start < len(text) and length > 0 else ""\n',
    },
    "str.indexof": {
        "indexof": "def indexof(text, part, start):\n"
        "    return text.find(part, start) if 0 <= start <= len(text) else -1\n",
    },
    "str.to_int": {
        "to_int": "def to_int(text):\n    return int(text) if text.isascii() and text.isdigit() else -1\n",
    },
    "str.from_int": {"from_int": 'def from_int(number):\n    return str(number) if number >= 0 else ""\n'},
}
NOUNS = {
    "+": "total", "*": "product", "abs": "distance", "ite": "choice", "str.++": "text", "str.len": "length",
    "str.at": "character", "str.substr": "part", "str.indexof": "place", "str.replace": "text", "str.to_int": "number",
    "str.from_int": "text",
}  # fmt: skip
RESERVED = (
    "token", "tokens", "bvsdiv", "bvsmod", "bvsrem", "bvudiv", "bvurem", "char_at", "concat", "div", "extract",
    "from_code", "from_int", "implies", "indexof", "is_digit", "mod", "ratio", "replace_all", "rotate_left",
    "rotate_right", "signed", "substr", "to_code", "to_int",
)  # fmt: skip
LONGEST, LONGEST_RETURN = 96, 84  # columns of a line, and of the conditional that a return may hold


def define_fun(name: str, parameters: Sequence[Node], body: Node) -> str:
    """The answer in SyGuS-IF."""
    listed = " ".join(f"({one.name} {one.sort})" for one in parameters)
    return f"(define-fun {name} ({listed}) {body.sort} {text_of(body)})"


def source(name: str, parameters: Sequence[Node], body: Node, definitions: Mapping[str, Definition]) -> str:
    """The answer as a Python function, below the functions that it calls."""
    called = _called(body, definitions)
    names = [identifier(one.name) for one in parameters]
    if {identifier(name), *names} & called.keys():
        raise BeyondError
    return "\n\n".join([*called.values(), _function(identifier(name), parameters, body, definitions)])


def identifier(name: str) -> str:
    """A Python identifier for a SyGuS name, as ``dsl.scalars.identifier``."""
    if "_u" in name:
        raise BeyondError  # may have to be told apart from a character's code
    text = "".join(
        letter if letter.isalpha() or letter == "_" or (letter.isdecimal() and place) else f"_u{ord(letter):x}_"
        for place, letter in enumerate(name)
    )
    stem = text.rstrip("_")
    if not stem or (stem[0] == "_" and stem[1:].isdecimal()):
        raise BeyondError
    return f"{text}_" if keyword.iskeyword(stem) or hasattr(builtins, stem) or stem in RESERVED else text


def _called(body: Node, definitions: Mapping[str, Definition]) -> dict[str, str]:
    """The functions that the text calls, by name, each below those it calls itself."""
    found: dict[str, str] = {}
    for inner in subterms(body):
        texts = dict(HELPERS.get(inner.name, {})) if inner.kind == ROW else {}
        if inner.kind == DEFINED:
            definition, name = definitions[inner.name], identifier(inner.name)
            texts = _called(definition.body, definitions)
            if name in texts or name in [identifier(one.name) for one in definition.parameters]:
                raise BeyondError
            texts[name] = _function(name, definition.parameters, definition.body, definitions)
        for name, text in texts.items():
            if found.setdefault(name, text) != text:
                raise BeyondError
    return found


def _function(name: str, parameters: Sequence[Node], body: Node, definitions: Mapping[str, Definition]) -> str:
    types = {BOOL: "bool", STRING: "str"}
    listed = ", ".join(f"{identifier(one.name)}: {types.get(one.sort, 'int')}" for one in parameters)
    head = f"def {name}({listed}) -> {types.get(body.sort, 'int')}:"
    taken = {*(identifier(one.name) for one in parameters), *_called(body, definitions)}
    lines = _Printer(body, taken).returned(body)
    if any(len(line) > LONGEST for line in lines):
        raise BeyondError
    return "\n".join([head, *(f"    {line}" for line in lines)]) + "\n"


class _Printer:
    """The statements of one function; ``names`` are those of values that stand in it more than once."""

    def __init__(self, body: Node, taken: set[str]) -> None:
        self.statements: list[str] = []
        self.names: dict[Node, str] = {}
        self.taken = taken
        counts: dict[Node, int] = {}
        for inner in subterms(body):
            for argument in inner.arguments:
                counts[argument] = counts.get(argument, 0) + 1
        self.shared = {inner for inner, times in counts.items() if times > 1 and _noun(inner)}
        nouns = [_noun(inner) for inner in self.shared]
        if len(set(nouns)) < len(nouns) and any(inner.sort == STRING for inner in subterms(body)):
            raise BeyondError  # told apart by the texts they speak of

    def returned(self, term: Node) -> list[str]:
        """The lines that return ``term``: early returns down the chain of conditionals."""
        chosen: list[str] = []
        while _is_choice(term) and _is_choice(term.arguments[2]):
            condition, value, term = term.arguments
            chosen += [f"if {self.piece(condition)[0]}:", f"    return {self.piece(value)[0]}"]
        last = [f"return {self.piece(term)[0]}"]
        if _is_choice(term) and len(last[0]) > LONGEST_RETURN:
            test, then, otherwise = (self.piece(argument)[0] for argument in term.arguments)
            last = [f"if {test}:", f"    return {then}", f"return {otherwise}"]
        return [*self.statements, *chosen, *last]

    def piece(self, term: Node) -> Piece:
        """The expression of a term; values it needs before it become statements."""
        if term in self.names:
            return self.names[term], ATOM, ""
        made = _applied(term, [self.piece(argument) for argument in term.arguments])
        if term not in self.shared:
            return made
        noun = _noun(term)
        taken = {*self.taken, *self.names.values()}
        number = 1
        while (name := noun if number == 1 else f"{noun}_{number}") in taken:
            number += 1
        self.names[term] = name
        self.statements.append(f"{name} = {made[0]}")
        return name, ATOM, ""


def _noun(term: Node) -> str:
    """What a variable is called that holds the value of a row; "" for what gets no name."""
    if term.kind != ROW:
        return ""
    if term.name == "-":
        return "difference" if len(term.arguments) == 2 else "opposite"
    return NOUNS.get(term.name) or ("flag" if term.sort == BOOL else "word")


def _is_choice(term: Node) -> bool:
    return term.kind == ROW and term.name == "ite"


def _applied(term: Node, parts: list[Piece]) -> Piece:
    """The expression of a row with those of its arguments."""
    name, width = term.name, width_of(term.sort)
    if term.kind == LITERAL:
        is_hexadecimal = width and term.value > 9
        text = f"0x{term.value:X}" if is_hexadecimal else repr(term.value)
        return text, SIGN if text[0] == "-" else ATOM, ""
    if term.kind == VARIABLE:
        return identifier(name), ATOM, ""
    if term.kind == DEFINED:
        return _call(identifier(name), parts)
    if term.kind != ROW:
        raise BeyondError
    ones = f"0x{2**width - 1:X}", ATOM, ""
    match name, parts:
        case "-", [one]:
            return f"-{_closed(one, SIGN)}", SIGN, ""
        case "ite", [test, then, otherwise]:
            text = f"{_closed(then, OR)} if {_closed(test, OR)} else {_closed(otherwise, TEST)}"
            return text, TEST, ""
        case "not", [one]:
            return f"not {_closed(one, NOT)}", NOT, ""
        case (("and" | "or"), [left, right]):
            return _joined(name, left, right)
        case "bvnot", [one]:
            return _infix("&", BITAND, (f"~{_closed(one, SIGN)}", SIGN, ""), ones)
        case "bvneg", [one]:
            return _infix("&", BITAND, (f"-{_closed(one, SIGN)}", SIGN, ""), ones)
        case (("bvudiv" | "bvsdiv" | "bvsrem"), _):
            return _call(name, [*parts, (str(width), ATOM, "")])
        case "bvshl", [one, places]:
            least = _call("min", [places, (str(width), ATOM, "")])
            return _infix("&", BITAND, _infix("<<", SHIFT, one, least), ones)
        case "bvashr", [one, places]:
            signed = _call("signed", [one, (str(width), ATOM, "")])
            return _infix("&", BITAND, _infix(">>", SHIFT, signed, places), ones)
        case "str.replace", [whole, old, new]:
            return f"{_closed(whole, ATOM)}.replace({old[0]}, {new[0]}, 1)", ATOM, ""
        case (("str.prefixof" | "str.suffixof"), [old, whole]):
            method = "startswith" if name == "str.prefixof" else "endswith"
            return f"{_closed(whole, ATOM)}.{method}({old[0]})", ATOM, ""
        case "str.contains", [whole, old]:
            return f"{_closed(old, BITOR)} in {_closed(whole, BITOR)}", COMPARE, ""
        case _, [left, right] if name in MASKED:
            return _infix("&", BITAND, _infix(*MASKED[name], left, right), ones)
        case _, [left, right] if name in INFIX:
            return _infix(*INFIX[name], left, right)
        case _, [left, right] if name in COMPARED:
            return f"{_closed(left, BITOR)} {COMPARED[name]} {_closed(right, BITOR)}", COMPARE, ""
        case _, [left, right] if name in SIGNED:
            bits = str(width_of(term.arguments[0].sort)), ATOM, ""
            return f"{_call('signed', [left, bits])[0]} {SIGNED[name]} {_call('signed', [right, bits])[0]}", COMPARE, ""
    calls = {"abs": "abs", "str.len": "len", "=>": "implies", "bvurem": "bvurem"}
    if name in calls:
        return _call(calls[name], parts)
    if name in HELPERS and len(HELPERS[name]) == 1:
        return _call(next(iter(HELPERS[name])), parts)
    raise BeyondError


def _call(name: str, parts: Sequence[Piece]) -> Piece:
    return f"{name}({', '.join(part[0] for part in parts)})", ATOM, ""


def _closed(part: Piece, least: int) -> str:
    """The text of an expression, in brackets where it binds less than that."""
    return part[0] if part[1] >= least else f"({part[0]})"


def _infix(sign: str, tightness: int, left: Piece, right: Piece) -> Piece:
    """A binary operator; beside a bitwise one any other binary operator has brackets."""
    texts = []
    for part, least in ((left, tightness), (right, tightness + 1)):
        is_foreign = tightness <= SHIFT and part[2] not in ("", sign)
        texts.append(f"({part[0]})" if is_foreign else _closed(part, least))
    return f"{texts[0]} {sign} {texts[1]}", tightness, sign


def _joined(name: str, left: Piece, right: Piece) -> Piece:
    """A conjunction or disjunction: one like it to the left has no brackets, nor has a negation to the right."""
    tightness = AND if name == "and" else OR
    first = left[0] if left[2] == name else _closed(left, tightness + 1)
    second = _closed(right, NOT if right[1] == NOT else tightness + 2)
    return f"{first} {name} {second}", tightness, name

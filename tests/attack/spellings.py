"""Random SyGuS problems in many words: what a file may say, and how, whether it has a solution or not.

Sorts, definitions that take names again, parameters in another order than variables, ``let`` that shadows, chains,
quoted names, comments with brackets in them, literals of every kind, grammars with nested rules, literals that are two
words, and constants of any kind, assumptions, clauses, loops, settings that change nothing. A hidden function gives
most constraints, so that there mostly is a solution; a file with another constraint beside them may have none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from random import Random

import z3

INT, BOOL, STRING = "Int", "Bool", "String"
NAMES = ("x", "y", "z", "a", "b", "n!", "_k", "s.1", "x'"[:1], "len")
LETTERS = ("", "a", "b", "ab", " ", "a b", '""', "-", "7", "12", "(", ";")
COMMENTS = ("; (constraint false)", '; "', ";;", "; )", "; a |")
RELATED = {
    INT: ("<", "<=", ">", ">=", "=", "distinct"),
    BOOL: ("=", "xor", "=>", "distinct"),
    STRING: ("=", "distinct", "str.prefixof", "str.suffixof", "str.contains"),
}
WORD_RELATED = ("=", "distinct", "bvult", "bvule", "bvugt", "bvuge", "bvslt", "bvsle", "bvsgt", "bvsge")
WORD_BINARY = (
    "bvadd", "bvsub", "bvmul", "bvand", "bvor", "bvxor", "bvudiv", "bvurem", "bvsdiv", "bvsrem", "bvshl", "bvlshr",
    "bvashr",
)  # fmt: skip
CHAINED = ("<", "<=", ">", ">=", "=", "distinct", "and", "or", "xor", "=>", "+", "-", "bvadd", "bvand", "bvor", "bvxor")
Signature = tuple[str, tuple[str, ...], str]  # name, sorts of arguments, sort
NAME = re.compile(r"(?<![^\s()])[^\s()\"]+(?![^\s()])")
Scope = Mapping[str, str]  # names and their sorts


class Spelling:
    """Terms of one theory, spelled at random; ``calls`` are the functions that may be applied."""

    def __init__(self, choose: Random) -> None:
        self.choose = choose
        width = choose.choice((1, 3, 4, 8))
        self.theory = choose.choice(("integers", "integers", "integers", "words", "texts"))
        word = f"(_ BitVec {width})"
        self.sorts = {"integers": (INT, INT, BOOL), "words": (word, word, BOOL), "texts": (STRING, INT)}[self.theory]
        self.is_plain = choose.random() < 0.7  # no word that few files have
        self.divides = not self.is_plain and self.theory == "integers" and choose.random() < 0.5
        self.width = width
        self.logic = {"integers": "NIA" if self.divides else "LIA", "words": "BV", "texts": "SLIA"}[self.theory]

    def odds(self, chance: float) -> bool:
        """Whether it happens."""
        return self.choose.random() < chance

    def literal(self, sort: str) -> str:
        """A constant."""
        choose = self.choose
        if sort == BOOL:
            return choose.choice(("true", "false"))
        if sort == INT:
            value = choose.choice((0, 0, 1, 1, 2, 3, 7, 20, 10**6))
            return f"(- {value})" if value and self.odds(0.3) else str(value)
        if sort == STRING:
            return f'"{choose.choice(LETTERS)}"'
        value = choose.choice((0, 1, 2, 5, 2**self.width - 1)) % 2**self.width
        spelled = [f"#b{value:0{self.width}b}", f"(_ bv{value} {self.width})"]
        spelled += [f"#x{value:0{self.width // 4}{choose.choice('xX')}}"] if self.width % 4 == 0 else []
        return choose.choice(spelled)

    def term(self, sort: str, scope: Scope, depth: int, calls: Sequence[Signature] = ()) -> str:
        """A term over the names of ``scope``."""
        leaves = [name for name, known in scope.items() if known == sort]
        if depth <= 0 or self.odds(0.15):
            if leaves and self.odds(0.8):
                name = self.choose.choice(leaves)
                return f"|{name}|" if not self.is_plain and self.odds(0.05) else name
            return self.literal(sort)
        if not self.is_plain and self.odds(0.1):
            return self._let(sort, scope, depth, calls)
        if sort == BOOL and self.theory == "words" and self.odds(0.2):
            return self._parts(scope, depth, calls)
        fitting = [call for call in calls if call[2] == sort]
        if fitting and self.odds(0.3):
            return self._applied(self.choose.choice(fitting), scope, depth, calls)
        name, sorts = self.operator(sort)
        return f"({name} {' '.join(self.term(one, scope, depth - 1, calls) for one in sorts)})"

    def _applied(self, call: Signature, scope: Scope, depth: int, calls: Sequence[Signature]) -> str:
        name, sorts, _ = call
        parts = [self.term(one, scope, depth - 2, calls) for one in sorts]
        return f"({name} {' '.join(parts)})"

    def _parts(self, scope: Scope, depth: int, calls: Sequence[Signature]) -> str:
        """A relation of words of another width."""
        last = self.choose.randrange(self.width)
        head = self.choose.choice(
            (f"(_ extract {last} {self.choose.randint(0, last)})", "(_ zero_extend 1)", "(_ sign_extend 3)", "concat")
        )
        parts = [
            " ".join(self.term(self.sorts[0], scope, depth - 1, calls) for _ in range(1 + (head == "concat")))
            for _ in range(2)
        ]
        return f"({self.choose.choice(WORD_RELATED)} ({head} {parts[0]}) ({head} {parts[1]}))"

    def _let(self, sort: str, scope: Scope, depth: int, calls: Sequence[Signature]) -> str:
        """Names that are bound at once, so that a value speaks of what they meant before."""
        bound = {self.choose.choice([*scope, "v", "w"]): self.choose.choice(self.sorts) for _ in range(2)}
        values = [f"({name} {self.term(one, scope, depth - 1, calls)})" for name, one in bound.items()]
        return f"(let ({' '.join(values)}) {self.term(sort, {**scope, **bound}, depth - 1, calls)})"

    def _is_said(self, name: str) -> bool:
        return not (self.is_plain and name == "distinct")

    def operator(self, sort: str) -> tuple[str, list[str]]:
        choose, more = self.choose, 3 if self.odds(0.2) else 2
        if self.odds(0.15):
            return "ite", [BOOL, sort, sort]
        if sort == BOOL:
            if self.odds(0.5):
                name = choose.choice(("and", "or", "not", "=>", "xor", "="))
                return name, [BOOL] * (1 if name == "not" else more)
            one = choose.choice(self.sorts)
            name = choose.choice([name for name in RELATED.get(one, WORD_RELATED) if self._is_said(name)])
            return name, [one] * (more if name in CHAINED and not self.is_plain else 2)
        if sort == INT:
            names = ["+", "-", "+", "-", "neg", "*", "abs"]
            names += ["str.len", "str.indexof", "str.to_int"] if self.theory == "texts" else []
            names += ["div", "mod"] if self.divides else []
            name = choose.choice(names)
            known = {"neg": ("-", [INT]), "abs": ("abs", [INT]), "str.len": (name, [STRING]),
                     "str.indexof": (name, [STRING, STRING, INT]), "str.to_int": (name, [STRING])}  # fmt: skip
            if name in ("*", "div", "mod"):
                return f"{name} {self.literal(INT)}" if name == "*" else name, [INT] if name == "*" else [INT, INT]
            return known.get(name, (name, [INT] * more))
        if sort == STRING:
            name = choose.choice(("str.++", "str.++", "str.at", "str.substr", "str.replace", "str.from_int"))
            return name, {"str.at": [STRING, INT], "str.substr": [STRING, INT, INT], "str.replace": [STRING] * 3,
                          "str.from_int": [INT]}.get(name, [STRING] * more)  # fmt: skip
        name = choose.choice((*WORD_BINARY, "bvnot", "bvneg"))
        return name, [sort] * (1 if name in ("bvnot", "bvneg") else more if name in CHAINED else 2)


def spelled(choose: Random) -> str:
    """The text of one file."""
    return _File(Spelling(choose)).text()


class _File:
    """What is said so far, and in whose words."""

    def __init__(self, words: Spelling) -> None:
        self.words, self.choose = words, words.choose
        self.lines = [f"(set-logic {words.logic})"]
        self.defined: list[Signature] = []

    def text(self) -> str:
        """The whole file."""
        words, choose = self.words, self.choose
        if not words.is_plain and words.odds(0.3):
            self.lines.append(choose.choice(("(set-info :status sat)", "(set-feature :grammars true)")))
        for number in range(choose.choice((0, 0, 1, 2))):
            self.defined.append(self._definition(f"d{number}"))
        if words.theory == "integers" and not words.divides and words.odds(0.2):
            self._loop()
        else:
            self._function()
        lines = [line for command in self.lines for line in self._spaced(command)]
        return choose.choice(("\n", "\n", "\r\n")).join([*lines, "(check-synth)", ""])

    def _spaced(self, command: str) -> list[str]:
        comment = self.choose.choice(COMMENTS) if self.words.odds(0.08) else ""
        return [f"{command} {comment}"] if '"' not in command or self.words.odds(0.5) else [comment, command]

    def _definition(self, name: str) -> Signature:
        words = self.words
        names = self.choose.sample(sorted(set(NAMES)), self.choose.randint(1, 3))
        scope = {one: self.choose.choice(words.sorts) for one in names}
        sort = self.choose.choice(words.sorts)
        body = words.term(sort, scope, self.choose.randint(0, 2), self.defined)
        self.lines.append(f"(define-fun {name} ({_listed(scope)}) {sort} {body})")
        return name, tuple(scope.values()), sort

    # --- a function -----------------------------------------------------------------------------------------------

    def _function(self) -> None:
        words, choose = self.words, self.choose
        parameters = {
            name: choose.choice(words.sorts) for name in choose.sample(sorted(set(NAMES)), choose.randint(1, 3))
        }
        sort = choose.choice(words.sorts)
        hidden = words.term(sort, parameters, choose.randint(1, 2))
        asked: Signature = ("f", tuple(parameters.values()), sort)
        grammar = self._grammar(parameters, sort) if words.odds(0.5) else ""
        self.lines.append(f"(synth-fun f ({_listed(parameters)}) {sort}{grammar})")
        if words.odds(0.3):
            self._examples(parameters, hidden, sort)
            return
        names = choose.sample(sorted(set(NAMES)), len(parameters))
        if words.odds(0.3):
            names = choose.sample(sorted(parameters), len(parameters))
        variables = dict(zip(names, parameters.values(), strict=True))
        if words.odds(0.3):
            variables["other"] = choose.choice(words.sorts)
        self.lines += [f"(declare-var {name} {one})" for name, one in _mixed(choose, variables.items())]
        if not words.is_plain and words.odds(0.2):
            self.lines.append(f"(assume {words.term(BOOL, variables, 1)})")
        call, meant = f"(f {' '.join(names)})", self._put(hidden, dict(zip(parameters, names, strict=True)))
        asked_too = [asked]
        if not words.is_plain and words.odds(0.3):
            asked_too.append(self._second(variables))
        for number in range(choose.choice((1, 1, 1, 2, 3))):
            said = self._constraint(call, meant, asked, variables, hidden, parameters)
            is_named = not words.is_plain and words.odds(0.1)
            self.lines.append(f"(constraint {f'(! {said} :named c{number})' if is_named else said})")
        if words.odds(0.15):
            self.lines.append(f"(constraint {words.term(BOOL, variables, 2, asked_too)})")
        if not words.is_plain and words.odds(0.2):
            self.lines.append(
                f"(chc-constraint ({_listed(variables)}) {words.term(BOOL, variables, 1)} (= {call} {call}))"
            )

    def _second(self, variables: Scope) -> Signature:
        """Another function, of one argument, and what it is."""
        words, choose = self.words, self.choose
        name, sort = choose.choice(list(variables.items()))
        result = choose.choice(words.sorts)
        hidden = words.term(result, {"arg": sort}, 1)
        self.lines.append(f"(synth-fun g ((arg {sort})) {result})")
        self.lines.append(f"(constraint (= (g {name}) {self._put(hidden, {'arg': name})}))")
        return "g", (sort,), result

    def _constraint(
        self, call: str, meant: str, asked: Signature, variables: Scope, hidden: str, parameters: Scope
    ) -> str:
        words, choose = self.words, self.choose
        kind = choose.choice(("equation", "equation", "point", "point", "relation", "case", "bound"))
        if kind == "equation":
            return f"(= {call} {meant})" if words.odds(0.7) else f"(= {meant} {call})"
        if kind == "point":
            return self._example(parameters, hidden, asked[2])
        if kind == "case":
            return f"(=> {words.term(BOOL, variables, 2)} (= {call} {meant}))"
        sort = asked[2]
        name = choose.choice([one for one in RELATED.get(sort, WORD_RELATED) if one != "distinct"])
        if kind == "bound":
            always = f"(or (= {call} {meant}) (not (= {meant} {call})))"
            return f"(and ({name} {call} {words.term(sort, variables, 1)}) {always})"
        return (
            f"({choose.choice(('or', 'and'))} ({name} {call} {meant}) ({name} {call} {words.term(sort, variables, 1)}))"
        )

    def _examples(self, parameters: Scope, hidden: str, sort: str) -> None:
        """Nothing else, but for one that may be wrong."""
        for _ in range(self.choose.choice((1, 3, 8, 16))):
            self.lines.append(f"(constraint {self._example(parameters, hidden, sort)})")
        if self.words.odds(0.15):
            other = self.words.literal(sort)
            self.lines.append(f"(constraint {self._example(parameters, other, sort)})")

    def _example(self, parameters: Scope, hidden: str, sort: str) -> str:
        values = [self.words.literal(one) for one in parameters.values()]
        meant = self._put(hidden, dict(zip(parameters, values, strict=True)))
        return f"(= (f {' '.join(values)}) {self._value(meant, sort)})"

    def _put(self, hidden: str, values: Mapping[str, str]) -> str:
        """The hidden term of some values: what a ``let`` binds at once, or without one."""
        if not self.words.is_plain:
            return f"(let ({' '.join(f'({name} {value})' for name, value in values.items())}) {hidden})"
        return NAME.sub(lambda found: values.get(found[0], found[0]), hidden)

    def _value(self, term: str, sort: str) -> str:
        """Its literal, which z3 knows, in most cases."""
        if self.words.odds(0.2):
            return term
        solver = z3.Solver(ctx=z3.Context())
        declared = [line for line in self.lines if line.startswith("(define-fun")]
        solver.from_string("\n".join([*declared, f"(declare-const value {sort})", f"(assert (= value {term}))"]))
        assert solver.check() == z3.sat
        (value,) = (solver.model()[one] for one in solver.model() if one.name() == "value")
        return value.sexpr() if value is not None else term

    def _grammar(self, parameters: Scope, sort: str) -> str:
        words, choose = self.words, self.choose
        sorts = list(dict.fromkeys([sort, *words.sorts, *parameters.values()]))
        symbols = dict(zip(sorts, choose.sample(("S", "T", "Start", "K1", "B"), len(sorts)), strict=True))
        groups = []
        for one, symbol in symbols.items():
            rules = [name for name, known in parameters.items() if known == one]
            rules += [words.literal(one) for _ in range(choose.randint(1, 2))]
            rules += [f"(Constant {one})"] if not words.is_plain and words.odds(0.1) else []
            rules += (
                [f"(Variable {one})"] if not words.is_plain and words.odds(0.1) and one in parameters.values() else []
            )
            for _ in range(choose.randint(1, 5)):
                name, of = words.operator(one)
                if words.is_plain and len(of) > 2 and name in CHAINED:
                    of = of[:2]
                parts = [symbols.get(part, "") or words.literal(part) for part in of]
                if not words.is_plain and words.odds(0.2):
                    parts[-1] = words.literal(of[-1])
                rules.append(f"({name} {' '.join(parts)})")
            for name, of, result in self.defined:
                if result == one and all(part in symbols for part in of):
                    rules.append(f"({name} {' '.join(symbols[part] for part in of)})")
            choose.shuffle(rules)
            groups.append(f"({symbol} {one} ({' '.join(dict.fromkeys(rules))}))")
        heads = " ".join(f"({symbol} {one})" for one, symbol in symbols.items())
        return f"\n  ({heads})\n  ({' '.join(groups)})"

    # --- a loop ---------------------------------------------------------------------------------------------------

    def _loop(self) -> None:
        words, choose = self.words, self.choose
        names = choose.sample(("i", "n", "x"), choose.randint(1, 2))
        state = {name: INT if words.odds(0.95) else BOOL for name in names}
        self.lines.append(f"(synth-inv inv ({_listed(state)}))")
        for name, parts in (("pre", 1), ("trans", 2), ("post", 1)):
            own = choose.sample(("i", "n", "x", "y", "z", "w"), len(state) * parts)
            scope = dict(zip(own, list(state.values()) * parts, strict=True))
            self.lines.append(f"(define-fun {name} ({_listed(scope)}) Bool {self._part(name, own, scope)})")
        self.lines.append("(inv-constraint inv pre trans post)")
        if words.odds(0.2):
            self.lines.append(f"(constraint (inv {' '.join(map(words.literal, state.values()))}))")

    def _part(self, name: str, own: Sequence[str], scope: Scope) -> str:
        words, choose = self.words, self.choose
        numbers = [one for one in own if scope[one] == INT]
        if name == "pre":
            return f"(and true {' '.join(f'(= {one} {words.literal(INT)})' for one in numbers)})"
        if name == "post" or len(numbers) < len(own):
            return words.term(BOOL, scope, 2)
        half = len(own) // 2
        steps = [f"(= {then} (+ {now} {words.literal(INT)}))" for now, then in zip(own[:half], own[half:], strict=True)]
        guard = f"({choose.choice(('<', '<=', '>', '>='))} {own[0]} {words.literal(INT)})"
        return f"(and {guard} {' '.join(steps)})"


def _listed(scope: Scope) -> str:
    return " ".join(f"({name} {sort})" for name, sort in scope.items())


def _mixed(choose: Random, items: object) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = list(items)  # type: ignore[call-overload]
    choose.shuffle(found)
    return found

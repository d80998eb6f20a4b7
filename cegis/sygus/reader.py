"""SyGuS-IF 2.1 files as problems: one method per command.

The language is that of "The SyGuS Language Standard, Version 2.1" (Padhi, Polgreen, Raghothaman, Reynolds, Udupa, 2021)
over Int, Bool, Real, bit-vectors and strings, and what SyGuS-IF 1.0 wrote differently: ``(BitVec 64)``, grammars
without a predeclaration, ``declare-primed-var``, old names. Two commands are sugar and are taken apart here:

    (inv-constraint inv pre trans post)    pre(x) => inv(x),  inv(x) and trans(x, x!) => inv(x!),  inv(x) => post(x)
    (chc-constraint (x ...) body head)     body => head

A quantifier over all values, below connectives alone, is a declared variable (``_hoisted``). Others, oracles,
recursion, optimisation, data types and arrays are refused by name and place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

from cegis.domain import DomainError
from cegis.formulas.formula import FormulaSpec, Function, subterms
from cegis.sygus.applications import desugared
from cegis.sygus.grammars import WEIGHT, constants_for, read_grammar
from cegis.sygus.problem import SygusProblem
from cegis.sygus.productions import WrittenGrammar
from cegis.sygus.syntax import Expression, Group, SygusError, Token, expressions, fault, nearest, shown
from cegis.sygus.terms import Scope, applied, as_real, read_sort, read_term, symbol
from dsl.grammar import Grammar
from dsl.operators import BOOL, REAL, GrammarError, Operator, Sort, Term
from dsl.scalars import ScalarSignature, variable
from dsl.theories import theory

LOGICS = (
    "ALL", "BV", "CLIA", "LIA", "LRA", "NIA", "S", "SLIA", "SNIA", "UFBV", "UFLIA", "UFNIA", "UFSLIA",
    "PBE_BV", "PBE_SLIA", "QF_BV", "QF_LIA", "QF_LRA", "QF_NIA", "QF_S", "QF_SLIA",
    "QF_UFBV", "QF_UFLIA", "QF_UFNIA",
)  # fmt: skip
Items = Sequence[Expression]
Parameters = tuple[tuple[str, Sort], ...]
REFUSED_COMMANDS = (
    "declare-const", "declare-datatype", "declare-datatypes", "declare-sort",
    "define-fun-rec", "define-funs-rec",
    "declare-correctness-oracle", "declare-correctness-cex-oracle", "declare-oracle-fun", "oracle-assume",
    "oracle-constraint", "oracle-constraint-cex", "oracle-constraint-io", "oracle-constraint-membership",
    "oracle-constraint-negwitness", "oracle-constraint-poswitness", "optimize-synth", "assert", "check-sat",
)  # fmt: skip
REFUSED_FEATURES = (":oracles", ":recursion")
QUANTIFIERS = {"forall": True, "exists": False}  # where each may stand: on the side of truth, or of falsehood


def read(path: str | Path) -> SygusProblem:
    """The problem of a file; raises SygusError, ``file:line:column: ...``, where it is none we can read.

    >>> read_sygus("no/such/file.sl")
    Traceback (most recent call last):
        ...
    cegis.sygus.syntax.SygusError: no/such/file.sl:1:1: cannot be read: No such file or directory
    """
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:  # a return in a string is part of it
            text = file.read()
    except OSError as error:
        raise SygusError(f"cannot be read: {error.strerror}", 1, 1, str(path)) from None
    except UnicodeDecodeError as error:
        raise SygusError(
            f"expected UTF-8 text, got the byte {error.object[error.start]:#04x}", 1, 1, str(path)
        ) from None
    return read_text(text, str(path))


def read_text(text: str, file: str = "input") -> SygusProblem:
    """The problem of a text; ``file`` is what messages call it.

    >>> read_sygus_text("(set-logic LIA) (synth-fun f () Int) (check-synth)").spec.functions[0].name
    'f'
    """
    reading = Reading()
    try:
        found = expressions(text)
        reading.taken |= {word for expression in found for word in _words(expression)}
        for expression in found:
            reading.command(expression)
        return reading.problem(file)
    except SygusError as error:
        raise error.within(file) from None
    except RecursionError:
        raise fault(reading.last, "this command is nested too deeply to be read").within(file) from None


class Reading:
    """The state of reading one file."""

    def __init__(self) -> None:
        self.logic = ""
        self.last: Expression = Token("SYMBOL", "", line=1, column=1)
        self.is_done = False
        self.sorts: dict[str, Sort] = {}
        self.variables: dict[str, Sort] = {}
        self.functions: dict[str, Function] = {}
        self.definitions: dict[str, Operator] = {}
        self.written: dict[str, WrittenGrammar | None] = {}
        self.taken: set[str] = set()  # words of the text, and names made so that they are none
        self.shared: set[str] = set()  # variables that a constraint of its own scope uses
        self.places: dict[str, Expression] = {}  # of the grammars
        self.constraints: list[Term] = []
        self.assumptions: list[Term] = []
        self.operators: dict[str, Operator] = {}  # what can be applied: functions to be found, and defined ones
        self.macros: dict[str, tuple[Parameters, Term]] = {}
        self.weights = [WEIGHT]  # the names that weights of rules may have
        self.terms: dict[str, Term] = {}  # what a name means in a constraint: variables, bodies of defined constants
        self.scope = Scope(self.terms, self.operators, self.macros, sorts=self.sorts)
        self.commands: dict[str, Callable[[Expression, Items], None]] = {
            "set-logic": self._set_logic,
            "set-feature": self._set_feature,
            "define-sort": self._define_sort,
            "define-fun": self._define,
            "define-const": self._define_constant,
            "declare-weight": self._declare_weight,
            "declare-var": self._declare,
            "declare-fun": self._declare_function,
            "declare-primed-var": self._declare_primed,
            "synth-fun": self._synthesize,
            "synth-inv": self._synthesize_invariant,
            "constraint": self._constraint,
            "assume": self._assume,
            "inv-constraint": self._invariant,
            "chc-constraint": self._clause,
            "check-synth": self._check,
            **dict.fromkeys(("set-info", "set-option", "set-options", "exit"), self._ignore),
        }

    def command(self, expression: Expression) -> None:
        """Take one top-level expression."""
        self.last = expression
        match expression:
            case Group(items=[Token(type="SYMBOL") as head, *arguments]):
                method = self.commands.get(head)
                if method is None:
                    hint = "" if head in REFUSED_COMMANDS else nearest(head, self.commands)
                    raise fault(expression, f"the command {head} is not supported{hint}")
                if self.is_done and method != self._ignore:
                    raise fault(expression, f"the command {head} after (check-synth) is not supported")
                method(expression, arguments)
            case _:
                raise fault(expression, f"expected a command in brackets, got {shown(expression)}")

    def problem(self, file: str) -> SygusProblem:
        """What the commands so far ask."""
        if not self.functions:
            raise fault(self.last, "the file asks for no function: expected a synth-fun or a synth-inv")
        try:
            spec = FormulaSpec(
                tuple(self.functions.values()),
                tuple(self.variables.items()),
                tuple(self.constraints),
                tuple(self.assumptions),
            )
        except (DomainError, GrammarError) as error:
            raise fault(self.last, str(error)) from None
        definitions = tuple(self.definitions.values())
        open_problem = SygusProblem(self.logic or "ALL", spec, {}, self.written, definitions, file)
        grammars: dict[str, Grammar | None] = dict.fromkeys(self.written)
        for name, written in self.written.items():
            try:
                if written is not None:
                    grammars[name] = written.productions(constants_for(open_problem, written, name))
            except GrammarError as error:
                raise fault(self.places[name], str(error)) from None
        return replace(open_problem, grammars=grammars)

    # --- settings -----------------------------------------------------------------------------------------------

    def _ignore(self, place: Expression, items: Items) -> None:
        """Nothing in this command changes what is asked."""

    def _set_logic(self, place: Expression, items: Items) -> None:
        [name] = expect(place, items, "(set-logic NAME)", 1)
        if name not in LOGICS:
            raise fault(name, f"the logic {shown(name)} is not supported; known: {', '.join(LOGICS)}")
        if self.logic:
            raise fault(place, f"the logic is set twice, to {self.logic} and {name}")
        self.logic = str(name)
        self.scope = replace(self.scope, is_real=self.logic.endswith("LRA"))

    def _set_feature(self, place: Expression, items: Items) -> None:
        name, value = expect(place, items, "(set-feature :NAME true)", 2)
        if name in REFUSED_FEATURES and value != "false":
            raise fault(place, f"the feature {name} is not supported")

    def _check(self, place: Expression, items: Items) -> None:
        expect(place, items, "(check-synth)", 0)
        self.is_done = True

    # --- declarations -------------------------------------------------------------------------------------------

    def _define_sort(self, place: Expression, items: Items) -> None:
        """``(define-sort NAME () SORT)``, or without the brackets, as in SyGuS-IF 1.0."""
        if len(items) == 3 and isinstance(items[1], Group) and not items[1].items:
            items = (items[0], items[2])
        name, sort = expect(place, items, "(define-sort NAME () SORT)", 2)
        self.sorts[symbol(name)] = read_sort(sort, self.sorts)

    def _declare(self, place: Expression, items: Items) -> None:
        name, sort = expect(place, items, "(declare-var NAME SORT)", 2)
        self._variable(name, self._new(name), read_sort(sort, self.sorts))

    def _declare_function(self, place: Expression, items: Items) -> None:
        match items:
            case [name, Group(items=[]), sort]:
                self._declare(place, (name, sort))
            case _:
                raise fault(place, "an uninterpreted function with arguments is not supported")

    def _declare_primed(self, place: Expression, items: Items) -> None:
        name, sort = expect(place, items, "(declare-primed-var NAME SORT)", 2)
        self._declare(place, items)
        self._variable(name, symbol(name) + "!", read_sort(sort, self.sorts))

    def _variable(self, place: Expression, name: str, sort: Sort) -> Term:
        if name in self.terms:
            raise fault(place, f"the name {name!r} is declared twice")
        self.variables[name] = sort
        self.terms[name] = variable(name, sort)()
        return self.terms[name]

    def _define(self, place: Expression, items: Items) -> None:
        """A body that calls a function to be found has no readings of its own yet: it is put in where it is used."""
        head, names, sort, text = expect(place, items, "(define-fun NAME ((ARGUMENT SORT) ...) SORT BODY)", 4)
        parameters, result = self._parameters(names), read_sort(sort, self.sorts)
        name = self._new(head, parameters)
        values = {key: term for key, term in self.terms.items() if key not in self.variables}
        values |= {key: variable(key, sort)() for key, sort in parameters}
        body = read_term(text, replace(self.scope, terms=values))
        body = as_real(body) if result == REAL else body
        if body.sort != result:
            raise fault(text, f"{name} is declared to be of sort {result.name}, but its body is of {body.sort.name}")
        calls = {function.operator for function in self.functions.values()}
        if not parameters:
            self.terms[name] = body
        if any(inner.operator in calls for inner in subterms(body)):
            self.macros[name] = (parameters, body)
        else:
            self.definitions[name] = theory.define(name, parameters, body)
            if parameters:
                self.operators[name] = self.definitions[name]

    def _define_constant(self, place: Expression, items: Items) -> None:
        name, sort, text = expect(place, items, "(define-const NAME SORT TERM)", 3)
        self._define(place, (name, Group((), place.line, place.column, 1), sort, text))

    def _declare_weight(self, place: Expression, items: Items) -> None:
        [name] = expect(place, items, "(declare-weight NAME)", 1)
        self.weights.append(symbol(name))

    def _synthesize(self, place: Expression, items: Items) -> None:
        head, names, sort, *grammar = expect(
            place, items, "(synth-fun NAME ((ARGUMENT SORT) ...) SORT GRAMMAR)", 3, most=5
        )
        self._function(head, self._parameters(names), read_sort(sort, self.sorts), grammar)

    def _synthesize_invariant(self, place: Expression, items: Items) -> None:
        head, names, *grammar = expect(place, items, "(synth-inv NAME ((ARGUMENT SORT) ...) GRAMMAR)", 2, most=4)
        self._function(head, self._parameters(names), BOOL, grammar)

    def _function(self, head: Expression, parameters: Parameters, result: Sort, grammar: Items) -> None:
        function = Function(self._new(head, parameters), ScalarSignature(parameters, result))
        written = None
        if grammar:
            constants = {name: operator() for name, operator in self.definitions.items() if not operator.arguments}
            operators = {name: operator for name, operator in self.definitions.items() if operator.arguments}
            scope = Scope(constants, operators, sorts=self.sorts, is_real=self.scope.is_real)
            written = read_grammar(grammar, function, scope, self.weights)
            self.places[function.name] = grammar[-1]
        self.functions[function.name] = function
        self.written[function.name] = written
        self.operators[function.name] = function.operator

    def _new(self, head: Expression, parameters: Parameters = ()) -> str:
        """The name a command declares, unless it is taken, by an operator of a theory as well."""
        name = symbol(head)
        if name in (*self.terms, *self.operators, *self.macros):
            raise fault(head, f"the name {name!r} is declared twice")
        try:
            desugared(name, [variable(parameter, sort)() for parameter, sort in parameters])
        except GrammarError:
            return name
        raise fault(head, f"the name {name!r} is that of an operator")

    def _parameters(self, expression: Expression) -> Parameters:
        if not isinstance(expression, Group):
            raise fault(expression, f"expected ((ARGUMENT SORT) ...), got {shown(expression)}")
        parameters: dict[str, Sort] = {}
        for item in expression.items:
            if not isinstance(item, Group) or len(item.items) != 2:
                raise fault(item, f"expected (ARGUMENT SORT), got {shown(item)}")
            name = symbol(item.items[0])
            if name in parameters:
                raise fault(item, f"the argument {name!r} is declared twice")
            parameters[name] = read_sort(item.items[1], self.sorts)
        return tuple(parameters.items())

    # --- what is asked ------------------------------------------------------------------------------------------

    def _constraint(self, place: Expression, items: Items) -> None:
        self.constraints.append(self._formula(place, [self._hoisted(item, True) for item in items]))

    def _assume(self, place: Expression, items: Items) -> None:
        term = self._formula(place, items)
        used = {inner.operator for inner in subterms(term)}
        for function in self.functions.values():
            if function.operator in used:
                raise fault(items[0], f"an assumption speaks of variables alone, but this one calls {function.name}")
        for name in self.shared:
            if self.terms[name].operator in used:
                raise fault(place, f"an assumption on {name!r} is only supported before the constraint that binds it")
        self.assumptions.append(term)

    def _formula(self, place: Expression, items: Items) -> Term:
        [text] = expect(place, items, "one formula", 1)
        term = read_term(text, self.scope)
        if term.sort != BOOL:
            raise fault(text, f"expected a formula of sort Bool, got a term of sort {term.sort.name}")
        return term

    def _hoisted(self, expression: Expression, is_true: bool) -> Expression:
        """A constraint whose quantifiers became variables of the specification, where that says the same.

        All values are meant where ``forall`` stands on the side of truth, or ``exists`` on that of falsehood, below
        connectives alone. Any other quantifier stays, and is refused with its place by who reads the term.
        """
        if not isinstance(expression, Group) or not expression.items:
            return expression
        head, *parts = expression.items
        match head, parts:
            case (("forall" | "exists"), [names, body]) if QUANTIFIERS[str(head)] == is_true:
                bindings = [self._bound(name, sort, names) for name, sort in self._parameters(names)]
                return _group(expression, ("let", _group(names, bindings), self._hoisted(body, is_true)))
            case (("and" | "or"), _):
                return _group(expression, (head, *(self._hoisted(part, is_true) for part in parts)))
            case "not", [part]:
                return _group(expression, (head, self._hoisted(part, not is_true)))
            case "=>", [*conditions, conclusion]:
                before = (self._hoisted(part, not is_true) for part in conditions)
                return _group(expression, (head, *before, self._hoisted(conclusion, is_true)))
        return expression

    def _bound(self, name: str, sort: Sort, place: Expression) -> Group:
        """The binding of a quantified name to a variable that the text does not speak of."""
        free = next(made for n in count(1) if (made := f"{name}!{n}") not in self.taken)
        self.taken.add(free)
        self._variable(place, free, sort)
        return _group(place, (f"|{name}|", f"|{free}|"))

    def _invariant(self, place: Expression, items: Items) -> None:
        names = expect(place, items, "(inv-constraint INV PRE TRANS POST)", 4)
        invariant = self.functions.get(str(names[0]))
        if invariant is None or invariant.signature.result != BOOL:
            raise fault(names[0], f"expected the name of an invariant to be found, got {shown(names[0])}")
        before = [self._universal(name, sort) for name, sort in invariant.signature.parameters]
        after = [self._universal(f"{name}!", sort) for name, sort in invariant.signature.parameters]
        inv, pre, trans, post = (self._caller(name) for name in names)
        self.constraints += [
            _implies(pre(before), inv(before)),
            _implies(theory.find("and", (BOOL, BOOL))(inv(before), trans(before + after)), inv(after)),
            _implies(inv(before), post(before)),
        ]

    def _caller(self, head: Expression) -> Callable[[list[Term]], Term]:
        """Applies the function called ``head`` to Bool."""

        def call(arguments: list[Term]) -> Term:
            term = applied(head, symbol(head), arguments, self.scope)
            if term.sort != BOOL:
                raise fault(head, f"expected a function to Bool, got {shown(head)} to {term.sort.name}")
            return term

        return call

    def _clause(self, place: Expression, items: Items) -> None:
        names, body, head = expect(place, items, "(chc-constraint ((VARIABLE SORT) ...) BODY HEAD)", 3)
        bound = {name: self._universal(name, sort) for name, sort in self._parameters(names)}
        parts = [read_term(part, self.scope.binding(bound)) for part in (body, head)]
        for part, term in zip((body, head), parts, strict=True):
            if term.sort != BOOL:
                raise fault(part, f"expected a formula of sort Bool, got a term of sort {term.sort.name}")
        self.constraints.append(_implies(*parts))

    def _universal(self, name: str, sort: Sort) -> Term:
        """A variable for one constraint. One that is declared will do, but not where an assumption binds it."""
        free = (name, *(f"{name}_{number}" for number in range(1, len(self.terms) + 2)))
        is_shared = not self.assumptions
        chosen = next(n for n in free if n not in self.terms or (is_shared and self.variables.get(n) == sort))
        if chosen not in self.terms:
            self._variable(self.last, chosen, sort)
        self.shared.add(chosen)
        return self.terms[chosen]


def expect(place: Expression, items: Items, shape: str, least: int, most: int | None = None) -> Items:
    """The arguments of a command, if they are as many as it takes."""
    if not least <= len(items) <= (least if most is None else most):
        raise fault(place, f"expected {shape}, got {shown(place)}")
    return items


def _group(place: Expression, items: Iterable[Expression | str]) -> Group:
    """``items`` in brackets, at a place."""
    made = tuple(
        item if isinstance(item, (Group, Token)) else Token(item, "SYMBOL", place.line, place.column) for item in items
    )
    depth = 1 + max((item.depth for item in made if isinstance(item, Group)), default=0)
    return Group(made, place.line, place.column, depth)


def _words(expression: Expression) -> Iterator[str]:
    """Every token of an expression, without bars."""
    stack = [expression]
    while stack:
        inner = stack.pop()
        if isinstance(inner, Group):
            stack += inner.items
        else:
            yield inner.strip("|")


def _implies(condition: Term, conclusion: Term) -> Term:
    return theory.find("=>", (BOOL, BOOL))(condition, conclusion)

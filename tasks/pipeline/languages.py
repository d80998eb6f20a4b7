"""Languages of one's own for networks: a grammar, or a function that makes one for a network's tokens and labels.

    GRAMMAR = motifs(("a", "b"), ("x", "y"))                        for one network, whose labels these are
    def language(alphabet, labels, min_length, is_placed): ...      for any

The function gets the tokens and the labels as tuples of texts, in the order of the network, and whatever it has a
parameter for: ``min_length`` of the sequences, and ``is_placed``, whether a label stands at every place. Programs of
such a language are compared with the network like any other, and a certificate is about the printed text alone; which
language was searched stands in its statement, by the texts of the operators.

Learned motifs (``dsl.abstraction``) are no language: they are added to the grammars that ship, and programs show the
operators of these alone.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

from cegis import Domain, DomainError, Program
from dsl.abstraction.learned import Learned
from dsl.function import operators
from dsl.grammar import Grammar
from dsl.grammars.positions import PlacedSignature
from dsl.operators import GrammarError
from dsl.sequences import SequenceSignature, shown

Language = Grammar | Callable[..., Grammar] | Learned


def grammar_in(
    language: Grammar | Callable[..., Grammar], domain: Domain, names: tuple[str, ...], is_placed: bool, who: str
) -> Grammar:
    """The grammar of ``language`` for labels called ``names`` on ``domain``; ``who`` is the network, for errors.

    Raises GrammarError where a function makes none, DomainError for one from other tokens or to other labels.
    """
    grammar = language if isinstance(language, Grammar) else _made(language, domain, names, is_placed)
    kind = PlacedSignature if is_placed else SequenceSignature
    if grammar.signature != kind(domain.alphabet, names):
        got = grammar.signature
        at = " at every place" if is_placed else ""
        end = " at every place" if isinstance(got, PlacedSignature) else ""
        raise DomainError(
            f"{who}: expected a grammar from {domain.alphabet} to {names}{at}, in this order, got one from "
            f"{getattr(got, 'alphabet', 'other values')} to {getattr(got, 'labels', 'other values')}{end}"
        )
    needy = next((row.operator.name for row in grammar.productions if row.operator.needs_token), None)
    if needy is not None and domain.min_length == 0:
        raise GrammarError(f"{needy!r} has no value on the empty sequence; leave it out, or begin with length 1")
    return grammar


def _made(language: Callable[..., Grammar], domain: Domain, names: tuple[str, ...], is_placed: bool) -> Grammar:
    called = getattr(language, "__name__", type(language).__name__)
    offered = {"min_length": domain.min_length, "is_placed": is_placed}
    try:
        parameters = inspect.signature(language).parameters.values()
        takes_all = any(parameter.kind == parameter.VAR_KEYWORD for parameter in parameters)
        wanted = {parameter.name for parameter in parameters}
        grammar = language(domain.alphabet, names, **{n: v for n, v in offered.items() if takes_all or n in wanted})
    except GrammarError:
        raise
    except Exception as error:
        raise GrammarError(f"{called}(alphabet, labels) failed with {type(error).__name__}: {error}") from error
    if not isinstance(grammar, Grammar):
        raise GrammarError(f"expected {called}(alphabet, labels) to return a Grammar, got {type(grammar).__name__}")
    return grammar


def texts(grammar: Grammar) -> tuple[str, ...]:
    """A language by its operators: the text of each, with holes ``_0``, ``_1``, ... for its arguments."""
    return tuple(dict.fromkeys(row.operator.python for row in grammar.productions))


def check_text(program: Program, inputs: Iterable[tuple[Any, ...]]) -> None:
    """Raise GrammarError where the printed text of ``program`` answers an input otherwise than its numpy reading.

    The operators are the user's own, and so is what their text does when it is run here.
    """
    scope: dict[str, Any] = {}
    exec(program.source("program"), scope)
    signature, asked = program.grammar.sequences, list(inputs)
    batch = signature.batch([values[0] if len(values) == 1 else values for values in asked])
    for values, number in zip(asked, program.run(batch), strict=True):
        expected = signature.answer(number)
        try:
            said = scope["program"](list(values[0]), *values[1:])
        except Exception as error:
            said = error
        if said != expected and (expected is not None or said in signature.labels):
            raise GrammarError(
                f"the readings of an operator differ: on {shown(values)} the printed program gives {shown(said)}, the "
                f"numpy reading {expected!r}; look at {', '.join(sorted(one.name for one in operators(program.term)))}"
            )

"""Motifs from a corpus of programs, by compression: what the programs share becomes an operator.

Stitch (Bowers et al., "Top-down synthesis for library learning", POPL 2023) finds, again and again, the abstraction
with which the corpus has the fewest symbols, and writes the corpus with it. Programs are given to it as applications of
families (``families``); tokens and labels are named apart in every program, so that nothing of one alphabet is shared
with another by accident. What comes back is put into the words of ``learned``:

- tokens that a body still names become parameters, and so do labels;
- a token that is only tested for (``is _``) becomes a parameter of tests: any test may stand there;
- every parameter has the nonterminal in whose place it stands. An abstraction without such a type, or of one operator
  alone, is written out again.

Then costs are counted on the corpus as it is written with the motifs that are left.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from dsl.abstraction.families import Families
from dsl.abstraction.learned import LABELS, Body, Learned, Motif, instance
from dsl.composition import composed
from dsl.function import called
from dsl.grammar import Grammar, Production
from dsl.operators import GrammarError, Term
from dsl.program import Program

ROUNDS, ARITY = 12, 3  # abstractions looked for, and their arguments
FEWEST_USES = 2
TESTED = "is _"  # the family of tests for one token
Tree = str | tuple["Tree", ...]


@dataclass
class Corpus:
    """Programs as trees of short names, and what the names stand for."""

    programs: tuple[Program, ...]
    families: list[Families] = field(default_factory=list)  # of each program
    names: dict[str, str] = field(default_factory=dict)  # short name of a family
    rows: dict[str, list[Production]] = field(default_factory=dict)  # productions with an operator of the family
    tokens: dict[str, tuple[int, str]] = field(default_factory=dict)  # short name to program and token
    trees: list[Tree] = field(default_factory=list)

    def __post_init__(self) -> None:
        known: dict[Grammar, Families] = {}
        for number, program in enumerate(self.programs):
            families = known.setdefault(program.grammar, Families(program.grammar))
            self.families.append(families)
            self.trees.append(self._tree(number, program.term))

    def _tree(self, number: int, term: Term) -> Tree:
        families, grammar = self.families[number], self.programs[number].grammar
        if families.is_label(term.operator):
            return f"l{number}_{families.label_index(term.operator)}"
        family, tokens = families.of(term.operator)
        short = self.names.setdefault(family, f"f{len(self.names)}")
        self.rows.setdefault(short, []).extend(grammar.productions_of(term.operator))
        shorts = []
        for token in tokens:
            shorts.append(f"t{number}_{grammar.sequences.alphabet.index(token)}")
            self.tokens[shorts[-1]] = number, token
        parts = (*shorts, *(self._tree(number, argument) for argument in term.arguments))
        return (short, *parts) if parts else short

    def family(self, short: str) -> str:
        """The family that a short name stands for."""
        return next(family for family, name in self.names.items() if name == short)


def learn(programs: Sequence[Program], *, rounds: int = ROUNDS, about: str = "") -> Learned:
    """The motifs and costs of a corpus of sequence programs.

    Raises GrammarError for fewer than two programs, or where ``stitch_core`` is not installed.
    """
    if len(programs) < 2:
        raise GrammarError(f"expected at least 2 solved programs to learn from, got {len(programs)}")
    corpus = Corpus(tuple(programs))
    found, written = _compressed(corpus.trees, rounds)
    kept: dict[str, _Typed] = {}
    whole: dict[str, Tree] = {}  # bodies without other abstractions
    for name, body in found.items():
        whole[name] = _expanded(body, whole)
        typed = _typed(corpus, whole[name])
        if typed is not None and typed.motif not in (known.motif for known in kept.values()):
            kept[name] = typed
    lost = {name: body for name, body in whole.items() if name not in kept}
    trees = [_expanded(tree, lost) for tree in written]
    uses: Counter[str] = Counter(part for tree in trees for part in _heads(tree) if part in kept)
    ranked = sorted((name for name in kept if uses[name] >= FEWEST_USES), key=lambda name: (-uses[name], name))
    rare = {name: whole[name] for name in kept if name not in ranked}
    trees = [_expanded(tree, rare) for tree in trees]
    motifs = {
        name: replace(kept[name].motif, name=f"motif {rank}", uses=uses[name], example=kept[name].example)
        for rank, name in enumerate(ranked, 1)
    }
    counts = _counted(corpus, trees, {name: (motifs[name], kept[name]) for name in ranked})
    return Learned(tuple(motifs.values()), {name: dict(sorted(counts[name].items())) for name in sorted(counts)}, about)


def _compressed(trees: Sequence[Tree], rounds: int) -> tuple[dict[str, Tree], list[Tree]]:
    """Stitch's abstractions by name, and the trees written with them."""
    try:
        import stitch_core
    except ImportError:
        raise GrammarError(
            "motifs are learned with stitch-core, which is not installed; run: pip install stitch-core"
        ) from None
    try:
        result = stitch_core.compress(
            [_text(tree) for tree in trees],
            iterations=rounds,
            max_arity=ARITY,
            no_curried_bodies=True,
            no_curried_metavars=True,
        )
    except stitch_core.StitchException as error:
        raise GrammarError(f"stitch-core gave up on the corpus: {error}") from error
    return {one.name: _read(one.body) for one in result.abstractions}, [_read(text) for text in result.rewritten]


def _text(tree: Tree) -> str:
    return tree if isinstance(tree, str) else f"({' '.join(map(_text, tree))})"


def _read(text: str) -> Tree:
    """The tree that an S-expression writes."""
    stack: list[list[Tree]] = [[]]
    for word in re.findall(r"[()]|[^\s()]+", text):
        if word == "(":
            stack.append([])
        elif word == ")":
            inner = stack.pop()
            stack[-1].append(tuple(inner))
        else:
            stack[-1].append(word)
    return stack[0][0]


def _expanded(tree: Tree, bodies: Mapping[str, Tree]) -> Tree:
    """``tree`` with these abstractions written out."""
    if isinstance(tree, str):
        return _expanded(bodies[tree], bodies) if tree in bodies else tree
    parts = tuple(_expanded(part, bodies) for part in tree[1:])
    head = tree[0]
    assert isinstance(head, str)
    return _filled(bodies[head], parts) if head in bodies else (head, *parts)


def _filled(body: Tree, arguments: tuple[Tree, ...]) -> Tree:
    if isinstance(body, str):
        return arguments[int(body[1:])] if body.startswith("#") else body
    return tuple(_filled(part, arguments) for part in body)


def _heads(tree: Tree) -> Iterator[str]:
    """The names that a tree applies, and those that stand alone."""
    if isinstance(tree, str):
        yield tree
        return
    for part in tree:
        yield from _heads(part)


# --- types ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Typed:
    """A motif, and where its parameters stand: what stitch calls them (or the text they had), in the motif's order.

    ``lifted``: those of them that are tests of a token, of which the corpus holds the token.
    """

    motif: Motif
    order: tuple[str, ...]
    lifted: frozenset[str]
    example: str


def _typed(corpus: Corpus, body: Tree) -> _Typed | None:
    """The body as a motif, or None where it has no type, or is no more than one operator."""
    if isinstance(body, str):
        return None
    head = body[0]
    assert isinstance(head, str)
    for nonterminal in dict.fromkeys(row.nonterminal for row in corpus.rows.get(head, ())):
        try:
            return _Typing(corpus).motif(body, nonterminal)
        except _NoTypeError:
            continue
    return None


class _NoTypeError(Exception):
    """The body has no type."""


class _Typing:
    """Finds for each parameter whether it is a token, a test, or a term of some nonterminal."""

    def __init__(self, corpus: Corpus) -> None:
        self.corpus = corpus
        self.tokens: dict[str, bool] = {}  # whether a token is only tested for, by name
        self.tests: dict[str, set[str]] = defaultdict(set)  # nonterminals of these tests
        self.terms: dict[str, set[str]] = defaultdict(set)

    def motif(self, body: Tree, nonterminal: str) -> _Typed:
        self.walk(body, nonterminal)
        if self.tokens.keys() & self.terms.keys():
            raise _NoTypeError
        lifted = [name for name, is_tested in self.tokens.items() if is_tested]
        tokens = [name for name, is_tested in self.tokens.items() if not is_tested]
        takes = [self.narrowest(self.tests[name]) for name in lifted] + [
            self.narrowest(names) for names in self.terms.values()
        ]
        order = (*tokens, *lifted, *self.terms)
        written = self.written(body, {name: f"${place}" for place, name in enumerate(order)}, frozenset(lifted))
        if sum(1 for _ in _operators(written)) < 2:
            raise _NoTypeError
        motif = Motif("", nonterminal, len(tokens), tuple(takes), written)
        return _Typed(motif, order, frozenset(lifted), self.example(motif))

    def walk(self, tree: Tree, nonterminal: str) -> None:
        if isinstance(tree, str) and (tree.startswith("#") or tree.startswith("l")):
            self.terms[tree].add(nonterminal)
            return
        head, *parts = (tree,) if isinstance(tree, str) else tree
        assert isinstance(head, str)
        if head not in self.corpus.rows:
            raise _NoTypeError
        family = self.corpus.family(head)
        count = family.count("_")
        row = next((row for row in self.corpus.rows[head] if row.nonterminal == nonterminal), None)
        if row is None or len(parts) != count + len(row.arguments):
            raise _NoTypeError
        for token in parts[:count]:
            if not isinstance(token, str) or not token.startswith(("#", "t")):
                raise _NoTypeError
            self.tokens[token] = self.tokens.get(token, True) and family == TESTED
            if family == TESTED:
                self.tests[token].add(nonterminal)
        for part, name in zip(parts[count:], row.arguments, strict=True):
            self.walk(part, name)

    def narrowest(self, names: set[str]) -> str:
        """The nonterminal whose terms may stand in the place of all of these."""
        known = self.corpus.families
        for name in sorted(names):
            if any(
                all(n in one.operators and one.fits(name, n) for n in names) for one in known if name in one.operators
            ):
                return name
        raise _NoTypeError

    def written(self, tree: Tree, places: Mapping[str, str], lifted: frozenset[str]) -> Body:
        if isinstance(tree, str):
            return places[tree] if tree in places else (self.corpus.family(tree),)
        head, *parts = tree
        assert isinstance(head, str)
        family = self.corpus.family(head)
        if family == TESTED and parts[0] in lifted:
            return places[str(parts[0])]
        return (family, *(self.written(part, places, lifted) for part in parts))

    def example(self, motif: Motif) -> str:
        """The motif's text at the first tokens of a program whose grammar has it; raises where none has."""
        for families in self.corpus.families:
            tokens = families.signature.alphabet[: motif.tokens]
            try:
                body = instance(motif, tokens, families)
                sorts = tuple(families.grammar.sorts[name] for name in motif.takes)
                made = composed("motif", sorts, body)
                called(body)
            except (GrammarError, LookupError):
                continue
            return made.python
        raise _NoTypeError


def _operators(body: Body) -> Iterator[str]:
    if not isinstance(body, str):
        head, *parts = body
        assert isinstance(head, str)
        yield head
        for part in parts:
            yield from _operators(part)


# --- costs ------------------------------------------------------------------------------------------------------


def _counted(
    corpus: Corpus, trees: Sequence[Tree], motifs: Mapping[str, tuple[Motif, _Typed]]
) -> dict[str, Counter[str]]:
    """How often each nonterminal became which family, in the corpus as it is written with the motifs."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)

    def walk(tree: Tree, nonterminal: str) -> None:
        head, *parts = (tree,) if isinstance(tree, str) else tree
        assert isinstance(head, str)
        if head in motifs:
            motif, typed = motifs[head]
            counts[nonterminal][motif.family] += 1
            for name, kind in zip(typed.order[motif.tokens :], motif.takes, strict=True):
                given = parts[int(name[1:])] if name.startswith("#") else name
                walk((_tested(corpus), given) if name in typed.lifted else given, kind)
        elif head.startswith("l"):
            counts[nonterminal][LABELS] += 1
        else:
            family = corpus.family(head)
            counts[nonterminal][family] += 1
            row = next((row for row in corpus.rows[head] if row.nonterminal == nonterminal), None)
            for part, name in zip(parts[family.count("_") :], row.arguments if row else (), strict=False):
                walk(part, name)

    for program, tree in zip(corpus.programs, trees, strict=True):
        walk(tree, program.grammar.start)
    return counts


def _tested(corpus: Corpus) -> str:
    return corpus.names[TESTED]

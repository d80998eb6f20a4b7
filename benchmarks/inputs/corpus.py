"""A corpus of recorded queries: real questions of the loop, as SMT-LIB that any solver reads.

Queries are "program differs from surrogate on a sequence of this length", for candidates of distillation runs and for
mutants of them (operators replaced), some of which happen to be right. One file per circuit and length, a gzipped
incremental script:

    (set-logic QF_LIA)  (declare-fun tok_0_0 () Bool) ...
    (define-fun s0 () Int ...)            every subterm that occurs more than once, before its first use
    (push 1) (set-info :name "...") (set-info :status unsat) (assert ...) (check-sat) (pop 1)     one per query

``status`` is what the recording solver (z3) answered. Files hold no time stamp, so the same code and seed write the
same bytes as long as that solver finds the same counterexamples.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pysmt.logics
from pysmt.environment import Environment
from pysmt.logics import QF_LIA
from pysmt.smtlib.parser import SmtLibParser

from backends import Answer, Backend, Limits, decide
from backends.fragment import Formula, postorder
from backends.recorder import status
from backends.smtlib import smtlib_script
from benchmarks.harness.row import BenchmarkError
from benchmarks.inputs import reference
from cegis import Budget, Program, Round, Spec, Symbolic, synthesize
from cegis.symbolic import refutation
from dsl.operators import Operator, Sort, Term
from dsl.sequences import SequenceBatch

LENGTHS = (3, 5, 6, 7, 8, 10)
MANIFEST = "corpus.json"
LIMITS = Limits(seconds=60.0)
MOST_MUTATIONS = 2
MOST_DIFFERENT = 0.55  # share of mutants that differ, while others can be found
MOST_OPERATORS = 24
SAMPLE = 3000
TRIES = 20  # mutants looked at per query wanted


@dataclass(frozen=True)
class Query:
    """One recorded question: ``expected`` is "sat", "unsat" or "unknown"."""

    name: str
    formula: Formula
    expected: str


def record(
    circuits: Sequence[Path],
    folder: Path,
    cache: Path,
    backend: Backend,
    *,
    queries: int,
    seed: int = 0,
    lengths: Sequence[int] = LENGTHS,
    on_file: Callable[[Path, int], None] = lambda path, count: None,
) -> int:
    """Write at least ``queries`` different queries to ``folder``, evenly over circuits and lengths; how many.

    Where a short length has fewer, the later files get more. Raises BenchmarkError when that is not enough.
    """
    if queries < 1:
        raise BenchmarkError(f"expected at least 1 query to record, got {queries}")
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.glob("*.smt2.gz")):
        raise BenchmarkError(f"expected a folder without recorded queries, got {folder}; name a fresh one")
    written: dict[str, int] = {}
    left = len(circuits) * len(lengths)
    for length, circuit in product(sorted(lengths), circuits):
        inputs = {"circuit": str(circuit), "surrogate": str(reference.prepare(circuit, cache))}
        quota = -(-(queries - sum(written.values())) // left)
        path, environment = folder / f"{circuit.name}-{length:02d}.smt2.gz", Environment()
        asked = list(_ask(inputs, length, max(quota, 1), environment, backend, seed))
        _write(path, environment, asked)
        written[path.name], left = len(asked), left - 1
        on_file(path, len(asked))
    if sum(written.values()) < queries:
        raise BenchmarkError(f"found only {sum(written.values()):,} different queries of {queries:,}; add circuits")
    about = {
        "queries": sum(written.values()),
        "files": written,
        "seed": seed,
        "by": f"{backend.name} {backend.version()}",
    }
    (folder / MANIFEST).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    return sum(written.values())


def files(folder: Path) -> tuple[Path, ...]:
    """The files of a corpus; raises BenchmarkError when there are none."""
    found = tuple(sorted(folder.glob("*.smt2.gz")))
    if not found:
        raise BenchmarkError(
            f"{folder} holds no recorded queries (*.smt2.gz); record some: distill bench record --out {folder}"
        )
    return found


def read(path: Path, environment: Environment) -> Iterator[Query]:
    """The queries of one file, in order; raises BenchmarkError for a file that is not one of ours."""
    name, expected = "", "unknown"
    try:
        with gzip.open(path, "rt", encoding="utf-8") as text:
            for command in SmtLibParser(environment).get_command_generator(text):
                if command.name == "set-info" and command.args[0] == ":name":
                    name = str(command.args[1]).strip('"')
                elif command.name == "set-info" and command.args[0] == ":status":
                    expected = str(command.args[1])
                elif command.name == "assert":
                    yield Query(name, command.args[0], expected)
    except (OSError, EOFError, ValueError, UnicodeError) as error:
        raise BenchmarkError(f"{path}: not readable as recorded queries ({error})") from error


def count(path: Path) -> int:
    """How many queries a file holds."""
    with gzip.open(path, "rt", encoding="utf-8") as text:
        return sum(line.startswith("(check-sat") for line in text)


def _ask(
    files: dict[str, str], length: int, quota: int, environment: Environment, backend: Backend, seed: int
) -> Iterator[Query]:
    """``quota`` different queries at one length, with the backend's answers."""
    asked = reference.load(files, length=length)
    symbols = asked.signature.symbols(environment.formula_manager, length)
    seen: set[Formula] = set()
    with backend.open(environment, QF_LIA, seed=seed, limits=LIMITS) as session:
        for origin, program in _programs(asked, backend, seed, quota):
            formula = refutation(asked.domain, symbols, asked, program)
            if formula in seen:
                continue
            seen.add(formula)
            name = f"{asked.name}/length={length}/{origin}"
            answer: Answer = decide(session, name, formula)
            yield Query(name, formula, status(answer))
            if len(seen) == quota:
                return


def _programs(
    asked: reference.SurrogateReference, backend: Backend, seed: int, quota: int
) -> Iterator[tuple[str, Program]]:
    """Candidates of loops with different first examples, then mutants of them and of each other."""
    chance = random.Random(seed)
    candidates: dict[str, Program] = {}
    for run in range(5):
        for number, program in enumerate(_candidates(asked, backend, seed + run, chance), 1):
            if str(program.term) not in candidates:
                candidates[str(program.term)] = program
                yield f"run={run}/candidate={number}", program
    agrees = _agrees(asked)
    pool = list(candidates.values())
    equal, different = [program for program in pool if agrees(program)], 0
    for number in range(1, TRIES * quota):
        parent = chance.choice(equal if equal and chance.random() < 0.5 else pool)
        term = parent.term
        for _ in range(chance.randint(1, MOST_MUTATIONS)):
            term = mutant(term, parent, chance)
        program = Program(term, parent.grammar)
        if str(term) in candidates or term.size > MOST_OPERATORS:
            continue
        candidates[str(term)] = program
        if agrees(program):
            equal.append(program)
        elif different >= MOST_DIFFERENT * quota and number < TRIES * quota / 2:
            continue
        else:
            different += 1
            pool.append(program)
        yield f"mutant={number}", program


def _agrees(asked: reference.SurrogateReference) -> Callable[[Program], bool]:
    """Whether a program equals the surrogate on a sample of the longest sequences (a guess, to balance the answers)."""
    assert asked.domain.max_length is not None
    tokens = asked.domain.sequences(asked.domain.max_length)
    tokens = tokens[:: max(1, len(tokens) // SAMPLE)]
    wanted, batch = asked.surrogate.labels(tokens), SequenceBatch(tokens)
    return lambda program: bool((program.run(batch) == wanted).all())


def _candidates(
    asked: reference.SurrogateReference, backend: Backend, seed: int, chance: random.Random
) -> list[Program]:
    """What one distillation run proposed, in order."""
    rounds: list[Round[Program]] = []
    domain = asked.domain
    tokens = domain.sequences(min(domain.max_length or 1, max(domain.min_length, 4)))
    first = domain.words(tokens[chance.randrange(len(tokens))])
    with Symbolic(domain, asked.signature, asked, backend, seed=seed) as verifier:
        synthesize(
            Spec(domain, asked),
            asked.grammar,
            verifier=verifier,
            examples=[(first, asked.label(first))],
            budget=Budget(seconds=60.0),
            seed=seed,
            on_event=rounds.append,
        )
    return [event.program for event in rounds]


def mutant(term: Term, program: Program, chance: random.Random) -> Term:
    """``term`` with one place changed: another operator of the same sorts, or another small subterm."""
    rows = {production.operator: None for production in program.grammar.productions}
    by_result: dict[Sort, list[Operator]] = {}
    for operator in rows:
        by_result.setdefault(operator.result, []).append(operator)

    def grown(sort: Sort, depth: int) -> Term:
        options = [o for o in by_result[sort] if depth > 0 or not o.arguments] or by_result[sort]
        operator = chance.choice(options)
        return operator(*(grown(argument, depth - 1) for argument in operator.arguments))

    def changed(old: Term) -> Term:
        if chance.random() < 0.4:
            return grown(old.sort, 1)
        same = [o for o in by_result[old.sort] if o.arguments == old.operator.arguments]
        return chance.choice(same)(*old.arguments)

    return _at(term, chance.randrange(term.size), changed)


def _at(term: Term, place: int, changed: Callable[[Term], Term]) -> Term:
    """``term`` with the subterm at ``place`` (in preorder) changed."""
    if place == 0:
        return changed(term)
    place -= 1
    arguments = list(term.arguments)
    for index, argument in enumerate(arguments):
        if place < argument.size:
            arguments[index] = _at(argument, place, changed)
            break
        place -= argument.size
    return term.operator(*arguments)


def _write(path: Path, environment: Environment, queries: Sequence[Query]) -> None:
    """The script of one file; it appears complete or not at all."""
    partial = path.with_suffix(".partial")
    with partial.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as packed:
        packed.write(script(environment, queries).encode())
    os.replace(partial, path)


def script(environment: Environment, queries: Sequence[Query]) -> str:
    """The incremental script of ``queries``, shared subterms written once."""
    manager = environment.formula_manager
    uses: Counter[Formula] = Counter()
    order: dict[Formula, None] = {}
    for query in queries:
        for node in postorder(query.formula):
            if node not in order:
                order[node] = None
                uses.update(set(node.args()))
        uses[query.formula] += 1
    rebuilt: dict[Formula, Formula] = {}
    definitions: list[tuple[str, Any, Formula]] = []
    bodies: dict[Formula, int] = {}  # formula of a query -> how many definitions come before it
    roots = {query.formula for query in queries}
    for node in order:
        body = node
        if node.args():
            arguments = tuple(rebuilt[child] for child in node.args())
            body = manager.create_node(node.node_type(), arguments, node._content.payload)
        if node.args() and uses[node] > 1:
            kind = environment.stc.get_type(node)
            symbol = manager.Symbol(f"s{len(definitions)}", kind)
            definitions.append((symbol.symbol_name(), kind, body))
            body = symbol
        rebuilt[node] = body
        if node in roots:
            bodies[node] = len(definitions)
    texts = _texts([body for _, _, body in definitions])
    asserted = _texts([rebuilt[query.formula] for query in queries])
    names = {str(node.symbol_name()): node for node in order if node.is_symbol()}
    lines = ["(set-logic QF_LIA)", *(f"(declare-fun {n} () {s.symbol_type()})" for n, s in sorted(names.items()))]
    done = 0
    for query, text in zip(queries, asserted, strict=True):
        for name, kind, _ in definitions[done : bodies[query.formula]]:
            lines.append(f"(define-fun {name} () {kind} {texts[done]})")
            done += 1
        lines += [
            "(push 1)", f'(set-info :name "{query.name}")', f"(set-info :status {query.expected})",
            f"(assert {text})", "(check-sat)", "(pop 1)",
        ]  # fmt: skip
    return "\n".join([*lines, ""])


def _texts(terms: Sequence[Formula]) -> list[str]:
    """Each term as SMT-LIB text, on one line."""
    if not terms:
        return []
    text = smtlib_script(terms, pysmt.logics.QF_LIA, "terms", "unknown")
    return re.findall(r"^\(assert (.*)\)$", text, re.MULTILINE)

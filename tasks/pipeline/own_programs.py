"""A program of the user's own: its text, read as a term where a grammar takes it; else a function, which is run.

    text of the kind that is printed     read, never run: every method of proof can follow it
    an automaton as it is printed        the same, in the grammar of that one machine
    any other Python function            run on every input that is listed (``functions``)

A text may be a whole file: of it the function and those that it calls are read, and nothing is read where a name that
they use means something else in the file than in the printed program (an import, a variable, a class). Parameters may
have any names.
"""

from __future__ import annotations

import ast
import builtins
import copy
import importlib.util
import inspect
import linecache
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from functools import partial
from math import inf
from pathlib import Path
from typing import Any

from cegis import Program
from cegis.blackbox import name_of
from dsl.operators import GrammarError
from tasks.automata.moore_reading import read_machine
from tasks.networks.readout import Argmax
from tasks.pipeline.functions import as_program, signature_of
from tasks.pipeline.labels import LabelTable, grammar_of

MOST_LABELS = 127  # of a program: the network's, and its own
MOST_TEXT = 1_000_000  # characters of a file
TEXT = "the given text"


@dataclass(frozen=True)
class OwnProgram:
    """A function called ``name``: its Python ``text`` and which function of it (None: the last), or the ``function``.

    ``file``: where the text is from, so that it can import what lies beside it; ``is_run``: whether a text that no
    grammar takes may be run.
    """

    name: str
    text: str = ""
    entry: str | None = None
    function: Callable[..., Any] | None = None
    file: Path | None = None
    is_run: bool = True

    def on(self, table: LabelTable, deadline: float = inf) -> Program:
        """The program to compare with the labels of ``table``; raises GrammarError where there is none.

        A function that is run ends at the ``deadline`` (by ``time.perf_counter``).
        """
        parameters, text = (2 if table.is_placed else 1), ""
        if self.function is None:
            text = selected(self.text, self.entry, self.name)
            read = self._read(text, table, parameters)
            if isinstance(read, Program):
                return read
            if not self.is_run:
                raise GrammarError(f"{self.name}: expected a program of the kind that is printed: {read}")
        signature = signature_of(table.domain.alphabet, table.names, table.is_placed)
        readout = table.enumeration.loaded.readout
        function, text, needs = self.loaded(parameters)
        return as_program(self.name, function, signature, readout, text=text, needs=needs, deadline=deadline)

    def loaded(self, parameters: int) -> tuple[Callable[..., Any], str, tuple[str, ...]]:
        """The function, its text where that is known, and names that this needs; its file is run for it.

        Raises GrammarError where it may not be run, or does not take so many values: tokens, and perhaps a place.
        """
        text = "" if self.function is not None else selected(self.text, self.entry, self.name)
        function = self.function or self._loaded(ast.parse(text).body[-1].name)  # type: ignore[attr-defined]
        check_parameters(self.name, function, parameters)
        text = _with_parameters(text or _text_of(function), ("tokens", "i")[:parameters])
        return function, text, tuple(needed_names(text, function))

    @property
    def parameters(self) -> int | None:
        """How many values the function takes, as far as that is known without running anything."""
        try:
            if self.function is not None:
                return len(inspect.signature(self.function).parameters)
            last = ast.parse(selected(self.text, self.entry, self.name)).body[-1]
        except (TypeError, ValueError):
            return None
        return len(last.args.args) if isinstance(last, ast.FunctionDef) else None

    def chosen(self) -> str | None:
        """The text of the function that is meant, below those it calls.

        None where a function was given, whose text need not be what it does. Raises GrammarError where the file gives a
        name that it uses another meaning.
        """
        if self.function is not None:
            return None
        text = selected(self.text, self.entry, self.name)
        hidden = hidden_names(self.text, text)
        if hidden:
            raise GrammarError(f"{self.name}: the file gives {', '.join(map(repr, hidden))} another meaning")
        return text

    def _read(self, text: str, table: LabelTable, parameters: int) -> Program | str:
        """The text as a program, or why it is none that can be read."""
        hidden = hidden_names(self.text, text)
        if hidden:
            return f"the file gives {', '.join(map(repr, hidden))} another meaning"
        text, reason = _with_tokens(_with_parameters(text, ("tokens", "i")[:parameters])), ""
        for read in _readers(table, text):
            try:
                return read(text)
            except GrammarError as error:
                reason = reason or str(error)
        return reason

    def _loaded(self, entry: str) -> Callable[..., Any]:
        """The function, after its text was run."""
        place = str(self.file or f"<{self.name}>")
        module = importlib.util.module_from_spec(
            importlib.util.spec_from_loader("own_program", None, origin=place)  # type: ignore[arg-type]
        )
        module.__file__ = place
        linecache.cache[place] = (len(self.text), None, self.text.splitlines(keepends=True), place)
        if self.file is not None and (folder := str(self.file.parent.resolve())) not in sys.path:
            sys.path.append(folder)  # last, so that no file there hides a package of ours
        sys.modules["own_program"] = module  # dataclasses look there
        try:
            with redirect_stdout(sys.stderr):
                exec(compile(self.text, place, "exec"), module.__dict__)
        except (Exception, SystemExit) as error:
            text = " ".join(str(error).split())
            raise GrammarError(f"{self.name}: running the file failed with {type(error).__name__}: {text}") from error
        found = module.__dict__.get(entry)
        if not callable(found):
            raise GrammarError(f"{self.name}: expected a function {entry!r}, got {type(found).__name__}")
        return found  # type: ignore[no-any-return]


def own_program(program: OwnProgram | Path | str | Callable[..., Any], *, is_run: bool = True) -> OwnProgram:
    """A file, a Python text, or a function, as a program of one's own.

    Raises GrammarError for a file that cannot be read. With ``is_run`` False a text is read or refused.
    """
    match program:
        case OwnProgram():
            return program
        case Path():
            return from_file(program, is_run=is_run)
        case str():
            return OwnProgram(TEXT, program, is_run=is_run)
    if not callable(program):
        raise GrammarError(f"expected a program, its text, its file or a function, got {type(program).__name__}")
    if not is_run:
        raise GrammarError(f"{name_of(program)} is a function, which can only be run; give its text to have it read")
    return OwnProgram(name_of(program), function=program)


def from_file(path: Path, entry: str | None = None, *, is_run: bool = True) -> OwnProgram:
    """The function ``entry`` of a file (None: its only one that no other calls); GrammarError where there is none."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise GrammarError(f"{path}: expected a Python function in UTF-8, cannot read it: {error}") from None
    if len(text) > MOST_TEXT:
        raise GrammarError(f"{path}: expected at most {MOST_TEXT:,} characters, got {len(text):,}")
    name = path.name if entry is None else f"{path.name}:{entry}"
    selected(text, entry, name)  # or it is bad input, before any work
    return OwnProgram(name, text, entry, file=path, is_run=is_run)


# --- texts ----------------------------------------------------------------------------------------------------------


def selected(text: str, entry: str | None, name: str) -> str:
    """The function ``entry`` of a file, below those that it calls, and nothing else of the file.

    None: the only one that no other calls. Raises GrammarError where there is none, or more than one.
    """
    try:
        module = ast.parse(text)
    except SyntaxError as error:
        raise GrammarError(f"{name}: not Python: line {error.lineno}: {error.msg}") from error
    except (ValueError, MemoryError, RecursionError) as error:
        raise GrammarError(f"{name}: not Python: {error}") from error
    functions: dict[str, ast.FunctionDef] = {}
    for node in module.body:
        if isinstance(node, ast.FunctionDef):
            functions.pop(node.name, None)
            functions[node.name] = node  # the later one counts
    if entry is None:
        called = {other for node in functions.values() for other in _free(node) - {node.name}}
        free = [key for key in functions if key not in called]
        if len(free) != 1:
            found = ", ".join(functions) or "none"
            raise GrammarError(
                f"{name}: expected a file with one function beside those that it calls, found {found}; "
                "name it: FILE.py:FUNCTION"
            )
        entry = free[0]
    if entry not in functions:
        raise GrammarError(f"{name}: no function {entry!r} in it; it has {', '.join(functions) or 'none'}")
    needed, queue = {entry}, [entry]
    while queue:
        fresh = (_free(functions[queue.pop()]) & functions.keys()) - needed
        needed |= fresh
        queue += fresh
    order = [key for key in functions if key in needed and key != entry] + [entry]
    parts = [ast.get_source_segment(text, functions[key]) or ast.unparse(functions[key]) for key in order]
    decorated = "".join("@" + ast.unparse(part) + "\n" for part in functions[entry].decorator_list)
    return "\n\n\n".join([*parts[:-1], decorated + parts[-1]]) + "\n"


def hidden_names(text: str, chosen: str) -> list[str]:
    """Names that the functions ``chosen`` of a file use and that mean something else in the file than in Python."""
    functions = [node for node in ast.parse(chosen).body if isinstance(node, ast.FunctionDef)]
    bound: list[str] = []
    for node in ast.parse(text).body:
        bound += _bound(node)
    used = set[str]().union(*map(_free, functions))
    if "*" in bound:
        return ["*"]
    own = {function.name for function in functions}
    twice = {name for name in own if bound.count(name) > 1}
    return sorted((used & set(bound) - own) | (twice & used) | {name for name in own if hasattr(builtins, name)})


def needed_names(text: str, function: Callable[..., Any]) -> list[str]:
    """Names that a text uses, and to which ``function``, whose text it is, gives a meaning elsewhere."""
    nodes = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
    used = set[str]().union(*map(_free, nodes)) - {node.name for node in nodes}
    known = {**getattr(function, "__globals__", {}), **dict.fromkeys(_enclosed(function))}
    return sorted(name for name in used if known.get(name, getattr(builtins, name, None)) is not _builtin(name))


def _enclosed(function: Callable[..., Any]) -> tuple[str, ...]:
    """Names of the functions around it that it uses."""
    return getattr(getattr(function, "__code__", None), "co_freevars", ())


def _builtin(name: str) -> object:
    """What Python means by a name; nothing that any other name means where that is nothing."""
    return getattr(builtins, name, object())


def check_parameters(name: str, function: Callable[..., Any], count: int) -> None:
    """Raise GrammarError unless ``function`` can be called with so many values."""
    what = "a sequence of tokens and a place in it, as there is a label at every place" if count == 2 else (
        "one sequence of tokens"
    )  # fmt: skip
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return  # it says nothing of itself
    try:
        signature.bind(*range(count))
    except TypeError:
        raise GrammarError(f"{name}: expected a function of {what}, got one of {signature}") from None


def _bound(node: ast.AST) -> Iterator[str]:
    """Names that a statement at the top of a file gives a meaning."""
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
            return
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in names)
            return
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            yield name
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            yield name
        case ast.Global(names=globals_):
            yield from globals_
    for inner in ast.iter_child_nodes(node):
        yield from _bound(inner)


def _free(function: ast.FunctionDef) -> set[str]:
    """Names that a function reads and does not bind itself."""
    names = [node for node in ast.walk(function) if isinstance(node, ast.Name)]
    own = {node.id for node in names if not isinstance(node.ctx, ast.Load)}
    own |= {node.arg for node in ast.walk(function) if isinstance(node, ast.arg)}
    return {node.id for node in names} - own


def _with_parameters(text: str, names: tuple[str, ...]) -> str:
    """The text with these names for the parameters of its last function, where none of them is used otherwise."""
    module = ast.parse(text)
    function = module.body[-1] if module.body else None
    if not isinstance(function, ast.FunctionDef):
        return text
    given = [argument.arg for argument in function.args.args]
    if tuple(given) == names or len(given) != len(names) or len(set(given)) < len(given):
        return text
    inside = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
    inside |= {node.arg for node in ast.walk(function) if isinstance(node, ast.arg)} - set(given)
    if (inside - set(given)) & set(names):
        return text
    return _renamed(module, dict(zip(given, names, strict=True)))


def _with_tokens(text: str) -> str:
    """The text with ``token`` for what its last function goes through its tokens by, if that has one other name."""
    module = ast.parse(text)
    function = module.body[-1]
    names = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
    loops = [node for node in ast.walk(function) if isinstance(node, ast.For | ast.comprehension)]
    found = {
        loop.target.id
        for loop in loops
        if isinstance(loop.target, ast.Name) and isinstance(loop.iter, ast.Name) and loop.iter.id == "tokens"
    }
    if len(found) != 1 or "token" in names:
        return text
    return _renamed(module, {found.pop(): "token"})


def _renamed(module: ast.Module, renamed: dict[str, str]) -> str:
    """The text of a module with other names for some of its last function's own."""

    class Renamer(ast.NodeTransformer):
        def visit_Name(self, name: ast.Name) -> ast.AST:
            return ast.Name(renamed.get(name.id, name.id), name.ctx)

        def visit_arg(self, argument: ast.arg) -> ast.AST:
            return ast.arg(renamed.get(argument.arg, argument.arg), argument.annotation)

    module.body[-1] = Renamer().visit(copy.deepcopy(module.body[-1]))
    return ast.unparse(ast.fix_missing_locations(module))


def _readers(table: LabelTable, text: str) -> Iterator[Callable[[str], Program]]:
    """The ways to read a text, one after the other: the user's own grammar alone, or all that ships."""
    if table.own_grammar is not None:
        yield partial(Program.parse, grammar=table.own_grammar)
        return
    for labels in _labels(table, text):
        yield partial(Program.parse, grammar=grammar_of(table.domain, labels, table.is_placed))
        yield partial(read_machine, signature=signature_of(table.domain.alphabet, labels, table.is_placed))


def _labels(table: LabelTable, text: str) -> tuple[tuple[str, ...], ...]:
    """The labels of the network that are known; and where a text returns others, these as well."""
    readout = table.enumeration.loaded.readout
    is_few = isinstance(readout, Argmax) and len(readout.names) <= MOST_LABELS // 2
    known = readout.names if isinstance(readout, Argmax) and is_few else table.names
    parts = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Return | ast.Assign)]
    values = [node.value for part in parts for node in ast.walk(part) if isinstance(node, ast.Constant)]
    others = dict.fromkeys(value for value in values if isinstance(value, str) and value not in known)
    return (known, (*known, *others)[:MOST_LABELS]) if others else (known,)


def _text_of(function: Callable[..., Any]) -> str:
    """The text of a function, if it has one that is a function."""
    with suppress(OSError, TypeError, SyntaxError, IndentationError):
        text = inspect.cleandoc("\n" + inspect.getsource(function)) + "\n"
        if any(isinstance(node, ast.FunctionDef) for node in ast.parse(text).body):
            return text
    return ""

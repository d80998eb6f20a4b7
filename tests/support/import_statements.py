"""The import statements of a file, found without looking into its expressions."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path


@cache
def import_statements(path: Path) -> tuple[tuple[ast.Import | ast.ImportFrom, bool], ...]:
    """Each of them, and whether it is run when the file is imported: not in a function, not for types alone."""
    return tuple(_within(ast.parse(path.read_text(encoding="utf-8")), at_import=True))


def _within(node: ast.AST, at_import: bool) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    for inner in ast.iter_child_nodes(node):
        if isinstance(inner, ast.Import | ast.ImportFrom):
            yield inner, at_import
        elif isinstance(inner, ast.stmt | ast.ExceptHandler | ast.match_case):
            is_for_types = isinstance(inner, ast.If) and ast.unparse(inner.test) == "TYPE_CHECKING"
            is_late = isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef) or is_for_types
            yield from _within(inner, at_import and not is_late)

"""The tutorial runs from top to bottom, and prints what stands in it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
TUTORIAL = Path(__file__).resolve().parents[2] / "docs" / "tutorial.ipynb"
PASSING = re.compile(r"\d+(\.\d+)?")  # what another machine may have others of


def printed(notebook: Any) -> list[list[str]]:
    """What each cell printed, as text, without its numbers."""
    return [
        [PASSING.sub("#", text) for output in cell.get("outputs", []) if (text := _text(output))]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def _text(output: Any) -> str:
    if output.output_type == "stream":
        return str(output.text)
    plain = str(output.get("data", {}).get("text/plain", ""))
    return "" if plain.startswith("<IPython.core.display") else plain


@pytest.mark.slow
def test_the_tutorial_runs_and_prints_what_stands_in_it(tmp_path, monkeypatch, request):
    notebook = nbformat.read(TUTORIAL, as_version=4)
    before = printed(notebook)
    monkeypatch.setenv("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    client = nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        client.execute(cwd=str(tmp_path))
    if request.config.getoption("--refresh-golden"):
        for cell in notebook.cells:
            cell.metadata.pop("execution", None)
        nbformat.write(notebook, TUTORIAL)
        before = printed(notebook)
    assert printed(notebook) == before, "the tutorial prints something else: look, then run pytest --refresh-golden"
    assert (tmp_path / "majority.html").stat().st_size > 50_000
    assert (tmp_path / "majority.cert" / "certificate.json").is_file()

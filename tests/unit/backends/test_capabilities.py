"""Claims about ``needs``: a missing solver skips a test with a reason, and fails it where all should be installed."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from backends import BackendError
from backends.package import PysmtBackend


@pytest.fixture
def setup(pytestconfig, monkeypatch):
    monkeypatch.setattr(PysmtBackend, "is_installed", lambda backend: backend.name == "cvc5")
    plugins = pytestconfig.pluginmanager.get_plugins()
    conftest = next(
        p for p in plugins if getattr(p, "__file__", None) == str(pytestconfig.rootpath / "tests/conftest.py")
    )

    def run(*names: str) -> None:
        conftest.pytest_runtest_setup(SimpleNamespace(iter_markers=lambda name: [pytest.mark.needs(*names).mark]))

    return run


def test_a_missing_solver_skips_with_a_reason(setup, monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="the solver z3 is not installed"):
        setup("cvc5", "z3")
    setup("cvc5")


def test_a_missing_solver_is_a_failure_on_ci(setup, monkeypatch):
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="z3 is not installed"):
        setup("z3")


def test_an_unknown_solver_is_never_skipped(setup):
    with pytest.raises(BackendError):
        setup("z4")

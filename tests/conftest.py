"""What every test may use: the capability marker, golden files, and one deterministic hypothesis profile."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Generator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: on tiny networks its threads cost ten times the work

import pytest
from deriving import derived
from hypothesis import HealthCheck, settings

from backends import get
from dsl.operators import Term

GOLDEN = Path(__file__).parent / "golden"

settings.register_profile("ci", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("quick", settings.get_profile("ci"), max_examples=20)  # pytest -m "not slow"
settings.register_profile("search", deadline=None, max_examples=1000)  # pytest --hypothesis-profile=search
settings.load_profile("ci")


def pytest_configure(config: pytest.Config) -> None:
    if "not slow" in config.option.markexpr and not config.getoption("--hypothesis-profile"):
        settings.load_profile("quick")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Modules and collected tests live to the end, so no collection of garbage need ever walk through them."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--refresh-golden", action="store_true", help="write what the golden tests see to tests/golden")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose solver is missing; where every solver should be installed (CI=true) that is a failure."""
    for marker in item.iter_markers("needs"):
        for name in marker.args:
            if not get(name).is_installed():
                reason = f"the solver {name} is not installed"
                if os.environ.get("CI") == "true":
                    pytest.fail(reason, pytrace=False)
                pytest.skip(reason)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """``golden(name, text)`` compares ``text`` byte for byte with ``tests/golden/name``."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("--refresh-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
        assert path.is_file(), f"{name} is new: look at what is printed, then run pytest --refresh-golden"
        assert text == path.read_bytes().decode(), f"{name} changed: if that is meant, run pytest --refresh-golden"

    return compare


@pytest.fixture(scope="session")
def derive() -> Callable[..., Term]:
    """``derive(grammar, nonterminal, size, choose)``: a term by walking productions, of about ``size`` operators.

    ``choose(options)`` picks one: ``random.Random(0).choice``, or hypothesis's ``draw`` over ``sampled_from``.
    """

    return derived

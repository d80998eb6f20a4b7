"""The public names of ``tasks``: all there, listed once, and imported only when they are asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

import tasks


def test_every_public_name_is_there_and_says_what_it_is():
    assert sorted(tasks.LATER) == sorted(tasks.__all__)
    assert set(tasks.__all__) <= set(dir(tasks))
    for name in tasks.__all__:
        assert getattr(tasks, name).__doc__


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = tasks.nothing


@pytest.mark.parametrize(
    ("statement", "absent"),
    [("import tasks", {"numpy", "torch", "flint"}), ("from tasks import distill, from_torch, load", {"torch"})],
)
def test_importing_stays_light(statement, absent):
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not absent & set(run.stdout.split())

"""Certificates for other people's networks; skipped where the folder of cases is absent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cegis.certificate import Certificate
from tasks.certificates.independent import attest
from tasks.checker.evidence import check
from tasks.formats import load
from tasks.pipeline.distill import distill

CASES = Path(os.environ.get("DISTILL_CASES", Path(__file__).resolve().parents[5] / "shared" / "cases"))
SLOW = pytest.mark.slow


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "longest", "inputs"),
    [
        ("gpt2/bce_D2", 10, 94),
        pytest.param("tracr/hist", None, 1641, marks=SLOW),
        pytest.param("dyck/dyck10", None, 1024, marks=SLOW),
        pytest.param("gpt2/bce_tomita4", 12, 3735, marks=SLOW),
    ],
)
def test_a_network_of_other_people_is_certified(case, longest, inputs, tmp_path):
    folder = CASES / case
    if not folder.is_dir():
        pytest.skip(f"no case {case} in {CASES} (set DISTILL_CASES)")
    loaded = load(folder)
    domain = loaded.domain if longest is None else loaded.domain.up_to(longest)
    certificate = attest(distill(loaded, domain, seconds=10), folder)
    assert isinstance(certificate, Certificate), certificate
    found = check(certificate.save(tmp_path / "c"))
    assert found["inputs"] == inputs
    assert found["semantics"] in ("float32", "float64")

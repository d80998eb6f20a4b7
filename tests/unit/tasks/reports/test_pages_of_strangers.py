"""A result that was read may hold anything: it becomes a page, or is refused in a sentence."""

from __future__ import annotations

import contextlib
import json
from itertools import islice

import pytest
from counted_circuits import shipped
from distilling import distilled
from json_junk import JUNK, changed, leaves
from quick import sliced

from cegis.domain import DomainError
from tasks.networks.sparse_transformer import NetworkError
from tasks.pipeline.report import distillation_json
from tasks.reports.page import page
from tasks.reports.subject import of_json


@pytest.mark.parametrize("step", sliced([3, 1], 2))
def test_junk_at_any_place_of_a_result_is_shown_or_refused(tmp_path, step):
    whole = json.loads(json.dumps(distillation_json(distilled(shipped("bracket_dilution"), length=3))))
    whole["network"] = "another"  # of which nothing is at hand
    file = tmp_path / "x.json"
    shown = 0
    for number, path in enumerate(islice(leaves(whole), 0, None, step)):
        file.write_text(json.dumps(changed(whole, path, JUNK[number % len(JUNK)])))
        with contextlib.suppress(NetworkError, DomainError):
            assert page(of_json(file)).endswith("</html>\n")
            shown += 1
    assert shown > 12


@pytest.mark.slow
def test_junk_about_a_network_that_is_at_hand_is_shown_or_refused(tmp_path):
    whole = json.loads(json.dumps(distillation_json(distilled(shipped("bracket_dilution"), length=3))))
    file = tmp_path / "x.json"
    for key in ("alphabet", "constraint", "lengths", "horizon", "exceptions", "certificate", "format"):
        for junk in JUNK:
            file.write_text(json.dumps(whole | {key: junk}))
            with contextlib.suppress(NetworkError, DomainError):
                of_json(file)

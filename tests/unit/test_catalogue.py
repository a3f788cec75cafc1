"""The catalogue's documents are what their sources say, and pass every check."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sagas.checks import check, gates
from tools.catalogue import CATALOGUE, FOLDER, path_of, text_of
from troth import Saga

NAMES = [saga.name for saga in CATALOGUE]


@pytest.fixture(params=CATALOGUE, ids=NAMES)
def saga(request: pytest.FixtureRequest) -> Saga[Any, Any]:
    return request.param


def test_a_document_is_what_its_source_says(saga: Saga[Any, Any]) -> None:
    """Else: `python -m tools.catalogue`, and another version if an engine has the old one."""
    assert path_of(saga).read_text("utf-8") == text_of(saga)


def test_a_document_passes_every_check_of_registration(saga: Saga[Any, Any]) -> None:
    assert check(json.loads(path_of(saga).read_text("utf-8"))) == []


def test_no_document_lies_there_without_a_source() -> None:
    """One that nothing makes would be kept up by nobody."""
    assert set(FOLDER.glob("*.json")) == {path_of(saga) for saga in CATALOGUE}


def test_signing_needs_a_decision_before_the_envelope_and_before_our_own_signature() -> None:
    document = json.loads((FOLDER / "signature.v1.json").read_text("utf-8"))
    asked = {step: str(gate) for step, gate in gates(document).items()}
    assert asked == {"send_envelope": "legal(A2)", "countersign": "release(A2)"}

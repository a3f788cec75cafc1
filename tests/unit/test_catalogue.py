"""The catalogue's documents are what their sources say, and pass every check."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from sagas.checks import check, gates
from tools.catalogue import CATALOGUE, FOLDER, path_of, text_of
from troth import App, Saga

EXAMPLES_FOLDER = Path(__file__).parents[2] / "examples"
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


GATES = {
    "partner-activation": {"activate": "legal(A2)"},
    "signature": {"send_envelope": "legal(A2)", "countersign": "release(A2)"},
    "dd-room": {"open": "board(A3)", "grant": "admit(A2)"},
    "self-improvement": {"start_trial": "experiment(A1)", "promote": "promotion(A1)"},
    "prospecting": dict.fromkeys(("whatsapp", "mail", "linkedin", "voice"), "outreach(A1)"),
}


def test_what_is_allowed_by_people_is_asked_before(saga: Saga[Any, Any]) -> None:
    document = json.loads(path_of(saga).read_text("utf-8"))
    asked = {step: str(gate) for step, gate in gates(document).items()}
    assert asked == GATES.get(saga.name, {})


EXAMPLES = sorted(path.parent.name for path in EXAMPLES_FOLDER.glob("*/participants.py"))


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_serves_every_contract_of_its_sagas(example: str) -> None:
    """`troth worker examples.NAME.participants:app` runs all that the saga asks for."""
    app: App = import_module(f"examples.{example}.participants").app
    wanted = {contract for saga in app.sagas for contract in saga.contracts()}
    assert wanted <= app.contracts().keys()
    assert {path_of(saga) for saga in app.sagas} <= {path_of(saga) for saga in CATALOGUE}


def test_each_flow_has_an_example() -> None:
    """The loan offer has no participants."""
    assert len(EXAMPLES) == 6
    served = {
        saga.name
        for example in EXAMPLES
        for saga in import_module(f"examples.{example}.participants").app.sagas
    }
    assert {saga.name for saga in CATALOGUE} - served == {"loan-offer"}

"""The checks and the engine read one document in one way."""

import json
from pathlib import Path
from typing import Any

import pytest

from sagas.checks.tree import Document
from sagas.loading import load

ROOT = Path(__file__).resolve().parents[3]
FILES = [
    *sorted((ROOT / "tests/definitions/right").glob("*.json")),
    *sorted((ROOT / "sagas/catalogue").glob("*.json")),
    *sorted((ROOT / "tests/golden/definitions").glob("*.json")),
]


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def document(request: pytest.FixtureRequest) -> dict[str, Any]:
    return json.loads(request.param.read_text("utf-8"))


def test_every_node_and_handler_has_the_path_that_the_engine_gives_it(
    document: dict[str, Any],
) -> None:
    """A fault, a decision and an event name the same thing."""
    tree, loaded = Document(document), load(document, "00")
    paths = [part.template for part in [*tree.nodes, *tree.handlers, *tree.updates]]
    assert {*paths, ""} == set(loaded.by_template)


def test_an_approve_covers_what_the_engine_binds(document: dict[str, Any]) -> None:
    tree, loaded = Document(document), load(document, "00")
    for approve in (node for node in tree.nodes if node.kind == "approve"):
        bound = [step.template for step in loaded.by_name[approve.name].covers]
        assert [step.template for step in approve.covers] == bound


def test_a_step_is_gated_where_the_engine_wants_a_decision(document: dict[str, Any]) -> None:
    tree, loaded = Document(document), load(document, "00")
    assert {name: contract.gated for name, contract in tree.contracts.items()} == {
        name: contract.gated for name, contract in loaded.contracts.items()
    }

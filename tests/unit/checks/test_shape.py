"""The form of a document: whatever comes in, the answer is a fault and never an exception."""

from typing import Any

import pytest

from sagas import defaults
from sagas.checks import check
from tests.unit.checks.documents import of, scope, sleep, step

Json = Any


@pytest.mark.parametrize("document", [None, 1, "x", [], {}, [{}], {"troth": 1}])
def test_what_is_no_definition_is_told_so(document: Json) -> None:
    assert {fault.alias for fault in check(document)} == {"def.shape"}


@pytest.mark.parametrize("value", [float("nan"), 2**60, "\ud800"])
def test_what_is_no_json_for_every_reader_is_refused(value: Json) -> None:
    """Its hash would differ from language to language."""
    (fault,) = check(of(sleep("pause"), result={"const": value}))
    assert fault.alias == "def.shape"


def test_a_document_has_a_size() -> None:
    padding = {"x": {"description": "x" * defaults.DEFINITION_BYTES_MAX}}
    (fault,) = check(of(sleep("pause"), schemas=padding))
    assert fault.alias == "def.bound"
    assert "bytes" in fault.message


def test_where_it_was_written_does_not_count_to_its_size() -> None:
    source = {"file": "a.py", "lines": {f"n{i:06}": i for i in range(1, 30_000)}}
    assert check(of(sleep("pause"), source=source)) == []


def test_a_document_has_a_number_of_nodes() -> None:
    fits = [sleep(f"n{i}") for i in range(defaults.NODES_MAX)]
    assert check(of(*fits)) == []
    (fault,) = check(of(*fits[:-1], scope("last", sleep("one_more"))))
    assert (fault.alias, fault.message) == ("def.bound", "501 nodes are over 500")


def test_blocks_have_a_depth() -> None:
    def nested(depth: int) -> Json:
        node = sleep("pause")
        for level in range(depth - 1):
            node = scope(f"level_{level}", node)
        return of(node)

    assert check(nested(defaults.DEPTH_MAX)) == []
    (fault,) = check(nested(defaults.DEPTH_MAX + 1))
    assert fault.alias == "def.bound"
    assert "deeper than 32" in fault.message


def test_what_is_not_built_yet_is_named_wherever_it_stands() -> None:
    """Each with its own name, so that nobody looks for a typing error."""
    document = of(sleep("pause"), undo_flow=[step("back")])
    faults = check(document)
    assert {fault.alias for fault in faults} == {"def.not_yet"}
    assert [fault.message for fault in faults] == ["undo_flow of a saga is not built yet"]


def test_a_wrong_member_is_told_with_the_one_that_was_meant() -> None:
    faults = check(of(step("create", tiemout="2m", retry={"atempts": 3})))
    assert {fault.message for fault in faults} == {
        "step create: tiemout is not a known field; timeout?",
        "step create: retry.atempts is not a known field; attempts?",
    }

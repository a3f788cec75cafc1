"""What may fail behind a pivot, or beside one, and whether it goes somewhere."""

from __future__ import annotations

from typing import Any

import pytest

from sagas.checks import check
from tests.semantics.language import (
    add,
    approve,
    branch,
    child,
    each,
    fail,
    lock,
    milestone,
    on_failure,
    parallel,
    repeat,
    saga,
    scope,
    sleep,
    step,
    task,
    wait,
)

Json = Any
INPUT = {
    "type": "object", "required": ["id"], "properties": {
        "id": {"type": "string"}, "xs": {"type": "array", "items": {"type": "string"}},
    },
}  # fmt: skip
SURE: Json = {"retry": {"on": []}, "within": "9d"}
PAY = approve(
    "ok", step("pay", irreversible="pivot", risk="R2", level="A1", unknown="ask", **SURE),
    within="9d",
)  # fmt: skip
PATIENT = step("later", **SURE)


def stranded(*behind: Json, **members: Json) -> list[str]:
    """What is said of nodes behind a pivot whose failures go nowhere."""
    found = check(saga(PAY, *behind, input=INPUT, **members))
    return [fault.message for fault in found if fault.alias == "def.stranded"]


FAILING: dict[str, tuple[Json, str]] = {
    "step": (step("x"), "transient and timeout failures go"),
    "approve": (
        approve("x", step("y", risk="R2", level="A1", unknown="ask", **SURE), within="2d",
                on_expiry="continue"),
        "rejected failure goes",
    ),
    "task": (task("x", within="1d"), "timeout failure goes"),
    "fail": (fail("x", "no"), "business failure goes"),
    "lock": (
        lock("x", PATIENT, on_expiry="continue", max_hold="1h"), "timeout failure goes"
    ),
    "child": (child("x", within="1d", on_expiry="continue"), "business failure goes"),
    "repeat": (repeat("x", PATIENT, max=3, until="false"), "business failure goes"),
    "join of some": (
        parallel("x", branch("l", PATIENT), branch("m", step("n", **SURE)), join={"until": "true"}),
        "business failure goes",
    ),
    "join of items": (each("x", PATIENT, max_items=9, join="any"), "business failure"),
    "deadline": (scope("x", PATIENT, deadline={"after": "2d"}), "deadline failure goes"),
    "while": (scope("x", PATIENT, **{"while": "input.id != ''"}), "deadline failure goes"),
}  # fmt: skip


@pytest.mark.parametrize("kind", FAILING)
def test_a_failure_behind_a_pivot_goes_somewhere(kind: str) -> None:
    node, which = FAILING[kind]
    said = stranded(node)
    assert [text for text in said if text.startswith("x follows pivot pay") and which in text]
    caught = on_failure("*", step("tell", **SURE))
    assert stranded(scope("around", node, on_failure=[caught])) == []


def test_an_add_behind_a_pivot_may_find_its_list_closed() -> None:
    adding = add("x", "parts", "['q']")
    both = parallel(
        "p", branch("l", each("parts", PATIENT, open=True, close_when="false", max_items=9)),
        branch("m", sleep("s", "1d"), adding),
    )  # fmt: skip
    assert any(text.startswith("x follows pivot pay") for text in stranded(both))


@pytest.mark.parametrize(
    "node",
    [PATIENT, sleep("x", "1d"), wait("x", within="1d", on_expiry="continue"),
     milestone("x", "input.id == ''", within="1d", on_expiry="continue"),
     repeat("x", PATIENT, max=3, until="false", on_max="continue"),
     parallel("x", branch("l", step("x1")), branch("m", PATIENT), on_branch="collect")],
    ids=["patient step", "sleep", "wait", "await", "repeat", "collected"],
)  # fmt: skip
def test_what_cannot_fail_needs_no_place_to_go(node: Json) -> None:
    assert stranded(node) == []


def test_a_clause_without_a_flow_is_no_place_to_go() -> None:
    part = scope("around", step("x"), on_failure=[on_failure("*")])
    assert any(text.startswith("x follows pivot pay") for text in stranded(part))


# --- beside ----------------------------------------------------------------------------------


def beside(*branches: Json) -> list[str]:
    found = check(saga(parallel("p", *branches), input=INPUT))
    return [fault.message for fault in found if fault.alias == "def.pivot_beside"]


def test_a_branch_may_not_fail_beside_a_pivot() -> None:
    assert beside(branch("x", PAY), branch("y", step("z"))) == [
        "branch y may fail beside the pivot in branch x: catch it in y"
    ]
    assert beside(branch("x", PAY), branch("y", PATIENT)) == []


def test_a_branch_that_comes_before_or_after_the_pivot_is_not_beside_it() -> None:
    middle = branch("mid", PATIENT, after=["x"])
    assert beside(branch("x", PAY), middle, branch("y", step("z"), after=["mid"])) == []
    assert beside(branch("x", PAY, after=["y"]), branch("y", step("z"))) == []

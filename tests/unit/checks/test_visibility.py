"""What is sure, what is maybe, and what is out of sight (semantics section 1)."""

from typing import Any

import pytest

from sagas.checks import check
from tests.unit.checks.documents import approve, of, scope, sleep, step

Json = Any
BIG = "input.amount > 1000"


def read(name: str) -> Json:
    """A step that reads the whole result of a node, whatever its kind."""
    return {"node": "set", "name": "keep", "values": {"v": f"results.{name}"}}


def codes(*flow: Json, **members: Json) -> list[str]:
    members.setdefault("vars", {"v": {"schema": {}, "initial": 0}})
    return [fault.alias for fault in check(of(*flow, **members))]


def choose(flow: list[Json], other: list[Json]) -> Json:
    branch = {"name": "big", "when": BIG, "flow": flow}
    return {"node": "choose", "name": "size", "branches": [branch], "else": other}


FAIL = {"node": "fail", "name": "no", "code": "no"}
WITHDRAWN = {
    "partner.withdrawn": {"version": 1, "schema": {"type": "object"}, "key": "company"},
}


def handler(*flow: Json, **members: Json) -> Json:
    found = {"name": "stopped", "events": ["partner.withdrawn"], "key": "input.company"}
    return found | {"flow": list(flow)} | members


def test_what_every_way_that_goes_on_has_set_is_sure() -> None:
    """A way that ends in a failure is no way to what follows."""
    assert codes(choose([step("one")], [FAIL]), read("one")) == []
    assert codes(choose([step("one")], [sleep("pause")]), read("one")) == ["def.maybe_unset"]


def test_a_block_yields_its_own_value_surely() -> None:
    assert codes(choose([step("one")], []), read("size")) == []


def test_the_branch_of_a_race_sees_its_own_trigger_only() -> None:
    def race(reads: str) -> Json:
        first = {"node": "approve", "name": "yes", "level": "A1", "within": "1d", "for": []}
        keep = {"node": "set", "name": "keep", "values": {"v": f"decisions.{reads}"}}
        other = {"node": "approve", "name": "also", "level": "A1", "within": "1d", "for": []}
        branches = [
            {"name": "one", "on": first, "flow": [keep]},
            {"name": "two", "on": other, "flow": []},
        ]
        return {"node": "race", "name": "reply", "branches": branches}

    assert codes(race("yes")) == []
    assert codes(race("also")) == ["def.not_visible"]


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({}, []),
        ({"join": "any"}, ["def.maybe_unset"]),
        ({"join": 2}, ["def.maybe_unset"]),
        ({"on_branch": "collect"}, ["def.maybe_unset"]),
    ],
)
def test_a_parallel_gives_surely_what_it_surely_did(members: Json, expected: list[str]) -> None:
    branches = [{"flow": [step("one")]}, {"flow": [sleep("pause")]}]
    parallel = {"node": "parallel", "name": "both", "branches": branches} | members
    assert codes(parallel, read("one")) == expected


def test_a_branch_that_comes_after_another_does_not_see_into_it() -> None:
    """It may come after a branch that was skipped."""
    branches = [
        {"name": "first", "flow": [step("one")]},
        {"name": "second", "after": ["first"], "flow": [read("one")]},
    ]
    parallel = {"node": "parallel", "name": "both", "branches": branches}
    assert codes(parallel) == ["def.not_visible"]


def test_a_round_sees_itself_and_what_was_before_the_loop() -> None:
    loop = {"node": "repeat", "name": "touches", "max": 3, "flow": [step("one"), read("one")]}
    assert codes(step("before"), loop | {"until": "results.one.id == results.before.id"}) == []
    assert codes(loop | {"while": "results.one.id == ''"}) == ["def.not_visible"]


def test_a_handler_sees_what_was_sure_when_its_scope_opened() -> None:
    inner = scope("open", sleep("pause"), handlers=[handler(read("before"))])
    assert codes(step("before"), inner, events=WITHDRAWN) == []


def test_the_way_through_a_clause_leaves_inner_names_open() -> None:
    """After a scope that caught a failure, what failed may not have been done."""
    clause = {"on": ["*"], "flow": []}
    assert codes(scope("part", step("one"), on_failure=[clause]), read("one")) == [
        "def.maybe_unset"
    ]
    ends = {"on": ["*"], "flow": [FAIL]}
    assert codes(scope("part", step("one"), on_failure=[ends]), read("one")) == []


def test_a_decision_that_may_be_missing_is_maybe_there_for_what_it_allows() -> None:
    """`on_reject: continue` skips the block behind the decision, not the decision."""
    gate = approve("gate", "A1", step("one"), on_reject="continue")
    keep = {"node": "set", "name": "keep", "values": {"v": "decisions.gate"}}
    assert codes(gate, keep) == []
    assert codes(gate, read("one")) == ["def.maybe_unset"]


def test_a_deadline_is_read_inside_of_what_has_it() -> None:
    inner = {"node": "sleep", "name": "pause", "until": "deadline('open')"}
    outer = scope("open", inner, deadline={"after": "1d"})
    assert codes(outer) == []
    late = scope("open", sleep("pause"), deadline={"after": "1d"})
    late["on_failure"] = [{"on": ["*"], "flow": [inner | {"name": "again"}]}]
    assert codes(late) == ["def.maybe_unset"]

"""Children across lanes of two owners: start, outcome and cancel are mail, each delivered once."""

from __future__ import annotations

from typing import Any

import pytest

from domain.requests import StartRequest
from tests.integration.lane_owners import House
from tests.integration.lane_world import COMPANY, NORTH, World, alias_of, sale

Json = Any
PAIR = {
    "type": "object", "properties": {"company": {"type": "string"}, "of": {"type": "string"}},
    "required": ["company", "of"],
}  # fmt: skip


def deal(*more: Json, version: int = 1, **members: Json) -> Json:
    """A saga whose child is the sale of another company."""
    child = {
        "node": "child", "name": "selling", "saga": "sale", "key": "input.of",
        "input": "{'company': input.of}", "on_undo": "none", **members,
    }  # fmt: skip
    return {
        "troth": 1, "saga": "deal", "version": version, "key": "input.company", "input": PAIR,
        "flow": [child, *more],
    }  # fmt: skip


def begin(world: World, company: str, of: str) -> Any:
    return world.ask(StartRequest(NORTH, "deal", {"company": company, "of": of}))


@pytest.mark.parametrize("home", [0, 1, 2, 3])
def test_a_child_lives_in_the_lane_of_its_key_and_its_parent_hears_how_it_ended(
    house: House, home: int
) -> None:
    house.register(sale(), deal())
    company, other = house.key(0), house.key(home, 1)
    begin(house.a, company, other)
    house.settle()
    assert house.a.step(company, saga="deal")["waits_for"][0]["detail"] == f"sale/{other}#1"
    owner = house.a if home in (0, 1) else house.b
    owner.work()
    owner.publish("signed", other)
    house.settle()
    assert house.a.step(other)["status"] == "fulfilled"
    assert house.a.step(company, saga="deal")["status"] == "fulfilled"


def test_a_cancel_goes_to_the_childs_lane_and_is_awaited(house: House) -> None:
    house.register(sale(), deal())
    company, other = house.key(0), house.key(2)
    begin(house.a, company, other)
    house.settle()
    house.b.work()
    house.a.control("cancel", house.a.id(company, saga="deal"))
    assert house.a.rows("SELECT lane, kind FROM inbox") == [(2, "control")]
    assert house.a.step(company, saga="deal")["waits_for"][0]["kind"] == "child"
    house.look(house.b)
    house.b.work()
    house.settle()
    assert house.a.step(other)["status"] == "cancelled"
    assert house.a.step(company, saga="deal")["status"] == "cancelled"


def test_a_child_whose_saga_is_not_registered_is_refused(house: House) -> None:
    assert alias_of(house.a.register(deal())) == "def.child"
    house.register(sale())
    assert alias_of(house.a.register(deal(version=1))) == ""
    assert alias_of(house.a.register(deal(version=2) | {"flow": [
        deal()["flow"][0] | {"version": 9}
    ]})) == "def.child"  # fmt: skip


def test_sagas_that_always_start_each_other_are_refused(house: House) -> None:
    """Neither alone starts itself; the circle is seen when it would close."""
    house.register(sale(), deal())
    back = {
        "node": "child", "name": "again", "saga": "deal", "key": "input.company",
        "input": "{'company': input.company, 'of': input.company}", "on_undo": "none",
    }  # fmt: skip
    refused = house.a.register(sale(2, flow=[back]))
    assert alias_of(refused) == "def.recursion"
    assert "sale starts deal starts sale" in refused.detail
    guarded = sale(2, flow=[back | {"when": "input.company != 'acme'"}])
    assert house.a.register(guarded)["created"]


def test_what_a_run_left_in_another_lane_starts_anew(house: House) -> None:
    """Its key stream hands it back when the run has ended, and hears that it was taken."""
    waits = [{"node": "wait_for", "name": "signed", "events": ["signed"], "key": "input.company",
              "within": "14d"}]  # fmt: skip
    house.register(sale(flow=waits, double_start={"running": "deliver", "finished": "allow"},
                        input=COMPANY, contracts={}))  # fmt: skip
    company = house.key(2)
    house.a.publish("applied", company)
    house.settle()
    house.a.publish("applied", company)
    house.settle()
    assert house.a.step(company, run=2) == {}
    house.a.publish("signed", company)
    house.settle()
    assert house.a.step(company)["status"] == "fulfilled"
    assert house.a.step(company, run=2)["status"] == "waiting"
    house.a.publish("signed", company)
    house.settle()
    assert house.a.step(company, run=2)["status"] == "fulfilled"
    assert house.a.step(company, run=3) == {}


# --- locks -----------------------------------------------------------------------------------


def pressing() -> Json:
    """Every sale of the tenant holds one lock until it is signed."""
    plain = sale()
    held = {
        "node": "lock", "name": "held", "lock": "press", "within": "9d", "flow": plain["flow"][1:2]
    }  # fmt: skip
    return sale(flow=[held], contracts={})


def test_a_lock_is_passed_between_lanes_of_two_owners_in_the_order_of_requests(
    house: House,
) -> None:
    house.register(pressing())
    names = [house.key(lane) for lane in (0, 2, 1, 3)]
    for company in names:
        house.a.publish("applied", company)
        house.settle()
    for at, company in enumerate(names):
        waits = [house.a.step(name)["waits_for"][0]["kind"] for name in names[at:]]
        assert waits == ["event", *["lock"] * (len(waits) - 1)]
        house.b.publish("signed", company)
        house.settle()
        assert house.a.step(company)["status"] == "fulfilled"
        assert house.a.folded(house.a.id(company)).frames[""]["results"]["held"]["fence"] == at + 1

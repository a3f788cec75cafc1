"""undo_flow: what undoes a scope becomes a member of its node."""

import pytest

from sagas.checks import check
from tests.unit.sdk.world import Order, document_of, nodes_of, tell
from troth import TrothError, scope, sleep, undo_flow


def a_trip(order: Order) -> None:
    with scope("trip"):
        tell(order.number, "x")
        with undo_flow() as error:
            tell.named("back")(order.number, error.code)
    sleep("rest", "1d")


def test_an_undo_flow_is_a_member_of_its_scope() -> None:
    trip, _ = nodes_of(a_trip)
    assert [node["name"] for node in trip["flow"]] == ["tell"]
    assert trip["undo_flow"] == [
        {"node": "step", "name": "back", "contract": "shop/tell@2",
         "args": {"number": "input.number", "text": "error.code"}}
    ]  # fmt: skip
    assert check(document_of(a_trip)) == []


def test_it_stands_in_a_scope_and_not_at_the_left_edge() -> None:
    def flow(order: Order) -> None:
        with undo_flow():
            tell(order.number, "x")

    with pytest.raises(TrothError, match="stands in no scope"):
        nodes_of(flow)


def test_a_scope_has_one() -> None:
    def flow(order: Order) -> None:
        with scope("trip"):
            tell(order.number, "x")
            with undo_flow():
                tell.named("one")(order.number, "x")
            with undo_flow():
                tell.named("two")(order.number, "x")

    with pytest.raises(TrothError, match="two undo_flows"):
        nodes_of(flow)

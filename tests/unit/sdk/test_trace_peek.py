"""A wait that only looks: `peek=True`."""

from sagas.checks import check
from tests.unit.sdk.world import Order, Paid, document_of, nodes_of, tell
from troth import wait_for


def looks(order: Order) -> None:
    paid = wait_for(Paid, order.number, within="14d", peek=True)
    tell(paid.number, "x")


def test_a_wait_may_leave_the_event_to_others() -> None:
    assert nodes_of(looks)[0] == {
        "node": "wait_for",
        "name": "order_paid",
        "events": ["order.paid"],
        "key": "input.number",
        "within": "14d",
        "peek": True,
    }
    assert check(document_of(looks)) == []

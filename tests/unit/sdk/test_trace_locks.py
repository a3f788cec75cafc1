"""lock: a block becomes a node with a flow."""

import pytest

from sagas.checks import check
from tests.unit.sdk.world import Order, document_of, nodes_of, tell
from troth import TrothError, fulfil, lock, out


def a_lock(order: Order) -> None:
    with lock("printing-press", within="1h", max_hold="10m", permits=3) as held:
        tell(order.number, "x")
        out(order.amount)
    with lock("table", within="5m", on_expiry="continue", name="at_table"):
        fulfil(held.fence, name="early")


def test_a_lock_names_what_it_holds_and_for_how_long() -> None:
    press, table = nodes_of(a_lock)
    assert press == {
        "node": "lock", "name": "printing_press", "lock": "printing-press", "within": "1h",
        "max_hold": "10m", "permits": 3, "out": "input.amount",
        "flow": [{"node": "step", "name": "tell", "contract": "shop/tell@2",
                  "args": {"number": "input.number", "text": "'x'"}}],
    }  # fmt: skip
    assert table == {
        "node": "lock", "name": "at_table", "lock": "table", "within": "5m",
        "on_expiry": "continue",
        "flow": [{"node": "fulfil", "name": "early", "result": "results.printing_press.fence"}],
    }  # fmt: skip
    assert check(document_of(a_lock)) == []


def test_a_wait_for_a_lock_without_a_time_is_an_error() -> None:
    def flow(order: Order) -> None:
        with lock("press", within="soon"):
            tell(order.number, "x")

    with pytest.raises(TrothError):
        nodes_of(flow)


def test_a_lock_that_is_not_entered_is_told() -> None:
    def flow(order: Order) -> None:
        lock("press", within="1h")
        tell(order.number, "x")

    with pytest.raises(TrothError, match="lock is a block"):
        nodes_of(flow)

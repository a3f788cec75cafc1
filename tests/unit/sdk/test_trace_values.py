"""Waits, sleeps, vars, facts, ends and expressions: each form beside its node."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.unit.sdk.world import Bid, Order, Paid, Size, Withdrawn, document_of, nodes_of, tell
from troth import (
    Collect,
    cel,
    emit,
    expired,
    fail,
    fulfil,
    has,
    new,
    not_,
    param,
    set_,
    size,
    sleep,
    var,
    wait_for,
    when,
)


def a_wait(order: Order) -> None:
    wait_for(Paid, order.number, within="14d")


def a_wait_with_everything(order: Order) -> None:
    paid = wait_for(
        (Paid, Withdrawn),
        order.number,
        within="14d",
        when=lambda e: e.number != "0",
        name="answer",
        on_expiry="continue",
        early="transient",
    )
    with when("late", expired(paid) | (paid.number == "9")):
        tell(paid.number, "late")


def a_wait_without_a_limit(order: Order) -> None:
    wait_for(Paid, order.number, within=None)


def a_collection(order: Order) -> None:
    bids = wait_for(
        Bid,
        order.number,
        within="1d",
        collect=Collect(until=lambda so_far: size(so_far) >= 3, max=50, quiet="2h"),
    )
    emit("chosen", Bid, bids[0])
    set_found = var("found", list[Bid], [])
    set_(found=bids)
    tell(order.number, bids[1].order_number)
    fulfil(set_found)


def rests(order: Order) -> None:
    sleep("pause", "3d")
    sleep("until_due", until=order.due)
    sleep("day_before", until=cel("input.due", datetime) - timedelta(days=1))
    sleep("new_year", until=datetime(2027, 1, 1, tzinfo=UTC))


def variables(order: Order) -> None:
    counter = var("counter", int, 0)
    last = var("last", Size, Size.SMALL)
    set_(counter=counter + 1)
    set_(counter=counter * 2 - 1, last=Size.BIG)
    set_(last=last, name="same")
    tell(order.number, "x")


def facts(order: Order) -> None:
    emit("announced", Paid, new(Paid, number=order.number, amount=order.amount, by="us"))
    emit("other", Bid, Bid(orderNumber="7", price=1), key=order.number)


def ends(order: Order) -> None:
    fail("too-big")
    fail("too.small", "only " + order.number, name="small")
    fulfil({"number": order.number, "ok": True})
    fulfil(name="empty")


def parameters(order: Order) -> None:
    limit = param("limit", 60)
    with when("over", order.amount > limit):
        fulfil(param("limit", 60))


WAIT = {
    "node": "wait_for",
    "name": "order_paid",
    "events": ["order.paid"],
    "key": "input.number",
    "within": "14d",
}

CASES: list[tuple[Callable[[Order], None], list[Any]]] = [
    (a_wait, [WAIT]),
    (
        a_wait_with_everything,
        [
            WAIT
            | {
                "name": "answer",
                "events": ["order.paid", "order.withdrawn"],
                "when": "event.data.number != '0'",
                "on_expiry": "continue",
                "early": "transient",
            },
            {
                "node": "choose",
                "name": "late",
                "branches": [
                    {
                        "when": "has(events.answer.expired) || events.answer.data.number == '9'",
                        "flow": [
                            {
                                "node": "step",
                                "name": "tell",
                                "contract": "shop/tell@2",
                                "args": {"number": "events.answer.data.number", "text": "'late'"},
                            }
                        ],
                    }
                ],
                "else": [],
            },
        ],
    ),
    (a_wait_without_a_limit, [{k: v for k, v in WAIT.items() if k != "within"}]),
    (
        a_collection,
        [
            {
                "node": "wait_for",
                "name": "bid_made",
                "events": ["bid.made"],
                "key": "input.number",
                "within": "1d",
                "collect": {"until": "size(events.bid_made) >= 3", "max": 50, "quiet": "2h"},
            },
            {
                "node": "emit",
                "name": "chosen",
                "type": "bid.made",
                "key": "events.bid_made[0].data.orderNumber",
                "data": "events.bid_made[0].data",
            },
            {
                "node": "set",
                "name": "set_found",
                "values": {"found": "events.bid_made.map(e, e.data)"},
            },
            {
                "node": "step",
                "name": "tell",
                "contract": "shop/tell@2",
                "args": {"number": "input.number", "text": "events.bid_made[1].data.orderNumber"},
            },
            {"node": "fulfil", "name": "fulfil", "result": "vars.found"},
        ],
    ),
    (
        rests,
        [
            {"node": "sleep", "name": "pause", "for": "3d"},
            {"node": "sleep", "name": "until_due", "until": "timestamp(input.due)"},
            {
                "node": "sleep",
                "name": "day_before",
                "until": "timestamp(input.due) - duration('86400s')",
            },
            {"node": "sleep", "name": "new_year", "until": "timestamp('2027-01-01T00:00:00Z')"},
        ],
    ),
    (
        variables,
        [
            {"node": "set", "name": "set_counter", "values": {"counter": "vars.counter + 1"}},
            {
                "node": "set",
                "name": "set_counter_last",
                "values": {"counter": "vars.counter * 2 - 1", "last": "'big'"},
            },
            {"node": "set", "name": "same", "values": {"last": "vars.last"}},
            {
                "node": "step",
                "name": "tell",
                "contract": "shop/tell@2",
                "args": {"number": "input.number", "text": "'x'"},
            },
        ],
    ),
    (
        facts,
        [
            {
                "node": "emit",
                "name": "announced",
                "type": "order.paid",
                "key": "input.number",
                "data": "{'number': input.number, 'amount': input.amount, 'by': 'us'}",
            },
            {
                "node": "emit",
                "name": "other",
                "type": "bid.made",
                "key": "input.number",
                "data": "{'orderNumber': '7', 'price': 1}",
            },
        ],
    ),
    (
        ends,
        [
            {"node": "fail", "name": "too_big", "code": "too-big"},
            {
                "node": "fail",
                "name": "small",
                "code": "too.small",
                "message": "'only ' + input.number",
            },
            {
                "node": "fulfil",
                "name": "fulfil",
                "result": "{'number': input.number, 'ok': true}",
            },
            {"node": "fulfil", "name": "empty", "result": "null"},
        ],
    ),
    (
        parameters,
        [
            {
                "node": "choose",
                "name": "over",
                "branches": [
                    {
                        "when": "input.amount > params.limit",
                        "flow": [{"node": "fulfil", "name": "fulfil", "result": "params.limit"}],
                    }
                ],
                "else": [],
            }
        ],
    ),
]


@pytest.mark.parametrize(("flow", "nodes"), CASES, ids=lambda case: getattr(case, "__name__", ""))
def test_a_form_becomes_a_node(flow: Callable[[Order], None], nodes: list[Any]) -> None:
    assert nodes_of(flow) == nodes


def test_vars_and_params_are_declared_with_their_schemas() -> None:
    document = document_of(variables)
    assert document["vars"] == {
        "counter": {"schema": {"type": "integer"}, "initial": 0},
        "last": {"schema": {"$ref": "Size"}, "initial": "small"},
    }
    assert document_of(parameters)["params"] == {
        "limit": {"schema": {"type": "integer"}, "default": 60}
    }


def test_events_are_declared_with_version_schema_and_key() -> None:
    assert document_of(a_collection)["events"] == {
        "order.placed": {"version": 1, "schema": {"$ref": "Order"}, "key": "number"},
        "bid.made": {"version": 1, "schema": {"$ref": "Bid"}, "key": "orderNumber"},
    }
    assert document_of(a_wait)["events"]["order.paid"]["version"] == 2


GUARDS: list[tuple[Callable[[Order], bool], str]] = [
    (lambda o: o.amount > 60, "input.amount > 60"),
    (lambda o: 60 < o.amount, "input.amount > 60"),  # noqa: SIM300  # asked from the right
    (lambda o: o.amount >= -5, "input.amount >= -5"),
    (lambda o: (o.amount > 1) & (o.amount < 9) | o.express,
     "input.amount > 1 && input.amount < 9 || input.express"),
    (lambda o: (o.amount > 1) & ((o.amount < 9) | o.express),
     "input.amount > 1 && (input.amount < 9 || input.express)"),
    (lambda o: not_(o.express), "!input.express"),
    (lambda o: not_((o.amount == 1) | o.express), "!(input.amount == 1 || input.express)"),
    (lambda o: (o.amount == 1) == o.express, "(input.amount == 1) == input.express"),
    (lambda o: (o.amount + 1) * 2 > 3 - (o.amount - 4),
     "(input.amount + 1) * 2 > 3 - (input.amount - 4)"),
    (lambda o: -o.amount * -2 == -(o.amount + 1), "-input.amount * -2 == -(input.amount + 1)"),
    (lambda o: o.amount / 2 > 1.5, "double(input.amount) / 2.0 > 1.5"),
    (lambda o: o.rate * o.amount > 10, "input.rate * double(input.amount) > 10.0"),
    (lambda o: o.rate == 1, "input.rate == 1.0"),
    (lambda o: o.size == Size.BIG, "input.size == 'big'"),
    (lambda o: o.note != None, "input.note != null"),  # noqa: E711  # `is` cannot be seen
    (lambda o: has(o.note), "has(input.note)"),
    (lambda o: "a" + o.number == "a\\\"'\u2028\x07é",
     r"""'a' + input.number == 'a\\"\'\u2028\u0007é'"""),
    (lambda o: o.lines[0].count > size(o.lines), "input.lines[0].count > size(input.lines)"),
    (lambda o: o.labels["kind of"] == "b", "input.labels['kind of'] == 'b'"),
    (lambda o: cel("a ? b : c", bool) & o.express, "(a ? b : c) && input.express"),
    (lambda o: cel("meta.now", datetime) < cel("input.due", datetime) + timedelta(hours=1.5),
     "timestamp(meta.now) < timestamp(input.due) + duration('5400s')"),
]  # fmt: skip


@pytest.mark.parametrize(("guard", "text"), GUARDS, ids=[text for _, text in GUARDS])
def test_python_operators_become_text(guard: Callable[[Order], bool], text: str) -> None:
    def flow(order: Order) -> None:
        when("asked", guard(order)).__enter__()

    assert nodes_of(flow)[0]["branches"][0]["when"] == text


def test_a_time_that_was_reckoned_with_becomes_text_again() -> None:
    def flow(order: Order) -> None:
        fulfil({"at": cel("input.due", datetime) + timedelta(seconds=0.25)})

    assert nodes_of(flow)[0]["result"] == (
        "{'at': string(timestamp(input.due) + duration('0.25s'))}"
    )

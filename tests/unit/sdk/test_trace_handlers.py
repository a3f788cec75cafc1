"""Handlers beside a flow, clauses for what goes wrong, and what a refusal leads to."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.sdk.world import Order, Paid, Withdrawn, check_stock, document_of, nodes_of, tell
from troth import (
    emit,
    fail,
    fulfil,
    new,
    on,
    on_failure,
    parallel,
    refused,
    repeat,
    scope,
    wait_for,
)


def told(name: str, number: str = "input.number", text: str = "'x'") -> dict[str, Any]:
    args = {"number": number, "text": text}
    return {"node": "step", "name": name, "contract": "shop/tell@2", "args": args}


CHECK = {
    "node": "step",
    "name": "check_stock",
    "contract": "shop/check-stock@1",
    "args": {"order": "input"},
    "retry": {"attempts": 3, "first": "1s"},
}


def handlers_of_the_root(order: Order) -> None:
    with on("withdrawn", Withdrawn, order.number, interrupt=True, undo="all") as event:
        emit("gone", Withdrawn, event)
        fulfil({"why": event.reason}, name="left")
    with on(
        "paid",
        (Paid, Withdrawn),
        order.number,
        when=lambda e: e.number != "",
        early="transient",
        after_pivot=True,
        width=2,
        max=50,
    ):
        tell(order.number, "x")
    check_stock(order)


def handlers_of_a_scope(order: Order) -> None:
    with scope("inner", deadline="1d"):
        check_stock(order)
        with on("withdrawn", Withdrawn, order.number):
            pass
        with on_failure("deadline:inner", "business:*", undo="none", name="sorry") as error:
            tell(order.number, error.kind + error.code)
        with on_failure("*"):
            fail("other", error.message)


def a_refusal(order: Order) -> None:
    stock = check_stock(order)
    with refused(stock, "sold-out") as error:
        fail("sold-out", error.message)
    with refused(stock, "unknown-sku"):
        fulfil("none")
    tell(stock.place, "x")


def a_refusal_in_a_branch(order: Order) -> None:
    with parallel("both"):
        stock = check_stock(order)
        with refused(stock, "sold-out"):
            fail("sold-out")
        tell(order.number, "x")
    with repeat("again", max=2):
        paid = wait_for(Paid, order.number, within="1d")
        tell.named("thanks")(new(Paid, number=paid.number, amount=1, by="x").number, "x")


CASES: list[tuple[Callable[[Order], None], list[Any]]] = [
    (handlers_of_the_root, [CHECK]),
    (
        handlers_of_a_scope,
        [
            {
                "node": "scope",
                "name": "inner",
                "deadline": {"after": "1d"},
                "flow": [CHECK],
                "handlers": [
                    {
                        "name": "withdrawn",
                        "events": ["order.withdrawn"],
                        "key": "input.number",
                        "flow": [],
                    }
                ],
                "on_failure": [
                    {
                        "name": "sorry",
                        "on": ["deadline:inner", "business:*"],
                        "undo": "none",
                        "flow": [told("tell", text="error.class + error.code")],
                    },
                    {
                        "on": ["*"],
                        "flow": [
                            {
                                "node": "fail",
                                "name": "other",
                                "code": "other",
                                "message": "error.message",
                            }
                        ],
                    },
                ],
            }
        ],
    ),
    (
        a_refusal,
        [
            {
                "node": "scope",
                "name": "check_stock_refused",
                "flow": [CHECK],
                "on_failure": [
                    {
                        "on": ["business:sold-out"],
                        "flow": [
                            {
                                "node": "fail",
                                "name": "sold_out",
                                "code": "sold-out",
                                "message": "error.message",
                            }
                        ],
                    },
                    {
                        "on": ["business:unknown-sku"],
                        "flow": [{"node": "fulfil", "name": "fulfil", "result": "'none'"}],
                    },
                ],
            },
            told("tell", "results.check_stock.place"),
        ],
    ),
    (
        a_refusal_in_a_branch,
        [
            {
                "node": "parallel",
                "name": "both",
                "branches": [
                    {
                        "flow": [
                            {
                                "node": "scope",
                                "name": "check_stock_refused",
                                "flow": [CHECK],
                                "on_failure": [
                                    {
                                        "on": ["business:sold-out"],
                                        "flow": [
                                            {
                                                "node": "fail",
                                                "name": "sold_out",
                                                "code": "sold-out",
                                            }
                                        ],
                                    }
                                ],
                            }
                        ]
                    },
                    {"flow": [told("tell")]},
                ],
            },
            {
                "node": "repeat",
                "name": "again",
                "max": 2,
                "flow": [
                    {
                        "node": "wait_for",
                        "name": "order_paid",
                        "events": ["order.paid"],
                        "key": "input.number",
                        "within": "1d",
                    },
                    told("thanks", "events.order_paid.data.number"),
                ],
            },
        ],
    ),
]


@pytest.mark.parametrize(("flow", "nodes"), CASES, ids=lambda case: getattr(case, "__name__", ""))
def test_a_form_becomes_a_node(flow: Callable[[Order], None], nodes: list[Any]) -> None:
    assert nodes_of(flow) == nodes


def test_handlers_and_clauses_at_the_left_edge_belong_to_the_saga() -> None:
    document = document_of(handlers_of_the_root, deadline="60d")
    assert document["deadline"] == {"after": "60d"}
    assert document["handlers"] == [
        {
            "name": "withdrawn",
            "events": ["order.withdrawn"],
            "key": "input.number",
            "mode": "interrupt",
            "undo": "all",
            "flow": [
                {
                    "node": "emit",
                    "name": "gone",
                    "type": "order.withdrawn",
                    "key": "event.data.number",
                    "data": "event.data",
                },
                {"node": "fulfil", "name": "left", "result": "{'why': event.data.reason}"},
            ],
        },
        {
            "name": "paid",
            "events": ["order.paid", "order.withdrawn"],
            "key": "input.number",
            "when": "event.data.number != ''",
            "early": "transient",
            "after_pivot": True,
            "width": 2,
            "max": 50,
            "flow": [told("tell")],
        },
    ]

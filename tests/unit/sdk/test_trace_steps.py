"""A step called in a flow: its node, its arguments, what its declaration adds."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.sdk.world import (
    Line,
    Order,
    Size,
    charge,
    check_stock,
    document_of,
    hold,
    mail,
    nodes_of,
    reserve,
    ship,
    sign,
    tell,
)
from troth import new

RETRY = {"attempts": 3, "first": "1s"}
CHECK = {
    "node": "step",
    "name": "check_stock",
    "contract": "shop/check-stock@1",
    "args": {"order": "input"},
    "retry": RETRY,
}


def a_call(order: Order) -> None:
    check_stock(order)


def by_name(order: Order) -> None:
    check_stock(margin=order.amount, order=order)


def named_and_within(order: Order) -> None:
    check_stock.named("first")(order)
    check_stock.within("2d")(order)
    check_stock.named("third").within("1h30m", on_expiry="continue")(order)


def values_known_now(order: Order) -> None:
    tell(order.number, "it's here\n")
    check_stock(Order(number="7", amount=-1, size=Size.BIG), 2)


def values_made_of_parts(order: Order) -> None:
    made = new(Order, number=order.number, amount=3, lines=[new(Line, sku="a", count=order.amount)])
    check_stock(made, made.amount)


def an_undo_with_arguments(order: Order) -> None:
    reserve(order, check_stock(order))


def an_undo_of_attempts(order: Order) -> None:
    hold(order)
    hold.named("more")(order, order.amount)


def effects_that_stay(order: Order) -> None:
    sign(order.number)
    ship(order.number)
    mail(order.number)


RESERVE = {
    "node": "step",
    "name": "reserve",
    "contract": "shop/reserve@1",
    "args": {"order": "input", "stock": "results.check_stock"},
    "timeout": "30s",
    "heartbeat": "10s",
    "undo": {
        "contract": "shop/reserve@1:undo",
        "args": {
            "reservation": "result",
            "order": "input",
            "stock": "results.check_stock",
        },
        "timeout": "5m",
        "retry": {"attempts": 20, "cap": "1h"},
    },
}

CASES: list[tuple[Callable[[Order], None], list[Any]]] = [
    (a_call, [CHECK]),
    (by_name, [CHECK | {"args": {"order": "input", "margin": "input.amount"}}]),
    (
        named_and_within,
        [
            CHECK | {"name": "first"},
            CHECK | {"within": "2d"},
            CHECK | {"name": "third", "within": "1h30m", "on_expiry": "continue"},
        ],
    ),
    (
        values_known_now,
        [
            {
                "node": "step",
                "name": "tell",
                "contract": "shop/tell@2",
                "args": {"number": "input.number", "text": r"'it\'s here\n'"},
            },
            CHECK
            | {
                "args": {
                    "order": "{'number': '7', 'amount': -1, 'rate': 1.0, 'express': false, "
                    "'size': 'big', 'due': null, 'note': null, 'lines': [], 'labels': {}}",
                    "margin": "2",
                }
            },
        ],
    ),
    (
        values_made_of_parts,
        [
            CHECK
            | {
                "args": {
                    "order": "{'number': input.number, 'amount': 3, "
                    "'lines': [{'sku': 'a', 'count': input.amount}]}",
                    "margin": "3",
                }
            }
        ],
    ),
    (an_undo_with_arguments, [CHECK, RESERVE]),
    (
        an_undo_of_attempts,
        [
            {
                "node": "step",
                "name": "hold",
                "contract": "bank/hold@1",
                "args": {"order": "input"},
                "undo": {
                    "contract": "bank/hold@1:undo",
                    "args": {"order": "input", "amount": "100"},
                    "when": "attempted",
                },
            },
            {
                "node": "step",
                "name": "more",
                "contract": "bank/hold@1",
                "args": {"order": "input", "amount": "input.amount"},
                "undo": {
                    "contract": "bank/hold@1:undo",
                    "args": {"order": "input", "amount": "input.amount"},
                    "when": "attempted",
                },
            },
        ],
    ),
    (
        effects_that_stay,
        [
            {
                "node": "step",
                "name": "sign",
                "contract": "bank/sign@1",
                "args": {"number": "input.number"},
                "unknown": "ask",
                "irreversible": "pivot",
                "why": "binds us",
            },
            {
                "node": "step",
                "name": "ship",
                "contract": "shop/ship@1",
                "args": {"number": "input.number"},
                "irreversible": "pivot",
                "why": "it is on the road",
            },
            {
                "node": "step",
                "name": "mail",
                "contract": "shop/mail@1",
                "args": {"number": "input.number"},
                "irreversible": "accepted",
                "why": "a mail is sent",
            },
        ],
    ),
]


@pytest.mark.parametrize(("flow", "nodes"), CASES, ids=lambda case: getattr(case, "__name__", ""))
def test_a_step_becomes_a_node(flow: Callable[[Order], None], nodes: list[Any]) -> None:
    assert nodes_of(flow) == nodes


def test_a_document_carries_the_contracts_it_uses_and_their_undos() -> None:
    def flow(order: Order) -> None:
        charge(order)
        sign(order.number)
        ship(order.number)

    command = {
        "type": "object",
        "properties": {"order": {"$ref": "Order"}},
        "required": ["order"],
        "additionalProperties": False,
    }
    number = command | {"properties": {"number": {"type": "string"}}, "required": ["number"]}
    receipt = command | {"properties": {"receipt": {"type": "string"}}, "required": ["receipt"]}
    bank = {"participant": "bank", "external": True, "S": "S2"}
    assert document_of(flow)["contracts"] == {
        "bank/charge@1": bank
        | {"A": "A1", "R": "R2", "command": command, "result": {"type": "string"}, "probe": True},
        "bank/charge@1:undo": bank
        | {"A": "A1", "R": "R2", "command": receipt, "result": {"type": "null"}},
        "bank/sign@1": bank
        | {
            "A": "A3",
            "R": "R3",
            "command": number,
            "result": {"type": "null"},
            "review": "legal-2026",
        },
        "shop/ship@1": {
            "participant": "shop",
            "external": True,
            "A": "A0",
            "R": "R1",
            "S": "S1",
            "command": number,
            "result": {"type": "null"},
            "idempotent": False,
        },
    }


def test_a_contract_names_its_refusals_and_what_may_be_left_out() -> None:
    contract = document_of(a_call)["contracts"]["shop/check-stock@1"]
    assert contract == {
        "participant": "shop",
        "external": False,
        "failures": ["sold-out", "unknown-sku"],
        "result": {"$ref": "Stock"},
        "command": {
            "type": "object",
            "properties": {"order": {"$ref": "Order"}, "margin": {"type": "integer"}},
            "required": ["order"],
            "additionalProperties": False,
        },
    }

"""Blocks: choices, races, branches beside each other, rounds and scopes."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.sdk.world import Order, Paid, Withdrawn, check_stock, nodes_of, reserve, tell
from troth import (
    A1,
    approve,
    branch,
    choose,
    fail,
    fulfil,
    otherwise,
    out,
    parallel,
    race,
    repeat,
    scope,
    set_,
    sleep,
    var,
    wait_for,
    when,
)


def step(name: str, text: str = "'x'") -> dict[str, Any]:
    return {
        "node": "step",
        "name": name,
        "contract": "shop/tell@2",
        "args": {"number": "input.number", "text": text},
    }


def end(name: str) -> dict[str, Any]:
    return {"node": "fail", "name": name, "code": name}


WAIT = {"node": "wait_for", "name": "order_paid", "events": ["order.paid"], "key": "input.number"}
CHECK = {
    "node": "step",
    "name": "check_stock",
    "contract": "shop/check-stock@1",
    "args": {"order": "input"},
    "retry": {"attempts": 3, "first": "1s"},
}


def a_when(order: Order) -> None:
    with when("big", order.amount > 60) as big:
        tell.named("one")(order.number, "x")
        out(order.amount)
    with otherwise("big"):
        tell.named("two")(order.number, "x")
    tell(order.number, big.branch)


def a_choice(order: Order) -> None:
    with choose("size") as chosen:
        with branch("big", order.amount > 60):
            tell.named("one")(order.number, "x")
            out("b")
        with branch("small", order.amount < 5):
            pass
        with otherwise():
            fail("odd")
    tell(order.number, chosen.out)


def a_race(order: Order) -> None:
    with race("reply") as reply:
        with branch("paid", wait_for(Paid, order.number, within=None)) as paid:
            tell(paid.number, "x")
            out(paid.amount)
        with branch("late", sleep("patience", "3d")):
            fail("overdue")
        with branch("let_go", approve("manager", level=A1, within=None, subject=order)) as gone:
            tell.named("why")(gone.subject.number, gone.reason)
    fulfil(reply.branch)


def branches_of_calls(order: Order) -> None:
    with parallel(
        "both", join="any", on_branch="collect", losers="keep", exclusive="step", keep=True
    ) as both:
        check_stock(order)
        with when("big", order.amount > 9):
            tell(order.number, "x")
    fulfil(both.failed)


def named_branches(order: Order) -> None:
    with parallel("provision", join=2, undo_order="reverse"):
        stock = check_stock(order)
        with branch("one"):
            tell.named("a")(order.number, "x")
            tell.named("b")(order.number, "x")
        with branch("two", order.express, after=["one", stock]):
            tell.named("c")(order.number, "x")


def rounds(order: Order) -> None:
    tries = var("tries", int, 0)
    with repeat("touches", max=7, every="3d", on_max="continue", keep_rounds=True) as each:
        set_(tries=tries + each.number)
    with repeat("ask", max=10, until=lambda: stock.count > 0) as asked:
        stock = check_stock(order)
        out(stock.place)
    with repeat("count", max=3, while_=tries < 3):
        tell(order.number, "x")
    fulfil({"rounds": asked.rounds, "last": asked.out})


def scopes(order: Order) -> None:
    with scope("first", deadline="60d") as first:
        tell(order.number, "x")
        out(order.amount)
    with scope("second", deadline=order.due):
        pass
    fulfil(first.out)


def blocks_in_blocks(order: Order) -> None:
    with parallel("beside"), scope("inner"), when("big", order.amount > 1):
        tell(order.number, "x")


CASES: list[tuple[Callable[[Order], None], list[Any]]] = [
    (
        a_when,
        [
            {
                "node": "choose",
                "name": "big",
                "branches": [
                    {"when": "input.amount > 60", "flow": [step("one")], "out": "input.amount"}
                ],
                "else": [step("two")],
            },
            step("tell", "results.big.branch"),
        ],
    ),
    (
        a_choice,
        [
            {
                "node": "choose",
                "name": "size",
                "branches": [
                    {
                        "name": "big",
                        "when": "input.amount > 60",
                        "flow": [step("one")],
                        "out": "'b'",
                    },
                    {"name": "small", "when": "input.amount < 5", "flow": []},
                ],
                "else": [end("odd")],
            },
            step("tell", "results.size.out"),
        ],
    ),
    (
        a_race,
        [
            {
                "node": "race",
                "name": "reply",
                "branches": [
                    {
                        "name": "paid",
                        "on": WAIT,
                        "flow": [
                            step("tell")
                            | {
                                "args": {
                                    "number": "events.order_paid.data.number",
                                    "text": "'x'",
                                }
                            }
                        ],
                        "out": "events.order_paid.data.amount",
                    },
                    {
                        "name": "late",
                        "on": {"node": "sleep", "name": "patience", "for": "3d"},
                        "flow": [end("overdue")],
                    },
                    {
                        "name": "let_go",
                        "on": {
                            "node": "approve",
                            "name": "manager",
                            "level": "A1",
                            "subject": "input",
                            "edit": {"$ref": "Order"},
                        },
                        "flow": [
                            {
                                "node": "step",
                                "name": "why",
                                "contract": "shop/tell@2",
                                "args": {
                                    "number": "(decisions.manager.decision == 'edit' "
                                    "? decisions.manager.payload : input).number",
                                    "text": "decisions.manager.reason",
                                },
                            }
                        ],
                    },
                ],
            },
            {"node": "fulfil", "name": "fulfil", "result": "results.reply.branch"},
        ],
    ),
    (
        branches_of_calls,
        [
            {
                "node": "parallel",
                "name": "both",
                "join": "any",
                "on_branch": "collect",
                "losers": "keep",
                "exclusive": "step",
                "keep": True,
                "branches": [
                    {"flow": [CHECK]},
                    {
                        "flow": [
                            {
                                "node": "choose",
                                "name": "big",
                                "branches": [{"when": "input.amount > 9", "flow": [step("tell")]}],
                                "else": [],
                            }
                        ]
                    },
                ],
            },
            {"node": "fulfil", "name": "fulfil", "result": "results.both.failed"},
        ],
    ),
    (
        named_branches,
        [
            {
                "node": "parallel",
                "name": "provision",
                "join": 2,
                "undo_order": "reverse",
                "branches": [
                    {"flow": [CHECK]},
                    {"name": "one", "flow": [step("a"), step("b")]},
                    {
                        "name": "two",
                        "when": "input.express",
                        "after": ["one", "check_stock"],
                        "flow": [step("c")],
                    },
                ],
            }
        ],
    ),
    (
        rounds,
        [
            {
                "node": "repeat",
                "name": "touches",
                "max": 7,
                "every": {"period": "3d"},
                "on_max": "continue",
                "keep_rounds": True,
                "flow": [
                    {
                        "node": "set",
                        "name": "set_tries",
                        "values": {"tries": "vars.tries + round.touches"},
                    }
                ],
            },
            {
                "node": "repeat",
                "name": "ask",
                "max": 10,
                "flow": [CHECK],
                "out": "results.check_stock.place",
                "until": "results.check_stock.count > 0",
            },
            {
                "node": "repeat",
                "name": "count",
                "max": 3,
                "flow": [step("tell")],
                "while": "vars.tries < 3",
            },
            {
                "node": "fulfil",
                "name": "fulfil",
                "result": "{'rounds': results.ask.rounds, 'last': results.ask.out}",
            },
        ],
    ),
    (
        scopes,
        [
            {
                "node": "scope",
                "name": "first",
                "deadline": {"after": "60d"},
                "flow": [step("tell")],
                "out": "input.amount",
            },
            {
                "node": "scope",
                "name": "second",
                "deadline": {"at": "timestamp(input.due)"},
                "flow": [],
            },
            {"node": "fulfil", "name": "fulfil", "result": "results.first.out"},
        ],
    ),
    (
        blocks_in_blocks,
        [
            {
                "node": "parallel",
                "name": "beside",
                "branches": [
                    {
                        "flow": [
                            {
                                "node": "scope",
                                "name": "inner",
                                "flow": [
                                    {
                                        "node": "choose",
                                        "name": "big",
                                        "branches": [
                                            {"when": "input.amount > 1", "flow": [step("tell")]}
                                        ],
                                        "else": [],
                                    }
                                ],
                            }
                        ]
                    }
                ],
            }
        ],
    ),
]


@pytest.mark.parametrize(("flow", "nodes"), CASES, ids=lambda case: getattr(case, "__name__", ""))
def test_a_block_becomes_a_node(flow: Callable[[Order], None], nodes: list[Any]) -> None:
    assert nodes_of(flow) == nodes


def test_a_value_of_a_branch_may_be_used_where_the_engine_allows_it() -> None:
    """Visibility is checked at registration; the trace only writes down what is asked."""

    def flow(order: Order) -> None:
        with parallel("provision"):
            stock = check_stock(order)
            tell(order.number, "x")
        reserve(order, stock)

    assert nodes_of(flow)[1]["args"] == {"order": "input", "stock": "results.check_stock"}


def test_an_event_of_a_race_is_typed_as_a_union() -> None:
    def flow(order: Order) -> None:
        with (
            race("reply"),
            branch("any", wait_for((Paid, Withdrawn), order.number, within=None)) as got,
        ):
            tell(got.number, "x")

    branches = nodes_of(flow)[0]["branches"]
    assert branches[0]["flow"][0]["args"]["number"] == "events.order_paid.data.number"

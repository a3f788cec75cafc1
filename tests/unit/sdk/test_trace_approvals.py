"""Approvals around what they allow: the node, what it covers, the subject that may be edited."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.sdk.world import Order, Stock, charge, check_stock, nodes_of, sign, tell
from troth import A1, A2, A3, approve, branch, expired, fail, race, sleep, when


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
CHARGE = {
    "node": "step",
    "name": "charge",
    "contract": "bank/charge@1",
    "args": {"order": "input"},
    "unknown": "probe",
    "undo": {"contract": "bank/charge@1:undo", "args": {"receipt": "result"}},
}
SIGN = {
    "node": "step",
    "name": "sign",
    "contract": "bank/sign@1",
    "args": {"number": "input.number"},
    "unknown": "ask",
    "irreversible": "pivot",
    "why": "binds us",
}


def an_approval(order: Order) -> None:
    stock = check_stock(order)
    with approve("boss", level=A1, evidence=[stock], within="2d"):
        tell(order.number, "x")
        charge(order)
        with when("big", order.amount > 9):
            sign(order.number)


def an_approval_with_everything(order: Order) -> None:
    with approve("first", level=A1, within=None) as decided:
        pass
    with approve(
        "board",
        level=A3,
        evidence=[decided],
        within="3d",
        subject=order,
        edit=Stock,
        needs={"cfo": 1, "clerk": 2},
        not_by=[decided],
        escalate=[("1d", "chair"), ("2d", "owner")],
        on_reject="continue",
        on_expiry="continue",
        valid="5d",
        uses=2,
    ) as board:
        tell(board.subject.number, board.decision)
    with when("no_answer", expired(board)):
        fail("slow")


def an_approval_inside_another(order: Order) -> None:
    with approve("outer", level=A2, within="1d"):
        charge(order)
        with approve("inner", level=A3, within="1d", subject=order.number, edit=False) as inner:
            sign(inner.subject)


def an_edited_subject(order: Order) -> None:
    with approve("boss", level=A1, within="1d", subject=order) as boss:
        charge(boss.subject)
    with approve("clerk", level=A1, within="1d", subject=order.number, edit=Stock) as clerk:
        tell(clerk.subject, clerk.payload.place)


CASES: list[tuple[Callable[[Order], None], list[Any]]] = [
    (
        an_approval,
        [
            CHECK,
            {
                "node": "approve",
                "name": "boss",
                "level": "A1",
                "for": ["charge", "sign"],
                "evidence": ["check_stock"],
                "within": "2d",
                "flow": [
                    told("tell"),
                    CHARGE,
                    {
                        "node": "choose",
                        "name": "big",
                        "branches": [{"when": "input.amount > 9", "flow": [SIGN]}],
                        "else": [],
                    },
                ],
            },
        ],
    ),
    (
        an_approval_with_everything,
        [
            {"node": "approve", "name": "first", "level": "A1", "flow": []},
            {
                "node": "approve",
                "name": "board",
                "level": "A3",
                "subject": "input",
                "evidence": ["first"],
                "needs": [{"role": "cfo", "count": 1}, {"role": "clerk", "count": 2}],
                "not_by": ["first"],
                "edit": {"$ref": "Stock"},
                "within": "3d",
                "on_expiry": "continue",
                "escalate": [{"after": "1d", "to": "chair"}, {"after": "2d", "to": "owner"}],
                "on_reject": "continue",
                "valid": "5d",
                "uses": 2,
                "flow": [
                    told(
                        "tell",
                        "input.number",
                        "decisions.board.decision",
                    )
                ],
            },
            {
                "node": "choose",
                "name": "no_answer",
                "branches": [
                    {
                        "when": "decisions.board.expired",
                        "flow": [{"node": "fail", "name": "slow", "code": "slow"}],
                    }
                ],
                "else": [],
            },
        ],
    ),
    (
        an_approval_inside_another,
        [
            {
                "node": "approve",
                "name": "outer",
                "level": "A2",
                "for": ["charge", "sign"],
                "within": "1d",
                "flow": [
                    CHARGE,
                    {
                        "node": "approve",
                        "name": "inner",
                        "level": "A3",
                        "for": ["sign"],
                        "subject": "input.number",
                        "within": "1d",
                        "flow": [SIGN],
                    },
                ],
            }
        ],
    ),
    (
        an_edited_subject,
        [
            {
                "node": "approve",
                "name": "boss",
                "level": "A1",
                "for": ["charge"],
                "subject": "input",
                "edit": {"$ref": "Order"},
                "within": "1d",
                "flow": [
                    CHARGE
                    | {
                        "args": {
                            "order": "decisions.boss.decision == 'edit' "
                            "? decisions.boss.payload : input"
                        }
                    }
                ],
            },
            {
                "node": "approve",
                "name": "clerk",
                "level": "A1",
                "subject": "input.number",
                "edit": {"$ref": "Stock"},
                "within": "1d",
                "flow": [told("tell", "input.number", "decisions.clerk.payload.place")],
            },
        ],
    ),
]


@pytest.mark.parametrize(("flow", "nodes"), CASES, ids=lambda case: getattr(case, "__name__", ""))
def test_a_form_becomes_a_node(flow: Callable[[Order], None], nodes: list[Any]) -> None:
    assert nodes_of(flow) == nodes


def a_decision_that_races(order: Order) -> None:
    with race("entry"):
        with branch("asked", approve("boss", level=A2, within="2d")):
            charge(order)
        with branch("late", sleep("patience", "1d")):
            pass


def test_a_decision_that_wins_a_race_covers_what_its_branch_does() -> None:
    (found,) = nodes_of(a_decision_that_races)
    assert found["branches"][0]["on"]["for"] == ["charge"]

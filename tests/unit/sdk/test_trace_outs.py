"""`out(...)`: what a block gives, and on which ways through it."""

from collections.abc import Callable

import pytest

from sagas.checks import check
from tests.unit.sdk.world import Order, document_of, nodes_of, tell
from troth import TrothError, branch, choose, fail, has, otherwise, out, repeat, when


def a_choice_that_always_gives(order: Order) -> None:
    with choose("size") as chosen:
        with branch("big", order.amount > 60):
            out("b")
        with otherwise():
            tell.named("one")(order.number, "x")
            out("s")
    tell(order.number, chosen.out)


def a_choice_that_gives_or_fails(order: Order) -> None:
    with choose("size") as chosen:
        with branch("big", order.amount > 60):
            out("b")
        with otherwise():
            fail("odd")
    tell(order.number, chosen.out)


def a_choice_that_may_give(order: Order) -> None:
    with choose("size") as chosen:
        with branch("big", order.amount > 60):
            out("b")
        with otherwise():
            pass
    tell(order.number, chosen.out)


def a_choice_that_is_asked(order: Order) -> None:
    with when("big", order.amount > 60) as big:
        out("b")
    with when("given", has(big.out)):
        tell(order.number, big.out)


def a_loop_that_may_have_no_round(order: Order) -> None:
    with repeat("rounds", max=3, while_=order.express) as rounds:
        out("b")
    tell(order.number, rounds.out)


def test_an_otherwise_with_an_out_is_a_branch_that_is_always_taken() -> None:
    assert nodes_of(a_choice_that_always_gives)[0] == {
        "node": "choose", "name": "size",
        "branches": [
            {"name": "big", "when": "input.amount > 60", "flow": [], "out": "'b'"},
            {"name": "size_otherwise", "when": "true", "flow": TOLD, "out": "'s'"},
        ],
        "else": [],
    }  # fmt: skip


TOLD = [
    {
        "node": "step", "name": "one", "contract": "shop/tell@2",
        "args": {"number": "input.number", "text": "'x'"},
    }
]  # fmt: skip


@pytest.mark.parametrize("flow", [
    a_choice_that_always_gives, a_choice_that_gives_or_fails, a_choice_that_is_asked,
])  # fmt: skip
def test_what_every_way_that_goes_on_gives_may_be_read(flow: Callable[[Order], None]) -> None:
    assert check(document_of(flow)) == []


@pytest.mark.parametrize(("flow", "said"), [
    (a_choice_that_may_give, "is given only on some ways through size"),
    (a_loop_that_may_have_no_round, "is not there when there is no round"),
])  # fmt: skip
def test_what_only_some_ways_give_is_read_under_has(
    flow: Callable[[Order], None], said: str
) -> None:
    """It would hold the commitment where it is read."""
    (problem,) = check(document_of(flow))
    assert said in str(problem)


def a_when_whose_otherwise_gives(order: Order) -> None:
    with when("big", order.amount > 60):
        out("b")
    with otherwise("big"):
        out("s")


def test_the_otherwise_of_a_when_has_none() -> None:
    with pytest.raises(TrothError, match=r"TR123.*otherwise has no out"):
        nodes_of(a_when_whose_otherwise_gives)

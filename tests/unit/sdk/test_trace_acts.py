"""Milestones, tasks, calls that act on other parts, and updates: what they become."""

from datetime import timedelta

from pydantic import BaseModel

from tests.unit.sdk.world import Order, Paid, document_of, nodes_of
from troth import (
    Rule,
    active,
    await_,
    branch,
    cancel,
    deadline,
    done,
    emit,
    expired,
    finish,
    move,
    new,
    now,
    parallel,
    race,
    scope,
    sleep,
    task,
    undo,
    update,
    var,
    wait_for,
    when,
)


class Finding(BaseModel):
    risk: int


class Extend(BaseModel):
    days: int


def test_await_rests_until_a_condition_holds() -> None:
    def flow(order: Order) -> None:
        count = var("count", int, 0)
        ready = await_("ready", count >= 3, within="2d", on_expiry="continue")
        with when("late", expired(ready)):
            sleep("pause", "1d")

    first, late = nodes_of(flow)
    assert first == {
        "node": "await", "name": "ready", "until": "vars.count >= 3", "within": "2d",
        "on_expiry": "continue",
    }  # fmt: skip
    assert late["branches"][0]["when"] == "has(results.ready.expired)"


def test_nodes_are_asked_about_by_name_or_by_value() -> None:
    def flow(order: Order) -> None:
        paid = wait_for(Paid, order.number, within="2d")
        await_("ready", done(paid) & active("other"), within="2d")

    assert nodes_of(flow)[1]["until"] == "done('order_paid') && active('other')"


def test_a_task_gives_a_typed_payload() -> None:
    def flow(order: Order) -> None:
        found = task(
            "review", Finding, roles=["legal"], within="3d", subject=order, claim_lease="2h",
            escalate=[("1d", "executive")],
        )  # fmt: skip
        with when("risky", found.payload.risk > 3):
            sleep("pause", "1d")

    review, risky = nodes_of(flow)
    form = document_of(flow)["schemas"]["Finding"]
    assert form["required"] == ["risk"]
    assert review == {
        "node": "task", "name": "review", "roles": ["legal"], "subject": "input",
        "form": {"$ref": "Finding"}, "claim_lease": "2h", "within": "3d",
        "escalate": [{"after": "1d", "to": "executive"}],
    }  # fmt: skip
    assert risky["branches"][0]["when"] == "results.review.payload.risk > 3"


def test_a_task_or_an_await_may_trigger_a_race() -> None:
    def flow(order: Order) -> None:
        with race("first"):
            with branch("seen", task("review", roles=["legal"], within=None)):
                sleep("one", "1d")
            with branch("is_ready", await_("ready", done("one"), within="3d")):
                sleep("two", "1d")

    branches = nodes_of(flow)[0]["branches"]
    assert [b["on"]["node"] for b in branches] == ["task", "await"]


def test_parts_are_cancelled_finished_undone_and_moved() -> None:
    def flow(order: Order) -> None:
        with parallel("both"):
            with branch("one"), scope("part") as part:
                sleep("pause", "3d")
            with branch("two"):
                move("pause", deadline("pause") + timedelta(days=1))
                finish(part, evidence=order.number)
                cancel("pause", name="stop")
        undo("part")

    both, back = nodes_of(flow)
    assert both["branches"][1]["flow"] == [
        {"node": "move", "name": "move_pause", "timer": "pause",
         "to": "deadline('pause') + duration('86400s')"},
        {"node": "finish", "name": "finish_part", "target": "part", "evidence": "input.number"},
        {"node": "cancel", "name": "stop", "target": "pause"},
    ]  # fmt: skip
    assert back == {"node": "undo", "name": "undo_part", "of": "part"}


def test_an_update_has_rules_sets_moves_an_answer_and_a_flow() -> None:
    def flow(order: Order) -> None:
        count = var("count", int, 0)
        with update(
            "extend",
            Extend,
            when=lambda e: count < 3,
            refuse=[Rule(lambda e: e.days > 30, "too-long", "at most 30 days")],
            set=lambda e: {"count": count + 1},
            move=lambda e: {"order_paid": deadline("order_paid") + timedelta(days=1)},
            answer=lambda e: deadline("order_paid"),
        ) as extend:
            emit("told", Paid, new(Paid, number=order.number, amount=extend.days, by="x"))
        wait_for(Paid, order.number, within="2d")

    (found,) = document_of(flow)["updates"]
    assert found == {
        "name": "extend", "schema": {"$ref": "Extend"}, "when": "vars.count < 3",
        "validate": [{"if": "args.days > 30", "code": "too-long", "message": "at most 30 days"}],
        "set": {"count": "vars.count + 1"},
        "move": [{"timer": "order_paid", "to": "deadline('order_paid') + duration('86400s')"}],
        "answer": "string(deadline('order_paid'))",
        "flow": [{"node": "emit", "name": "told", "type": "order.paid", "key": "input.number",
                  "data": "{'number': input.number, 'amount': args.days, 'by': 'x'}"}],
    }  # fmt: skip


def test_now_is_the_time_of_what_is_handled() -> None:
    def flow(order: Order) -> None:
        sleep("pause", until=now() + timedelta(hours=1))

    assert nodes_of(flow)[0]["until"] == "meta.now + duration('3600s')"

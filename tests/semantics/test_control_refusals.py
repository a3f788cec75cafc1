"""What an operator asks for and the state does not allow is refused with a code (section 6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.semantics.language import Story, child, given, put, saga, scope, sleep, step, wait

Json = Any
OK = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
YEAR_US = 365 * 86_400_000_000
PIVOT = step("pay", irreversible="pivot")
SHOWN = {"evidence": "a letter"}


def rests() -> Story:
    return given(saga(sleep("pause", "2d")))


def over() -> Story:
    return given(saga(step("a"))).done("a")


def unknown(**members: Json) -> Story:
    document = saga(step("a", risk="R1", unknown="ask", irreversible="pivot", **members))
    return given(document).started("a").lost("a")


def held() -> Story:
    return given(saga(put("bad", n="1 / 0"), vars={"n": {"schema": {}, "initial": 0}}))


def in_debt() -> Story:
    """An undo has failed."""
    story = given(saga(step("a", undo=True), step("b"))).done("a").failed("b")
    return story.failed("a")


def behind_a_pivot(*flow: Json) -> Story:
    return given(saga(PIVOT, *flow)).done("pay")


def block_in_debt() -> Story:
    part = scope("part", wait("w"), deadline={"after": "1d"})
    return behind_a_pivot(part).after("2d")


REFUSED: dict[str, Callable[[], tuple[Story, str, Json, str]]] = {
    "retry of nothing": lambda: (rests(), "retry", {}, "control.target"),
    "retry of what nobody can probe": lambda: (unknown(), "retry", {"node": "a"}, "control.target"),
    "retry of a block": lambda: (block_in_debt(), "retry", {"node": "part"}, "control.target"),
    "settle without evidence": lambda: (unknown(), "settle", {"node": "a"}, "control.evidence"),
    "settle without an outcome": lambda: (
        unknown(), "settle", {"node": "a", **SHOWN}, "control.evidence"
    ),
    "settle with a result that does not fit": lambda: (
        unknown(result=OK), "settle",
        {"node": "a", "outcome": "done", "result": {"ok": 1}, **SHOWN}, "reply.schema",
    ),
    "settle of nothing": lambda: (rests(), "settle", {"node": "pause", **SHOWN}, "control.target"),
    "settle of a step behind a pivot with a result that does not fit": lambda: (
        behind_a_pivot(step("b", result=OK)).failed("b"), "settle",
        {"node": "b", "result": {}, **SHOWN}, "reply.schema",
    ),
    "settle of what is held": lambda: (held(), "settle", SHOWN, "state.says_no"),
    "pause twice": lambda: (rests().control("pause"), "pause", {}, "state.says_no"),
    "pause after the end": lambda: (over(), "pause", {}, "state.says_no"),
    "resume of what goes on": lambda: (rests(), "resume", {}, "state.says_no"),
    "finish without evidence": lambda: (rests(), "finish", {"node": "pause"}, "control.evidence"),
    "finish of nothing": lambda: (rests(), "finish", {"node": "other", **SHOWN}, "control.target"),
    "finish without a name": lambda: (rests(), "finish", SHOWN, "control.target"),
    "finish after the end": lambda: (over(), "finish", {"node": "a", **SHOWN}, "state.says_no"),
    "finish while all is undone": lambda: (
        in_debt(), "finish", {"node": "a", **SHOWN}, "state.says_no"
    ),
    "move without a time": lambda: (rests(), "move", {"node": "pause"}, "control.time"),
    "move too far": lambda: (
        rests(), "move", {"node": "pause", "to_us": 3_000 * YEAR_US}, "control.time"
    ),
    "move of nothing": lambda: (rests(), "move", {"node": "other", "to_us": 1}, "control.target"),
    "move after the end": lambda: (over(), "move", {"node": "a", "to_us": 1}, "state.says_no"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_the_state_does_not_allow_is_refused_and_changes_nothing(what: str) -> None:
    story, action, more, code = REFUSED[what]()
    status = story.w.now.status
    story.then().control(action, **more)
    story.then(events=[f"commitment.refused {code}"], answer=code, status=status)


def test_a_rest_is_finished_and_its_time_moved_by_hand() -> None:
    rests().control("finish", node="pause", **SHOWN).then(status="fulfilled")
    story = rests()
    story.control("move", node="pause", to_us=story.w.now_us).after("1s").then(status="fulfilled")


def test_a_block_behind_a_pivot_is_settled_with_a_result_and_the_flow_goes_on() -> None:
    part = scope("part", wait("w"), deadline={"after": "1d"})
    story = behind_a_pivot(part, step("next")).after("2d").then(debts=["forward part"])
    story.control("settle", node="part", result=3, **SHOWN).then(offered=["next"])


def test_a_step_behind_a_pivot_is_tried_again_or_counts_as_done() -> None:
    story = behind_a_pivot(step("b"), step("next")).failed("b")
    story.control("retry", node="b").then(offered=["b"])
    story.failed("b").control("settle", **SHOWN).then(offered=["next"])


def test_a_child_behind_a_pivot_that_failed_is_settled_by_its_number() -> None:
    story = behind_a_pivot(child("kid"), step("next")).kid("kid", "failed")
    number = next(iter(story.w.now.debts))
    story.control("settle", node=number, result=7, **SHOWN).then(offered=["next"])

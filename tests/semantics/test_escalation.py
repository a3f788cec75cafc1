"""Escalation: nobody has decided, or done the work, so far: another seat is called (section 3)."""

from typing import Any

from tests.semantics.language import Json, Story, approve, given, saga, scope, step, task

TO_BOARD = [{"after": "1d", "to": "board"}]


def gated(**members: Json) -> Json:
    return step("pay", risk="R2", irreversible="accepted", unknown="ask", **members)


def asked(level: str = "A2", **members: Json) -> Story:
    return given(saga(approve("ok", gated(), level=level, within="3d", **members)))


def test_it_is_an_event_at_its_time() -> None:
    (
        asked(escalate=TO_BOARD)
        .then(waits=["approval"])
        .after("23h")
        .then(events=[])
        .after("1h")
        .then(
            events=["timer.fired ok escalate_1", "approval.escalated ok board"],
            waits=["approval"],
            status="waiting",
        )
    )


def test_the_inbox_and_the_current_step_say_who_was_called() -> None:
    story = asked(escalate=TO_BOARD).then(
        called={"ok": []}, told=["A2: function_head, legal or finance"]
    )
    story.after("1d").then(
        called={"ok": ["board"]},
        told=["A2: function_head, legal or finance; escalated to board"],
    )


def test_who_is_called_stands_in_for_a_seat_that_is_still_free() -> None:
    (
        asked(escalate=TO_BOARD)
        .decides("ok", "hal", "function_head")
        .after("1d")
        .then()
        .decides("ok", "bo", "board")
        .then(
            events=["approval.seat_taken ok 2:legal|finance bo board", "approval.granted ok",
                    "effect.intended ok/pay"],
            answer="granted",
        )
    )  # fmt: skip


def test_before_its_time_the_called_seat_may_not_decide() -> None:
    asked(escalate=TO_BOARD).decides("ok", "bo", "board").then(answer="decision.seat")


def test_one_person_still_takes_one_seat_so_the_quorum_stays() -> None:
    (
        asked(escalate=TO_BOARD)
        .after("1d")
        .decides("ok", "bo", "board")
        .then(answer="seat_taken", offered=[])
        .decides("ok", "bo", "board")
        .then(answer="decision.twice")
        .decides("ok", "bea", "board")
        .then(answer="granted", offered=["ok/pay"])
    )


def test_a_seat_of_ones_own_is_taken_before_one_stands_in() -> None:
    (
        asked(escalate=TO_BOARD)
        .after("1d")
        .then()
        .decides("ok", "lea", "legal", "board")
        .then(events=["approval.seat_taken ok 2:legal|finance lea"])
    )


def test_a_called_seat_of_the_level_takes_just_its_own() -> None:
    """No escalation makes a level less than it is: of A2 nobody but a function head is one."""
    (
        asked(escalate=[{"after": "1d", "to": "finance"}])
        .decides("ok", "lea", "legal")
        .after("1d")
        .decides("ok", "flo", "finance")
        .then(answer="decision.seat", offered=[])
    )


def test_any_called_seat_stands_in_for_one_beyond_the_level() -> None:
    owner = [{"after": "1d", "to": "owner"}]
    (
        asked("A1", needs=[{"role": "auditor"}], escalate=owner)
        .after("1d")
        .decides("ok", "mia", "manager")
        .decides("ok", "ole", "owner")
        .then(answer="granted", offered=["ok/pay"])
    )


def test_the_bars_of_not_by_hold_for_who_is_called() -> None:
    second = approve("second", gated(), within="3d", not_by=["first"], escalate=TO_BOARD)
    (
        given(saga(approve("first", level="A3", covers=[]), second))
        .decides("first", "bo", "board")
        .after("1d")
        .decides("second", "bo", "board")
        .then(answer="decision.not_by")
    )


def test_a_called_person_may_reject() -> None:
    (
        asked(escalate=TO_BOARD)
        .after("1d")
        .decides("ok", "bo", "board", answer="reject")
        .then(status="failed", error="rejected:ok")
    )


def test_once_decided_nobody_is_called() -> None:
    (
        asked(escalate=TO_BOARD)
        .decides("ok", "hal", "function_head")
        .decides("ok", "lea", "legal")
        .then()
        .after("2d")
        .then(events=[], timers=[])
    )


def test_a_stop_withdraws_the_call() -> None:
    asked(escalate=TO_BOARD).cancelled().then(status="cancelled", timers=[])


def test_several_are_called_one_after_the_other() -> None:
    steps = [{"after": "1d", "to": "executive"}, {"after": "2d", "to": "board"}]
    asked(escalate=steps).after("2d").then(called={"ok": ["executive", "board"]})


def test_an_edit_frees_the_seats_and_who_was_called_stays_called() -> None:
    (
        asked(escalate=TO_BOARD, edit={"type": "object"})
        .after("1d")
        .decides("ok", "lea", "legal")
        .decides("ok", "bo", "board", answer="edit", payload={"sum": 1})
        .then(answer="seat_taken", called={"ok": ["board"]})
    )


def test_when_a_step_is_asked_about_anew_its_question_escalates_too() -> None:
    (
        given(saga(approve("ok", gated(), valid="1d", within="3d", escalate=TO_BOARD)))
        .decides("ok", "mia", "manager")
        .after("2d")
        .nobody_starts("pay", "not_after")
        .then(waits=["approval"], at=["ok/pay"])
        .after("1d")
        .then(events=["timer.fired ok/pay escalate_1", "approval.escalated ok/pay board"])
        .decides("pay", "bo", "board")
        .then(offered=["ok/pay"])
    )


def test_while_paused_it_waits_for_the_resume() -> None:
    (
        asked(escalate=TO_BOARD)
        .control("pause")
        .after("1d")
        .then(called={"ok": []})
        .control("resume")
        .then(called={"ok": ["board"]})
    )


def test_of_a_task_the_list_says_who_was_called() -> None:
    review: Any = task("review", within="3d", escalate=[{"after": "1d", "to": "executive"}])
    (
        given(saga(scope("part", review)))
        .then(called={"part/review": []})
        .after("1d")
        .then(called={"part/review": ["executive"]}, told=["open for legal or executive"])
    )

"""The unknown outcome: retry, probe, ask, and what a person says (section 4)."""

from tests.semantics.language import given, saga, scope, step, wait

ONCE = {"attempts": 1}


def test_retry_runs_again_with_the_same_key() -> None:
    story = given(saga(step("a", retry={"attempts": 3, "first": "1s", "jitter": 0})))
    story.started("a").lost("a").then(waits=["retry"]).after("1s").then(attempts=[2])
    first, second = story.w.commands
    assert first.effect == second.effect
    assert second.body["repeated"]


def test_only_what_was_started_is_unknown() -> None:
    given(saga(step("a", within="1h"))).nobody_starts("a").then(error="timeout:a")


def test_probe_present_gives_the_result() -> None:
    probed = step("a", risk="R1", unknown="probe", probe=True, irreversible="accepted")
    (
        given(saga(probed, wait("w")))
        .started("a")
        .lost("a")
        .then(offered=["probe a"])
        .answers("a", "present", result=4)
        .then(at=["w"], results={"a": 4})
    )


def test_probe_absent_may_be_tried_again() -> None:
    probed = step(
        "a",
        risk="R1",
        unknown="probe",
        probe=True,
        irreversible="accepted",
        retry={"attempts": 2, "first": "1s", "jitter": 0},
    )
    (
        given(saga(probed))
        .started("a")
        .lost("a")
        .answers("a", "absent")
        .then(waits=["retry"])
        .after("1s")
        .then(offered=["a"], attempts=[2])
    )


def test_a_probe_that_cannot_tell_asks_a_person() -> None:
    probed = step("a", risk="R1", unknown="probe", probe=True, irreversible="accepted")
    (
        given(saga(probed))
        .started("a")
        .lost("a")
        .answers("a", "cannot_tell")
        .then(waits=["unknown"], offered=[])
        .control("retry", node="a")
        .then(offered=["probe a"])
        .answers("a", "present")
        .then(status="fulfilled")
    )


def test_a_probe_that_gets_lost_is_asked_again_after_a_pause_and_in_the_end_a_person() -> None:
    probed = step("a", risk="R1", unknown="probe", probe=True, irreversible="accepted")
    story = given(saga(probed)).started("a").lost("a")
    for _ in range(9):
        story.lost("a").then(offered=[]).after("1m").then(offered=["probe a"])
    story.lost("a").then(offered=[], waits=["unknown"]).after("9d").then(offered=[])


def test_ask_a_person_says_which() -> None:
    asked = step("a", risk="R2", unknown="ask", irreversible="accepted", level="A0")
    document = saga({"node": "approve", "name": "ok", "level": "A1", "flow": [asked]}, step("z"))
    story = given(document).decides("ok", "mia", "manager").started("a").lost("a")
    story.then(waits=["unknown"], status="waiting")
    story.control("settle", node="a", outcome="perhaps", evidence=["x"]).then(
        answer="control.evidence"
    )
    story.control("settle", node="a", outcome="done", result=1, evidence=["mail"]).then(
        offered=["z"]
    )


def test_a_person_says_it_did_not_happen_and_it_is_tried_again() -> None:
    asked = step(
        "a",
        risk="R1",
        unknown="ask",
        irreversible="accepted",
        retry={"attempts": 2, "first": "1s", "jitter": 0},
    )
    (
        given(saga(asked))
        .started("a")
        .lost("a")
        .control("settle", node="a", outcome="not_done", evidence=["mail"])
        .after("1s")
        .then(offered=["a"], attempts=[2])
    )


def test_the_participant_itself_may_not_know() -> None:
    asked = step("a", risk="R1", unknown="ask", irreversible="accepted")
    given(saga(asked)).answers("a", "unknown").then(waits=["unknown"])


def test_a_late_done_settles_what_was_unknown() -> None:
    asked = step("a", risk="R1", unknown="ask", irreversible="accepted")
    (
        given(saga(asked, wait("w")))
        .started("a")
        .lost("a")
        .late("a", result=2)
        .then(at=["w"], results={"a": 2})
    )


def test_a_late_failure_is_only_recorded() -> None:
    asked = step("a", risk="R1", unknown="ask", irreversible="accepted")
    (
        given(saga(asked))
        .started("a")
        .lost("a")
        .then()
        .late("a", "failed", code="no")
        .then(events=["effect.late a failed"], answer="reply.late", waits=["unknown"])
    )


def test_undoing_waits_until_the_unknown_is_settled() -> None:
    asked = step("b", risk="R1", unknown="ask", undo=True)
    (
        given(saga(step("a", undo=True), asked))
        .done("a")
        .started("b")
        .lost("b")
        .cancelled()
        .then(offered=[], status="compensating", waits=["unknown"])
        .control("settle", node="b", outcome="done", evidence=["mail"])
        .then(offered=["undo b"])
        .undone("b")
        .undone("a")
        .then(status="cancelled")
    )


def test_a_probe_settles_what_a_stop_waits_for() -> None:
    probed = step("b", risk="R1", unknown="probe", probe=True, undo=True)
    document = saga(scope("s", probed, deadline={"after": "1h"}))
    (
        given(document)
        .started("b")
        .after("1h")
        .lost("b")
        .then(offered=["probe s/b"])
        .answers("b", "absent")
        .then(status="failed", error="deadline:s")
    )

"""Attempts that are taken back: a first one leaves nothing, a later one ends as a failure.

A reply `transient` says that another attempt may do, and not that nothing happened: an exception
of a handler may follow what it did. So a second attempt that a stop takes back is not forgotten.
"""

from tests.semantics.language import (
    Json,
    approve,
    branch,
    given,
    handler,
    parallel,
    put,
    saga,
    step,
)

RETRY = {"attempts": 3, "first": "1s", "jitter": 0}
LONG = {"first": "2h", "cap": "2h"}
ATTEMPTED = {"when": "attempted"}


def tried(**members: Json) -> Json:
    """A saga of one step that may be tried three times."""
    return saga(step("a", risk="R1", retry=RETRY, **members))


def test_a_first_attempt_that_nobody_had_begun_leaves_nothing() -> None:
    given(tried()).cancelled().then(status="cancelled", also=[], undo_commands=[])


def test_a_second_attempt_that_is_taken_back_ends_as_the_failure_of_the_first() -> None:
    """As a backoff does: what the participant said last is recorded, and told with the end."""
    (
        given(tried())
        .answers("a", "transient", code="busy")
        .after("1s")
        .then(offered=["a"], attempts=[2])
        .cancelled()
        .then(status="cancelled", also=["transient:busy"])
    )


def test_an_entry_made_at_dispatch_stays_when_a_second_attempt_is_taken_back() -> None:
    """Attempted also undoes a step that failed, and the first attempt did."""
    (
        given(tried(undo=ATTEMPTED))
        .answers("a", "transient")
        .after("1s")
        .cancelled()
        .then(offered=["undo a"], status="compensating")
        .undone("a")
        .then(status="cancelled", also=["transient:transient"])
    )


def test_it_stays_also_when_the_second_attempt_only_waited_for_its_time() -> None:
    (
        given(tried(undo=ATTEMPTED))
        .answers("a", "transient")
        .cancelled()
        .then(offered=["undo a"])
        .undone("a")
        .then(status="cancelled", also=["transient:transient"])
    )


def test_a_second_attempt_taken_back_by_a_failure_beside_it_is_told_with_that_failure() -> None:
    document = saga(
        parallel(
            "p",
            branch("x", step("a", risk="R1", undo=ATTEMPTED, retry=RETRY)),
            branch("y", step("b")),
        )
    )
    (
        given(document)
        .answers("a", "transient")
        .after("1s")
        .failed("b")
        .then(offered=["undo p/x/a"])
        .undone("a")
        .then(status="compensated", error="business:no", also=["transient:transient"])
    )


def test_a_second_attempt_of_a_pivot_that_is_taken_back_is_told_with_the_cancel() -> None:
    (
        given(saga(step("pay", risk="R1", irreversible="pivot", retry=RETRY)))
        .answers("pay", "transient")
        .after("1s")
        .cancelled()
        .then(status="cancelled", also=["transient:transient"])
    )


def test_an_attempted_entry_outlives_a_decision_that_expired_between_two_attempts() -> None:
    """The decision is asked for anew, and when it is refused the first attempt is undone."""
    gated = step("a", risk="R1", level="A1", undo=ATTEMPTED, retry=RETRY | LONG)
    (
        given(saga(approve("ok", gated, valid="1h")))
        .decides("ok", "mia", "manager")
        .answers("a", "transient")
        .after("2h")
        .then(offered=[], waits=["approval"])
        .decides("ok/a", "mia", "manager", answer="reject")
        .then(offered=["undo ok/a"])
    )


# --- after somebody said that it did not happen ------------------------------------------------


def doubtful(unknown: str = "probe", **members: Json) -> Json:
    """A step with an attempted undo; when no answer comes, somebody is asked what happened."""
    asked = {"unknown": unknown, "probe": unknown == "probe", "retry": RETRY}
    return step("a", risk="R1", undo=ATTEMPTED | members, **asked)


def test_an_attempt_after_a_probe_that_found_nothing_is_undone_as_the_first_would_have_been() -> (
    None
):
    (
        given(saga(doubtful()))
        .started("a")
        .lost("a")
        .answers("a", "absent")
        .then(undo=[])
        .after("1s")
        .then(offered=["a"], attempts=[2], undo=["a"])
        .failed("a")
        .then(offered=["undo a"], status="compensating")
        .undone("a")
        .then(status="compensated", error="business:no", undo_commands=["a"])
    )


def test_an_attempt_after_a_person_said_not_done_is_undone_too() -> None:
    (
        given(saga(doubtful("ask")))
        .started("a")
        .lost("a")
        .control("settle", node="a", outcome="not_done", evidence=["mail"])
        .then(undo=[])
        .after("1s")
        .failed("a")
        .then(offered=["undo a"])
        .undone("a")
        .then(status="compensated", error="business:no")
    )


def test_a_cancel_while_the_attempt_after_that_is_unanswered_finds_out_and_undoes() -> None:
    story = given(saga(doubtful())).started("a").lost("a").answers("a", "absent").after("1s")
    story.started("a").cancelled().lost("a").then(offered=["probe a"])
    story.answers("a", "cannot_tell").control(
        "settle", node="a", outcome="done", result=1, evidence=["mail"]
    )
    story.then(offered=["undo a"]).undone("a").then(status="cancelled")


def test_a_cancel_while_the_attempt_after_that_runs_undoes_what_then_fails() -> None:
    (
        given(saga(doubtful()))
        .started("a")
        .lost("a")
        .answers("a", "absent")
        .after("1s")
        .started("a")
        .cancelled()
        .failed("a")
        .then(offered=["undo a"])
        .undone("a")
        .then(status="cancelled", also=["business:no"])
    )


def test_an_attempt_after_that_which_nobody_had_begun_leaves_nothing() -> None:
    """The first did not happen, so the second counts as a first one."""
    (
        given(saga(doubtful()))
        .started("a")
        .lost("a")
        .answers("a", "absent")
        .after("1s")
        .cancelled()
        .then(status="cancelled", also=[], undo=[], undo_commands=[])
    )


def test_the_entry_made_again_reads_what_the_arguments_of_the_step_were_read_from() -> None:
    """Each attempt sends the same bytes, so what is to be undone is the same, too."""
    document = saga(
        doubtful(args={"n": "vars.n"}),
        vars={"n": {"schema": {"type": "integer"}, "initial": 1}},
        handlers=[handler("h", "x", put("p", n="2"))],
    )
    (
        given(document)
        .started("a")
        .lost("a")
        .happens("x")
        .answers("a", "absent")
        .after("1s")
        .failed("a")
        .then(offered=["undo a"], args=[{"n": 1}])
    )

"""task, human work: offered, claimed with a lease, done with a form (section 3)."""

from tests.semantics.language import (
    approve,
    branch,
    choose,
    given,
    race,
    repeat,
    saga,
    scope,
    sleep,
    step,
    task,
)

FORM = {"type": "object", "properties": {"risk": {"type": "integer"}}, "required": ["risk"]}
FOUND = {"risk": 3}


def test_it_is_offered_claimed_and_done_and_yields_by_at_and_payload() -> None:
    file = step("file", args={"risk": "results.review.payload.risk"})
    (
        given(saga(task("review", form=FORM, within="3d"), file))
        .then(
            events=["commitment.opened", "task.offered review"],
            waits=["task"],
            status="waiting",
            tasks=["offered"],
        )
        .works("review", "claim")
        .then(events=["task.claimed review ann"], answer="claimed", tasks=["claimed"])
        .works("review", "complete", payload=FOUND)
        .then(
            events=["task.done review", "effect.intended file"],
            answer="done",
            tasks=["done"],
            args=[{"risk": 3}],
            results={
                "review": {"by": "ann", "at": "2023-11-14T22:13:20.000000Z", "payload": FOUND}
            },
        )
    )


def test_who_has_no_seat_of_its_roles_cannot_claim_it() -> None:
    (
        given(saga(task("review", "legal", "finance", within="3d")))
        .then()
        .works("review", "claim", "bob", "manager")
        .then(events=[], answer="task.role")
        .works("review", "claim", "bob", "finance")
        .then(answer="claimed")
    )


def test_only_a_person_may_do_it() -> None:
    (
        given(saga(task("review", within="3d")))
        .then()
        .works("review", "claim", actor="executor_system")
        .then(events=[], answer="task.actor")
    )


def test_one_person_has_it_at_a_time() -> None:
    (
        given(saga(task("review", within="3d")))
        .works("review", "claim", "ann")
        .then()
        .works("review", "claim", "bob")
        .then(events=[], answer="task.claimed")
        .works("review", "complete", "bob")
        .then(events=[], answer="task.not_yours")
        .works("review", "release", "bob")
        .then(events=[], answer="task.not_yours")
    )


def test_given_back_it_is_open_for_all_again() -> None:
    (
        given(saga(task("review", within="3d")))
        .works("review", "claim", "ann")
        .works("review", "release", "ann")
        .then(tasks=["offered"], answer="offered")
        .works("review", "claim", "bob")
        .then(answer="claimed")
    )


def test_it_goes_back_to_the_pool_when_its_lease_ends() -> None:
    (
        given(saga(task("review", within="3d", claim_lease="2h")))
        .works("review", "claim", "ann")
        .then()
        .after("2h")
        .then(events=["timer.fired review lease", "task.released review lease"], tasks=["offered"])
        .works("review", "complete", "ann")
        .then(events=[], answer="task.not_yours")
        .works("review", "claim", "bob")
        .works("review", "complete", "bob")
        .then(status="fulfilled")
    )


def test_claimed_again_by_the_same_person_its_lease_is_longer() -> None:
    (
        given(saga(task("review", within="3d", claim_lease="2h")))
        .works("review", "claim")
        .after("1h")
        .works("review", "claim")
        .after("90m")
        .works("review", "complete")
        .then(status="fulfilled")
    )


def test_a_payload_that_does_not_fit_the_form_is_refused_and_leaves_no_event() -> None:
    (
        given(saga(task("review", form=FORM, within="3d")))
        .works("review", "claim")
        .then()
        .works("review", "complete", payload={"risk": "high"})
        .then(events=[], answer="task.payload", tasks=["claimed"])
    )


def test_who_decided_in_not_by_may_not_do_it() -> None:
    second = task("second", not_by=["first"], within="3d")
    (
        given(saga(task("first", within="3d"), second))
        .works("first", "claim", "ann")
        .works("first", "complete", "ann")
        .works("second", "claim", "ann")
        .then(answer="decision.not_by")
        .works("second", "claim", "bob")
        .then(answer="claimed")
    )


def test_an_approve_may_bar_who_did_a_task() -> None:
    (
        given(saga(task("review", within="3d"), approve("legal", covers=[], not_by=["review"])))
        .works("review", "claim", "ann")
        .works("review", "complete", "ann")
        .decides("legal", "ann", "manager")
        .then(answer="decision.not_by")
    )


def test_an_escalation_lets_others_claim_it_too() -> None:
    later = [{"after": "1d", "to": "executive"}]
    (
        given(saga(task("review", within="3d", escalate=later)))
        .works("review", "claim", "eve", "executive")
        .then(answer="task.role")
        .after("1d")
        .then(events=["timer.fired review escalate_1", "task.escalated review executive"])
        .works("review", "claim", "eve", "executive")
        .then(answer="claimed")
    )


def test_within_fails_it_as_a_timeout_of_its_name() -> None:
    (
        given(saga(task("review", within="3d")))
        .works("review", "claim")
        .after("3d")
        .then(status="failed", error="timeout:review", tasks=["withdrawn"])
    )


def test_with_on_expiry_continue_it_says_that_it_expired() -> None:
    late = {"when": "has(results.review.expired)", "flow": [step("remind")]}
    (
        given(saga(task("review", within="3d", on_expiry="continue"), choose("late", late)))
        .after("3d")
        .then(results={"review": {"expired": True}}, offered=["late/remind"])
    )


def test_a_stop_withdraws_it_and_what_comes_late_is_refused() -> None:
    (
        given(saga(task("review", within="3d"), step("a")))
        .works("review", "claim")
        .cancelled()
        .then(status="cancelled", tasks=["withdrawn"])
        .works("review", "complete")
        .then(events=[], answer="task.closed")
    )


def test_it_may_be_the_trigger_of_a_race() -> None:
    done = branch("seen", step("file"), on=task("review"))
    late = branch("late", on=sleep("pause", "1d"))
    (
        given(saga(race("first", done, late)))
        .works("review", "claim")
        .works("review", "complete")
        .then(offered=["first/seen/file"])
    )


def test_a_deadline_around_it_withdraws_it() -> None:
    (
        given(saga(scope("part", task("review"), deadline={"after": "2d"})))
        .after("2d")
        .then(status="failed", error="deadline:part", tasks=["withdrawn"])
    )


def test_each_round_offers_its_own() -> None:
    (
        given(saga(repeat("turn", task("review", within="3d"), max=2)))
        .works("review", "claim")
        .works("review", "complete")
        .then(at=["turn#2/review"], tasks=["done", "offered"])
    )


def test_paused_it_is_kept_and_done_at_the_resume() -> None:
    (
        given(saga(task("review", within="3d")))
        .works("review", "claim")
        .control("pause")
        .works("review", "complete")
        .then(answer="deferred", tasks=["claimed"])
        .control("resume")
        .then(status="fulfilled")
    )

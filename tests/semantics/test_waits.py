"""wait_for, collect, early and transient events, the order of takers (sections 3 and 6)."""

from tests.semantics.language import (
    branch,
    given,
    handler,
    parallel,
    race,
    saga,
    scope,
    sleep,
    step,
    wait,
)

COLLECT = {"until": "size(events.paid) >= 2"}


def test_a_wait_takes_an_event_of_its_type_and_key() -> None:
    (
        given(saga(wait("signed"), step("a", args={"n": "events.signed.data.n"})))
        .then(
            events=["commitment.opened", "wait.opened signed"],
            at=["signed"],
            waits=["event"],
            status="waiting",
        )
        .happens("other")
        .happens("signed", key="elsewhere")
        .then(events=[])
        .happens("signed", {"n": 3})
        .then(events=["event.taken signed", "effect.intended a"], args=[{"n": 3}])
    )


def test_a_guard_decides_which_event_is_taken() -> None:
    (
        given(saga(wait("paid", when="event.data.sum > 10")))
        .then()
        .happens("paid", {"sum": 5})
        .then(events=[], status="waiting")
        .happens("paid", {"sum": 11})
        .then(status="fulfilled")
    )


def test_an_early_event_waits_for_its_wait_the_oldest_first() -> None:
    (
        given(saga(step("a"), wait("first", "signed"), wait("second", "signed")))
        .happens("signed")
        .happens("signed")
        .done("a")
        .then(taken={"first": "e1", "second": "e2"}, status="fulfilled")
    )


def test_an_event_is_taken_once() -> None:
    (
        given(saga(wait("first", "signed"), wait("second", "signed")))
        .happens("signed")
        .then(at=["second"], status="waiting")
    )


def test_a_transient_wait_sees_only_what_comes_while_it_is_active() -> None:
    (
        given(saga(step("a"), wait("signed", early="transient")))
        .happens("signed")
        .done("a")
        .then(at=["signed"])
        .happens("signed")
        .then(taken={"signed": "e2"}, status="fulfilled")
    )


def test_within_fails_the_wait_as_a_timeout_of_its_name() -> None:
    (
        given(saga(wait("signed", within="14d")))
        .after("14d")
        .then(status="failed", error="timeout:signed")
    )


def test_within_with_continue_yields_expired() -> None:
    (
        given(
            saga(
                wait("signed", within="14d", on_expiry="continue"),
                step("a", args={"late": "events.signed.expired"}),
            )
        )
        .after("14d")
        .then(offered=["a"], args=[{"late": True}])
    )


def test_what_is_accepted_when_the_time_is_over_comes_too_late() -> None:
    """Timers due at or before a message fire first."""
    story = given(saga(wait("signed", within="1d")))
    story.w.now_us += 86_400_000_000
    story.happens("signed").then(status="failed")


def test_collect_ends_with_its_predicate() -> None:
    (
        given(saga(wait("paid", collect=COLLECT)))
        .happens("paid")
        .then(status="waiting")
        .happens("paid")
        .then(taken={"paid": ["e1", "e2"]}, status="fulfilled")
    )


def test_collect_ends_with_its_maximum() -> None:
    (
        given(saga(wait("paid", collect={"max": 3})))
        .happens("paid")
        .happens("paid")
        .happens("paid")
        .then(status="fulfilled")
    )


def test_collect_ends_when_nothing_came_for_the_quiet_time() -> None:
    (
        given(saga(wait("paid", collect={"quiet": "1h"})))
        .happens("paid")
        .after("50m")
        .happens("paid")
        .after("50m")
        .then(status="waiting")
        .after("10m")
        .then(taken={"paid": ["e1", "e2"]}, status="fulfilled")
    )


def test_race_the_first_trigger_wins_and_the_others_are_withdrawn() -> None:
    document = saga(
        race(
            "reply",
            branch("yes", step("thank"), on=wait("signed"), out="events.signed.data.n"),
            branch("late", step("remind"), on=sleep("patience", "3d")),
        ),
        step("z"),
    )
    (
        given(document)
        .then(at=["reply/yes/signed", "reply/late/patience"])
        .happens("signed", {"n": 1})
        .then(
            events=[
                "event.taken reply/yes/signed",
                "node.stopped",
                "node.entered reply yes",
                "effect.intended reply/yes/thank",
            ]
        )
        .done("thank")
        .then(results={"thank": None, "reply": {"branch": "yes", "out": 1}}, offered=["z"])
    )
    given(document).after("3d").then(offered=["reply/late/remind"]).happens("signed").then(
        events=[]
    )


def test_takers_waits_come_before_handlers_and_inner_before_outer() -> None:
    document = saga(
        scope("s", wait("w", "x"), step("a"), handlers=[handler("inner", "x")]),
        handlers=[handler("outer", "x", step("o"))],
    )
    story = given(document).then()
    story.happens("x").then(events=["event.taken s/w", "effect.intended s/a"])
    story.happens("x").then(events=["event.taken s/inner s/inner@1", "node.done s/inner@1"])
    story.done("a").happens("x").then(status="fulfilled")


def test_takers_an_interrupt_comes_before_a_beside_and_then_document_order() -> None:
    document = saga(
        step("a"),
        handlers=[
            handler("b1", "x", step("one")),
            handler("b2", "x", step("two")),
            handler("i", "x", step("three"), mode="interrupt", when="event.data.stop"),
        ],
    )
    (
        given(document)
        .happens("x", {"stop": False})
        .then(offered=["a", "b1@1/one"])
        .happens("x", {"stop": True})
        .then(
            events=[
                "event.taken i i@1",
                "part.stopping root interrupt",
                "effect.stop_asked",
                "effect.withdrawn a",
                "effect.withdrawn b1@1/one",
                "part.stopped root",
                "node.entered root handler:i",
                "effect.intended i@1/three",
            ]
        )
    )


def test_two_waits_of_parallel_branches_take_in_document_order() -> None:
    document = saga(parallel("p", branch(None, wait("one", "x")), branch(None, wait("two", "x"))))
    (
        given(document)
        .then()
        .happens("x")
        .then(events=["event.taken p/one", "node.branch_closed p one done"])
        .happens("x")
        .then(status="fulfilled")
    )

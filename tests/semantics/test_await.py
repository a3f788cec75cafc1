"""await, the milestone: it completes when its condition holds, read after every move (3)."""

from tests.semantics.language import (
    branch,
    choose,
    given,
    handler,
    milestone,
    parallel,
    put,
    race,
    repeat,
    saga,
    sleep,
    step,
    wait,
)

VARS = {"n": {"schema": {"type": "integer"}, "initial": 0}}


def test_it_completes_at_once_when_its_condition_holds_already() -> None:
    (
        given(saga(milestone("ready", "vars.n == 0"), step("a"), vars=VARS)).then(
            events=[
                "commitment.opened",
                "await.opened ready",
                "node.done ready",
                "effect.intended a",
            ]
        )
    )


def test_it_rests_until_a_branch_beside_it_has_come_so_far() -> None:
    build = branch("build", step("first"), step("second"))
    sell = branch("sell", milestone("ready", "done('first')", within="3d"), step("offer"))
    (
        given(saga(parallel("both", build, sell)))
        .then(offered=["both/build/first"], waits=["participant", "condition"])
        .done("first")
        .then(
            events=[
                "effect.done both/build/first",
                "node.done both/sell/ready",
                "effect.intended both/sell/offer",
                "effect.intended both/build/second",
            ]
        )
    )


def test_it_is_read_after_every_move_so_it_sees_what_holds_only_for_one() -> None:
    up_and_down = branch("count", wait("go"), put("up", n="1"), put("down", n="0"))
    seen = branch("see", milestone("ready", "vars.n == 1", within="3d"), step("offer"))
    (
        given(saga(parallel("both", up_and_down, seen), vars=VARS))
        .then()
        .happens("go")
        .then(
            events=[
                "event.taken both/count/go",
                "vars.set both/count/up {'n': 1}",
                "node.done both/see/ready",
                "effect.intended both/see/offer",
                "vars.set both/count/down {'n': 0}",
                "node.branch_closed both count done",
            ],
        )
    )


def test_within_fails_it_as_a_timeout_of_its_name() -> None:
    (
        given(saga(milestone("ready", "vars.n == 1", within="3d"), vars=VARS))
        .then(waits=["condition"], status="waiting")
        .after("3d")
        .then(status="failed", error="timeout:ready")
    )


def test_with_on_expiry_continue_it_says_that_it_expired() -> None:
    late = {"when": "has(results.ready.expired)", "flow": [step("remind")]}
    rests = milestone("ready", "vars.n == 1", within="3d", on_expiry="continue")
    (
        given(saga(rests, choose("late", late), vars=VARS))
        .after("3d")
        .then(results={"ready": {"expired": True}}, offered=["late/remind"])
    )


def test_it_may_be_the_trigger_of_a_race() -> None:
    seen = branch("seen", step("offer"), on=milestone("ready", "vars.n == 1"))
    late = branch("late", on=sleep("pause", "1d"))
    counted = handler("counted", "count", put("up", n="vars.n + 1"))
    (
        given(saga(race("first", seen, late), vars=VARS, handlers=[counted]))
        .then(waits=["condition", "timer"])
        .happens("count")
        .then(
            events=[
                "event.taken counted counted@1",
                "vars.set counted@1/up {'n': 1}",
                "node.done first/seen/ready",
                "node.stopped",
                "node.entered first seen",
                "effect.intended first/seen/offer",
                "node.done counted@1",
            ]
        )
    )


def test_a_race_between_two_that_hold_is_won_by_the_first_in_the_document() -> None:
    one = branch("one", step("a"), on=milestone("first", "vars.n >= 0"))
    two = branch("two", step("b"), on=milestone("second", "vars.n >= 0"))
    given(saga(race("both", one, two), vars=VARS)).then(offered=["both/one/a"])


def test_a_stop_withdraws_it() -> None:
    (
        given(saga(milestone("ready", "vars.n == 1", within="3d"), vars=VARS))
        .cancelled()
        .then(status="cancelled")
    )


def test_paused_it_does_not_move_and_looks_again_at_the_resume() -> None:
    build = branch("build", step("first"))
    sell = branch("sell", milestone("ready", "done('first')", within="3d"), step("offer"))
    (
        given(saga(parallel("both", build, sell)))
        .control("pause")
        .done("first")
        .then(offered=[], status="paused")
        .control("resume")
        .then(offered=["both/sell/offer"])
    )


def test_a_round_has_its_own() -> None:
    rests = milestone("ready", "vars.n >= round.turn", within="3d")
    (
        given(
            saga(repeat("turn", rests, wait("go"), put("up", n="vars.n + 1"), max=2), vars=VARS)
        ).then(at=["turn#1/ready"])
    )


def test_an_error_in_its_condition_is_held_and_never_taken_for_false() -> None:
    (
        given(saga(milestone("ready", "1 / vars.n == 1", within="3d"), vars=VARS)).then(
            status="held", held="ready"
        )
    )

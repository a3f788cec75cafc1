"""The bound on all that a commitment holds: 4 MiB, before anything is written (section 6)."""

from typing import Any

from sagas import defaults
from tests.semantics.language import (
    Story,
    branch,
    each,
    given,
    parallel,
    put,
    repeat,
    saga,
    sleep,
    step,
    update,
    wait,
)

Json = Any
LARGE = "x" * 260_000
FITS = defaults.STATE_BYTES_MAX // len(LARGE)
VARS = {"kept": {"schema": {}, "initial": ""}}


def full(*flow: Json, **members: Json) -> Story:
    """A commitment that has as many large results as it can hold."""
    steps = [step(f"s{n}", undo=n == 1 or None) for n in range(1, FITS + 1)]
    story = given(saga(*steps, *flow, sleep("rest", "9d"), **members))
    for n in range(1, FITS + 1):
        story.done(f"s{n}", LARGE)
    return story


def test_a_reply_that_takes_it_over_is_put_off_and_an_operator_looks() -> None:
    (
        full(step("more"), step("after"))
        .then(status="open", offered=["more"])
        .done("more", LARGE)
        .then(
            status="held",
            answer="deferred",
            events=["commitment.held root internal:bound.state", "commitment.message_deferred"],
        )
    )


def test_a_small_reply_still_goes() -> None:
    full(step("more"), step("after")).done("more", 7).then(offered=["after"])


def test_held_for_that_a_retry_is_refused_without_an_event() -> None:
    (
        full(step("more"))
        .done("more", LARGE)
        .then()
        .control("retry")
        .then(answer="bound.state", events=[], status="held")
    )


def test_held_for_that_a_cancel_undoes_all_and_what_was_put_off_too() -> None:
    (
        full(step("more", undo=True))
        .done("more", LARGE)
        .cancelled()
        .then(status="compensating", offered=["undo more"])
        .undone("more", "s1")
        .then(status="cancelled")
    )


def test_held_for_that_it_takes_no_more_large_replies() -> None:
    story = full(parallel("p", branch("a", step("a")), branch("b", step("b"))))
    story.done("a", LARGE).then(status="held")
    story.done("b", LARGE).then(answer="bound.state", events=[])


def test_held_for_that_what_is_small_is_put_off_as_at_any_rest() -> None:
    story = full(parallel("p", branch("a", step("a")), branch("b", step("b"))))
    story.done("a", LARGE).then(status="held")
    story.started("b").lost("b").then(status="held", events=["commitment.message_deferred"] * 2)


def test_an_update_over_the_bound_is_refused_without_an_event() -> None:
    keep = update("keep", set={"kept": "args.text"})
    (
        full(wait("go", within="9d"), vars=VARS, updates=[keep])
        .then()
        .asks("keep", text=LARGE)
        .then(answer="bound.state", events=[], status="waiting")
        .asks("keep", text="short")
        .then(answer="accepted", vars={"kept": "short"})
    )


def test_an_event_over_the_bound_is_put_off() -> None:
    (
        full(wait("go", within="9d"))
        .happens("go", {"text": LARGE})
        .then(status="held")
        .cancelled()
        .undone("s1")
        .then(status="cancelled", taken={})
    )


def test_a_timer_whose_moves_would_pass_the_bound_holds_and_fires_again_at_the_retry() -> None:
    (
        full(sleep("nap", "1h"), put("keep", kept="results.s1"), vars=VARS)
        .then()
        .after("2h")
        .then(status="held", events=["commitment.held root internal:bound.state"])
        .control("retry")
        .then(answer="bound.state", status="held")
    )


def test_an_opening_over_the_bound_is_held_with_nothing_begun() -> None:
    names = [f"v{n}" for n in range(FITS + 1)]
    flow = [*(put(f"set_{n}", **{n: "input.text"}) for n in names), sleep("rest", "9d")]
    declared = {n: {"schema": {}, "initial": ""} for n in names}
    (
        given(saga(*flow, vars=declared), {"id": "acme", "text": LARGE})
        .then(
            status="held",
            events=[
                "commitment.opened",
                "commitment.held root internal:bound.state",
                "commitment.message_deferred",
            ],
        )
        .control("retry")
        .then(answer="bound.state", status="held")
        .cancelled()
        .then(status="cancelled")
    )


def test_undoing_is_never_turned_away() -> None:
    """What must be undone may pass the bound: nothing else could be done about it."""
    back = {"args": {"what": "result"}}
    steps = [step(f"s{n}", undo=back) for n in range(1, FITS // 2 + 1)]
    story = given(saga(*steps, step("last")))
    for n in range(1, FITS // 2 + 1):
        story.done(f"s{n}", LARGE)
    story.then(status="open").failed("last")
    for n in range(FITS // 2, 0, -1):
        story.undone(f"s{n}")
    story.then(status="compensated")


def test_what_rounds_leave_does_not_add_up() -> None:
    """Measured, not counted: a long repeat of large results stays far below the bound."""
    story = given(saga(repeat("r", step("s"), max=3 * FITS)))
    for _ in range(3 * FITS):
        story.done("s", LARGE)
    story.then(status="fulfilled")


def test_ten_thousand_items_fit() -> None:
    xs = [f"item {n}" for n in range(defaults.ITEMS_MAX)]
    flow = each("xs", step("s"), max_items=defaults.ITEMS_MAX, width=2)
    given(saga(flow), {"id": "acme", "xs": xs}).then(status="open")

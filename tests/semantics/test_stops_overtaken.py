"""A stop that another one overtakes, and what becomes of it when that is refused past a pivot."""

from tests.semantics.language import (
    branch,
    cancel,
    given,
    handler,
    on_failure,
    parallel,
    saga,
    scope,
    step,
    undo,
    wait,
)

A = step("a", undo=True)
LATE = handler("h", "gone", step("last"), mode="interrupt", after_pivot=True)
PAY = step("pay", irreversible="pivot")


def test_an_interrupt_that_waits_for_a_pivot_outlives_a_cancel_that_is_refused() -> None:
    story = given(saga(PAY, step("next"), handlers=[LATE])).started("pay").happens("gone")
    story.cancelled().done("pay").then(offered=["h@1/last"]).done("last").then(status="fulfilled")


def test_an_interrupt_that_waits_for_a_pivot_outlives_a_cancel_of_its_scope() -> None:
    part = scope("s", PAY, step("next"), handlers=[LATE])
    both = parallel("both", branch("one", part), branch("two", wait("w"), cancel("c", "s")))
    story = given(saga(both)).started("pay").happens("gone").happens("w")
    story.done("pay").then(offered=["both/one/s/h@1/last"]).done("last").then(status="fulfilled")


def test_an_interrupt_does_not_outlive_a_cancel_that_comes_to_pass() -> None:
    story = given(saga(PAY, step("next"), handlers=[LATE])).started("pay").happens("gone")
    story.cancelled().failed("pay").then(status="cancelled", offered=[])


def test_a_failure_that_comes_after_them_outlives_both_an_interrupt_and_its_cancel() -> None:
    part = parallel("p", branch("one", PAY), branch("two", step("b")))
    sorry = on_failure("business", step("sorry"))
    story = given(saga(part, handlers=[LATE], on_failure=[sorry])).started("pay")
    story.happens("gone").cancelled().failed("b").done("pay").then(offered=["sorry"])


def test_a_cancel_undoes_what_a_stop_that_it_overtakes_would_have_kept() -> None:
    slow = branch("slow", step("b", undo=True), wait("w"))
    part = parallel("p", branch("fast", A), slow, join="any", losers="run_on", keep=True)
    gone = handler("h", "gone", step("last"), mode="interrupt")
    story = given(saga(scope("s", part, step("c"), handlers=[gone]))).done("a").done("b")
    story.started("c").happens("gone").cancelled().done("c").then(offered=["undo s/p/slow/b"])


def test_an_undo_of_what_is_undone_already_for_a_late_answer_waits_for_that() -> None:
    """Whatever a part is undone for, who asked for it goes on when that is over."""
    once = step("a", undo=True, unknown="retry", retry={"attempts": 1})
    late = on_failure("*", wait("w"), undo("back", "a"), step("b"), undo="none")
    story = given(saga(once, on_failure=[late])).started("a").lost("a").late("a")
    story.then(offered=["undo a"]).happens("w").undone("a").then(offered=["b"])


def test_an_undo_of_what_is_undone_already_for_a_cancel_waits_for_that() -> None:
    cut = branch("cut", wait("w"), cancel("c", "s"))
    asks = branch("asks", wait("v"), undo("back", "s"), step("b"))
    both = parallel("both", branch("one", scope("s", A, wait("x"))), cut, asks)
    story = given(saga(both)).done("a").happens("w").happens("v")
    story.undone("a").then(offered=["both/asks/b"]).done("b").then(status="fulfilled")

"""What stops, or is done, and is told to stop once more, or is kept or undone meanwhile."""

from tests.semantics.language import (
    Json,
    Story,
    branch,
    cancel,
    choose,
    each,
    fail,
    finish,
    given,
    handler,
    lock,
    on_failure,
    parallel,
    repeat,
    saga,
    scope,
    step,
    undo,
    wait,
)

SHOWN = {"evidence": "a letter"}
A = step("a", undo=True)


def gives_up_twice(part: Json, *acts: Json) -> Story:
    """Behind each wait a branch cancels the part beside it."""
    asking = [branch(f"n{i}", wait(f"w{i}"), act) for i, act in enumerate(acts)]
    return given(saga(parallel("both", branch("one", part), *asking), step("last")))


def test_a_block_that_is_undone_for_a_cancel_is_not_cancelled_again() -> None:
    (
        gives_up_twice(scope("part", A, wait("w")), cancel("c0", "part"), cancel("c1", "part"))
        .done("a")
        .happens("w0")
        .happens("w1")
        .undone("a")
        .then(offered=["last"])
    )


def test_an_item_that_is_undone_for_a_cancel_is_not_cancelled_again() -> None:
    acts = [cancel(f"c{i}", "list", item="'x'") for i in range(2)]
    part = each("list", A, wait("w"), items="['x', 'y']")
    (
        gives_up_twice(part, *acts)
        .done("both/one/list[x]/a")
        .done("both/one/list[y]/a")
        .happens("w0")
        .happens("w1")
        .undone("both/one/list[x]/a")
        .happens("w")
        .then(offered=["last"])
        .failed("last")
        .undone("both/one/list[y]/a")
        .then(status="compensated")
    )


def test_an_item_of_a_list_that_is_undone_for_a_cancel_is_not_finished() -> None:
    """Nor does the one begin that comes after it."""
    items = each("p", A, after="each.p.key == 'k2' ? ['k1'] : []")
    acts = wait("w0"), cancel("gone", "p"), wait("w1"), finish("enough", "p", item="'k1'")
    both = parallel("both", branch("list", items), branch("acts", *acts))
    story = given(saga(both, step("z")), {"id": "acme", "xs": ["k1", "k2"]})
    story.started("a").happens("w0").done("a")
    story.then(offered=["undo both/list/p[k1]/a"]).happens("w1")
    story.then(offered=["undo both/list/p[k1]/a"]).undone("a").then(offered=["z"])


def test_an_operator_finishes_nothing_that_is_being_undone() -> None:
    (
        gives_up_twice(scope("part", A, wait("w")), cancel("c0", "part"))
        .done("a")
        .happens("w0")
        .control("finish", node="part", **SHOWN)
        .then(answer="control.target")
        .undone("a")
        .then(offered=["last"])
    )


def test_an_operator_finishes_blocks_and_not_their_items() -> None:
    (
        given(saga(each("list", A, items="['x']"), step("last")))
        .control("finish", node="list[x]", **SHOWN)
        .then(answer="control.target")
        .done("a")
        .then(offered=["last"])
    )


def test_an_operator_finishes_no_block_that_runs_on() -> None:
    part = parallel("p", branch("fast", A), branch("slow", wait("w")), join="any", losers="run_on")
    (
        given(saga(part, step("last")))
        .done("a")
        .control("finish", node="p", **SHOWN)
        .then(answer="control.target", offered=["last"])
        .done("last")
        .happens("w")
        .then(status="fulfilled")
    )


def test_a_block_that_an_operator_finishes_keeps_what_would_have_run_on() -> None:
    part = parallel(
        "p", branch("one", A, wait("w")), branch("two", wait("v")), losers="run_on", keep=True
    )
    (
        given(saga(part, step("last")))
        .done("a")
        .control("finish", node="p", **SHOWN)
        .then(undo=[], offered=["last"])
        .failed("last")
        .then(status="failed")
    )


def test_what_ran_on_in_a_block_that_keeps_it_is_kept_when_a_block_around_is_finished() -> None:
    slow = branch("slow", step("b", undo=True), wait("w"))
    part = parallel("p", branch("fast", A), slow, join="any", losers="run_on", keep=True)
    (
        given(saga(scope("s", part, wait("v")), step("last")))
        .done("a")
        .done("b")
        .then(undo=["s/p/slow/b"])
        .control("finish", node="s", **SHOWN)
        .then(undo=[], offered=["last"])
    )


def test_a_round_in_which_its_repeat_is_finished_is_kept_with_the_rounds() -> None:
    (
        given(saga(repeat("r", A, wait("w"), max=2, keep_rounds=True), step("last")))
        .done("a")
        .control("finish", node="r", **SHOWN)
        .then(undo=[], offered=["last"])
    )


def test_what_is_done_while_an_undo_goes_on_is_kept_with_its_block() -> None:
    part = parallel("p", branch("one", A), branch("two", wait("w"), undo("back", "p")),
                    branch("three", wait("v"), step("b", undo=True)), join=2,
                    losers="keep")  # fmt: skip
    (
        given(saga(choose("c", branch("yes", part, when="true"), keep=True), step("last")))
        .done("a")
        .happens("w")
        .happens("v")
        .done("b")
        .then(offered=["undo c/yes/p/one/a", "last"], undo=["c/yes/p/one/a"])
        .undone("a")
        .failed("last")
        .then(status="compensated")
    )


def test_an_undo_leaves_alone_what_is_not_known_to_be_done() -> None:
    grab = step("grab", undo={"when": "attempted"})
    part = parallel("p", branch("one", grab), branch("two", A, undo("back", "p")))
    (
        given(saga(part, step("last")))
        .started("grab")
        .done("a")
        .then(offered=["p/one/grab", "undo p/two/a"])
        .undone("a")
        .done("grab")
        .then(offered=["last"], undo=["p/one/grab"])
    )


def test_a_failure_that_waits_for_a_pivot_outlives_a_cancel_that_is_refused() -> None:
    pay = step("pay", irreversible="pivot")
    beside = parallel("both", branch("one", pay), branch("two", step("b")))
    (
        given(saga(beside, on_failure=[on_failure("business", step("sorry"))]))
        .started("pay")
        .failed("b")
        .cancelled()
        .done("pay")
        .then(offered=["sorry"])
    )


def failed_around_a_pivot(beside: Json) -> Story:
    """A parallel is over its time, while a pivot in it is in flight, and something beside that."""
    pay = step("pay", irreversible="pivot")
    part = parallel("p", branch("one", pay), branch("two", beside), within="1h")
    return given(saga(part, on_failure=[on_failure("timeout", step("sorry"))])).started("pay")


def test_a_flow_ends_in_a_block_that_failed_and_waits_for_a_pivot() -> None:
    story = failed_around_a_pivot(scope("s", wait("w"))).after("2h").happens("w")
    story.then(offered=["p/one/pay"]).done("pay").then(offered=["sorry"])


def test_a_lock_whose_flow_ends_goes_on_though_its_failure_waits_for_a_pivot() -> None:
    story = failed_around_a_pivot(lock("held", wait("w"), max_hold="10m")).after("15m")
    assert story.w.now.locks
    story.happens("w").then(offered=["p/one/pay"])
    assert not story.w.now.locks
    story.done("pay").then(offered=["sorry"])


def test_an_item_ends_in_a_block_that_failed_and_waits_for_a_pivot() -> None:
    part = each("list", step("pay", irreversible="pivot"), items="['x', 'y']", within="1h")
    (
        given(saga(part, on_failure=[on_failure("timeout", step("sorry"))]))
        .started("list[x]/pay")
        .started("list[y]/pay")
        .after("2h")
        .done("list[x]/pay")
        .then(offered=["list[y]/pay"])
        .done("list[y]/pay")
        .then(offered=["sorry"])
    )


def test_a_join_that_cannot_be_met_for_several_reasons_is_one_debt() -> None:
    part = parallel("p", branch("one", step("a")), branch("two", step("b"), after=["one"]), join=2,
                    on_branch="collect")  # fmt: skip
    story = given(saga(step("pay", irreversible="pivot"), part, step("last")))
    story.done("pay").failed("a").then(debts=["forward p"])
    story.control("settle", node="p", **SHOWN).then(offered=["last"], debts=[])


def test_a_step_whose_undo_flow_was_given_up_and_that_is_done_lets_a_stop_go_on() -> None:
    trip = scope("trip", step("book"), undo_flow=[step("back")])
    sorry = on_failure("business", step("sorry"), undo="all")
    story = given(saga(trip, fail("no", "no"), on_failure=[sorry], undo_deadline="1h"))
    story.done("book").started("trip@0/back").after("2h")
    story.control("settle", node="trip", outcome="done", **SHOWN)
    story.done("sorry").then(status="open", offered=["trip@0/back"])
    story.done("trip@0/back").then(status="fulfilled")


# --- past a pivot ------------------------------------------------------------------------------


def test_a_step_that_failed_past_a_pivot_and_is_undone_is_not_retried() -> None:
    """The same key has been done and undone: commanded again, nothing would happen."""
    once = step("a", undo={"when": "attempted"}, retry={"attempts": 1})
    back = handler("ask", "poke", once)
    pivot = step("sign", irreversible="pivot")
    story = given(saga(pivot, step("z"), handlers=[back])).started("sign").happens("poke")
    story.control("cancel").started("a").lost("a").late("a").then(offered=["sign", "undo ask@1/a"])
    story.done("sign").undone("a").then(debts=["forward ask@1/a"])
    story.control("retry", node="ask@1/a").then(answer="control.target", offered=["z"])
    story.control("settle", node="ask@1/a", **SHOWN).then(debts=[], offered=["z"])


def test_what_is_done_late_in_a_block_that_is_over_goes_on_nowhere() -> None:
    """It had failed past a pivot, and so did the block around it, which a person settled."""
    pivot = step("sign", irreversible="pivot")
    part = scope("s", step("a", undo=True, retry={"attempts": 1}), step("b"))
    part["deadline"] = {"after": "1h"}
    for behind in ([], [step("z")]):
        story = given(saga(pivot, part, *behind)).done("sign").started("a").lost("a").after("2h")
        story.control("settle", node="s", **SHOWN)
        story.late("a").then(offered=["z", "undo s/a"] if behind else [], held=None)


def test_what_ran_on_in_a_kept_block_is_kept_when_its_part_fails_past_a_pivot() -> None:
    pivot = step("sign", irreversible="pivot")
    ran = branch("y", step("c", undo=True), wait("w"))
    both = parallel("p", branch("x", A), ran, join="any", losers="run_on", keep=True)
    part = scope("s", both, wait("v")) | {"deadline": {"after": "1h"}}
    story = given(saga(pivot, part)).done("sign").done("a").done("c").then(undo=["s/p/y/c"])
    story.after("2h").then(undo=[], debts=["forward s"])

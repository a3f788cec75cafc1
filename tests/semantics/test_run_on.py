"""losers: run_on. Behind the join the flow goes on, and so does what is left (section 3)."""

from tests.semantics.language import (
    Json,
    branch,
    cancel,
    each,
    fail,
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


def first_wins(*slow: Json, **members: Json) -> Json:
    """A parallel that joins with its first branch; the slow one runs on."""
    return parallel(
        "p",
        branch("fast", step("a", undo=True)),
        branch("slow", *(slow or (step("b", undo=True), step("c", undo=True)))),
        join="any", losers="run_on", **members,
    )  # fmt: skip


def test_the_flow_goes_on_and_the_loser_too() -> None:
    (
        given(saga(first_wins(), step("z")))
        .done("a")
        .then(offered=["p/slow/b", "z"])
        .done("b")
        .then(offered=["z", "p/slow/c"])
    )


def test_the_block_yields_when_it_joins() -> None:
    (
        given(saga(first_wins(), step("z", args={"done": "done('p') && !active('p')"})))
        .done("a")
        .then(
            results={"a": None, "p": {"out": {}, "failed": [], "skipped": []}},
            args=[{}, {"done": True}],
            events=[
                "commitment.opened",
                "node.entered p",
                "effect.intended p/fast/a",
                "effect.intended p/slow/b",
                "effect.done p/fast/a",
                "node.branch_closed p fast done",
                "node.runs_on p",
                "effect.intended z",
            ],
        )
    )


def test_the_enclosing_scope_waits_for_it() -> None:
    part = scope("part", first_wins(step("b", undo=True)), step("y"))
    (
        given(saga(part, step("z")))
        .done("a")
        .done("y")
        .then(offered=["part/p/slow/b"])
        .done("b")
        .then(offered=["z"])
    )


def test_the_end_of_the_saga_waits_for_it() -> None:
    (
        given(saga(first_wins(step("b"))))
        .done("a")
        .then(status="open")
        .done("b")
        .then(status="fulfilled")
    )


def test_a_handler_stays_open_until_then() -> None:
    document = saga(first_wins(step("b")), handlers=[handler("poked", "poke", step("h"))])
    (
        given(document)
        .done("a")
        .happens("poke")
        .then(offered=["p/slow/b", "poked@1/h"])
        .done("b")
        .then(status="open")
        .done("h")
        .then(status="fulfilled")
    )


def test_its_failure_is_only_recorded() -> None:
    """What it has done stays, as in any branch of a block that is done."""
    (
        given(saga(first_wins(), step("z", undo=True)))
        .done("a")
        .done("b")
        .failed("c", "no")
        .then(offered=["z"], undo=["p/slow/b", "p/fast/a"], status="open")
        .done("z")
        .then(status="fulfilled", error=None)
    )


def test_with_collect_it_is_undone_first() -> None:
    (
        given(saga(first_wins(on_branch="collect"), step("z")))
        .done("a")
        .done("b")
        .failed("c", "no")
        .then(offered=["z", "undo p/slow/b"], undo=["p/slow/b", "p/fast/a"])
        .undone("b")
        .done("z")
        .then(status="fulfilled")
    )


def test_a_scope_around_does_not_catch_its_failure() -> None:
    part = scope("part", first_wins(), step("y"), on_failure=[on_failure("*", step("sorry"))])
    given(saga(part)).done("a").failed("b", "no").then(offered=["part/y"])


def test_before_the_join_a_failure_is_the_blocks() -> None:
    (
        given(saga(first_wins(), step("z")))
        .started("a")
        .failed("b", "no")
        .then(offered=["p/fast/a"])
        .answers("a", "failed", code="stopped")
        .then(status="failed", error="business:no")
    )


def test_a_cancel_undoes_it_as_a_branch() -> None:
    """The block stands where it joined: what came behind it is undone before."""
    (
        given(saga(first_wins(), step("y", undo=True), step("z")))
        .done("a")
        .done("y")
        .done("b")
        .cancelled()
        .then(offered=["undo y"], undo=["p/slow/b", "y", "p/fast/a"])
        .undone("y")
        .then(offered=["undo p/fast/a", "undo p/slow/b"])
    )


def test_a_stop_waits_for_what_is_in_flight_there() -> None:
    (
        given(saga(first_wins(), step("z")))
        .done("a")
        .started("b")
        .cancelled()
        .then(offered=["p/slow/b"])
        .done("b")
        .then(offered=["undo p/fast/a", "undo p/slow/b"])
    )


def test_its_time_is_over_with_the_join() -> None:
    (
        given(saga(first_wins(wait("reply"), within="1h"), step("z")))
        .done("a")
        .after("2h")
        .then(offered=["z"], status="open")
        .happens("reply")
        .done("z")
        .then(status="fulfilled")
    )


def test_a_wait_inside_outlives_a_block_around_that_is_done() -> None:
    outer = parallel("outer", branch("x", first_wins(wait("reply"), step("b"))))
    (
        given(saga(outer, step("z")))
        .done("a")
        .then(offered=["z"])
        .done("z")
        .happens("reply")
        .then(offered=["outer/x/p/slow/b"])
    )


def test_a_branch_after_it_begins_later() -> None:
    part = parallel(
        "p", branch(None, step("a")), branch("b1", step("b")),
        branch("b2", step("c"), after=["b1"]), join="any", losers="run_on",
    )  # fmt: skip
    (
        given(saga(part, step("z")))
        .done("a")
        .done("b")
        .then(offered=["z", "p/b2/c"])
        .done("z")
        .then(status="open")
        .done("c")
        .then(status="fulfilled")
    )


def test_items_that_have_yet_to_begin_go_on_too() -> None:
    items = each("f", step("a", undo=True), items="['x', 'y', 'z']", width=1, join="any",
                 losers="run_on")  # fmt: skip
    (
        given(saga(items, step("end")))
        .then(offered=["f[x]/a"])
        .done("a")
        .then(
            offered=["f[y]/a", "end"],
            results={"f": {"out": {}, "failed": [], "done": ["x"], "skipped": []}},
        )
        .failed("a", "no")
        .then(offered=["end", "f[z]/a"])
        .done("end")
        .then(status="open")
        .done("a")
        .then(status="fulfilled")
    )


def test_a_lock_is_held_until_it_is_over() -> None:
    (
        given(saga(lock("held", first_wins(step("b"))), step("z")))
        .done("a")
        .then(offered=["held/p/slow/b"])
        .done("b")
        .then(offered=["z"])
    )


def test_a_round_ends_when_it_is_over() -> None:
    (
        given(saga(repeat("r", first_wins(step("b")), max=2), step("z")))
        .done("a")
        .then(offered=["r#1/p/slow/b"])
        .done("b")
        .then(offered=["r#2/p/fast/a", "r#2/p/slow/b"])
        .done("a")
        .done("b")
        .then(offered=["z"])
    )


def test_an_item_ends_when_it_is_over() -> None:
    items = each("f", first_wins(step("b")), items="['x']", out="each.f.item")
    (
        given(saga(items, step("z")))
        .done("a")
        .then(offered=["f[x]/p/slow/b"])
        .done("b")
        .then(offered=["z"])
    )


def test_a_run_of_a_handler_ends_when_it_is_over() -> None:
    flow = first_wins(step("b"))
    (
        given(saga(wait("go"), handlers=[handler("poked", "poke", flow)]))
        .happens("poke")
        .done("a")
        .happens("go")
        .then(status="open")
        .done("b")
        .then(status="fulfilled")
    )


def test_a_flow_of_on_failure_ends_when_it_is_over() -> None:
    clause = on_failure("business", first_wins(step("b")))
    (
        given(saga(scope("part", fail("no", "no"), on_failure=[clause]), step("z")))
        .done("a")
        .then(offered=["part/p/slow/b"])
        .done("b")
        .then(offered=["z"])
    )


def test_it_is_done_so_a_cancel_of_it_is_left_alone() -> None:
    beside = parallel("both", branch("x", first_wins(step("b")), wait("go")),
                      branch("y", step("see"), cancel("stop", "p")))  # fmt: skip
    (
        given(saga(beside))
        .done("a")
        .done("see")
        .then(offered=["both/x/p/slow/b"], at=["both/x/p/slow/b", "both/x/go"])
    )


def test_keep_keeps_a_branch_when_it_is_over() -> None:
    (
        given(saga(first_wins(keep=True), step("z")))
        .done("a")
        .then(undo=[])
        .done("b")
        .then(undo=["p/slow/b"])
        .done("c")
        .then(undo=[])
    )


def test_a_block_around_keeps_it_when_it_is_over() -> None:
    """What runs on in a list of a branch outlives the block that keeps what was done."""
    work = each("xs", step("b", undo=True), step("c", undo=True), join="any", losers="run_on")
    flow = (parallel("p", branch("x", work), keep=True), step("z"))
    story = given(saga(*flow), {"id": "acme", "xs": ["i", "j"]})
    story.done("p/x/xs[i]/b").done("p/x/xs[j]/b").done("p/x/xs[i]/c")
    story.then(offered=["p/x/xs[j]/c", "z"], undo=["p/x/xs[j]/b"])
    story.done("p/x/xs[j]/c").then(undo=[])


def test_what_outlives_the_block_that_keeps_it_is_undone_until_it_is_over() -> None:
    work = each("xs", step("b", undo=True), step("c"), join="any", losers="run_on")
    flow = (parallel("p", branch("x", work), keep=True), step("z"))
    story = given(saga(*flow), {"id": "acme", "xs": ["i", "j"]})
    story.done("p/x/xs[i]/b").done("p/x/xs[j]/b").done("p/x/xs[i]/c")
    story.cancelled().then(offered=["undo p/x/xs[j]/b"])


def test_a_pivot_behind_does_not_seal_what_still_runs_on() -> None:
    pivot = step("sign", irreversible="pivot")
    (
        given(saga(first_wins(on_branch="collect"), pivot, step("z")))
        .done("a")
        .done("b")
        .done("sign")
        .then(undo=["p/slow/b"])
        .failed("c", "no")
        .then(offered=["z", "undo p/slow/b"])
    )


def test_a_pivot_in_it_does_not_seal_what_came_behind() -> None:
    """What was done before the block is sealed, what came behind it is not."""
    slow = (step("sign", irreversible="pivot"),)
    (
        given(saga(step("first", undo=True), first_wins(*slow), step("y", undo=True), step("z")))
        .done("first")
        .done("a")
        .done("y")
        .done("sign")
        .then(undo=["y", "p/fast/a"])
    )


def test_an_undo_flow_reads_its_item_also_when_that_is_over_before_the_flow() -> None:
    """An undo takes the list back while an item of it runs on, and ends."""
    back = [step(name, args={"of": "each.xs.item"}) for name in ("b1", "b2")]
    trip = scope("trip", step("a"), undo_flow=back)
    flow = each("xs", trip, step("slow"), join="any", losers="run_on")
    story = given(saga(scope("part", flow, undo("back", "xs"))), {"id": "acme", "xs": ["p", "q"]})
    story.done("part/xs[p]/trip/a").done("part/xs[q]/trip/a").done("part/xs[p]/slow")
    first = "part/xs[q]/trip@0/b1"
    story.done("part/xs[q]/slow").done(first)
    story.then(offered=["part/xs[p]/trip@0/b1", "part/xs[q]/trip@0/b2"])
    story.then(args=[{"of": "p"}, {"of": "q"}], held=None)

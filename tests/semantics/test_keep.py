"""keep: once a block is done, nothing in it is undone any more (section 3)."""

import pytest

from tests.semantics.language import (
    Json,
    Story,
    branch,
    choose,
    each,
    fail,
    finish,
    given,
    handler,
    lock,
    on_failure,
    parallel,
    race,
    repeat,
    saga,
    scope,
    step,
    undo,
    wait,
)

FIRST, A = step("first", undo=True), step("a", undo=True)
BLOCKS = {
    "choose": choose("part", branch("yes", A, when="true"), keep=True),
    "parallel": parallel("part", branch(None, A), keep=True),
    "repeat": repeat("part", A, max=1, keep=True),
    "for_each": each("part", A, items="['x']", keep=True),
    "scope": scope("part", A, keep=True),
}


@pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS)
def test_a_block_that_is_done_drops_its_entries(block: Json) -> None:
    (
        given(saga(FIRST, block, step("z")))
        .done("first")
        .done("a")
        .then(offered=["z"], undo=["first"])
        .failed("z", "no")
        .then(offered=["undo first"], status="compensating")
    )


def test_so_does_a_race() -> None:
    yes = branch("yes", A, on=wait("signed"))
    no = branch("no", on=wait("refused"))
    (
        given(saga(FIRST, race("part", yes, no, keep=True), step("z")))
        .done("first")
        .happens("signed")
        .done("a")
        .then(offered=["z"], undo=["first"])
    )


def test_so_does_a_lock() -> None:
    (
        given(saga(FIRST, lock("part", A, keep=True), step("z")))
        .done("first")
        .done("a")
        .then(offered=["z"], undo=["first"])
    )


def test_a_block_that_fails_has_kept_nothing_yet() -> None:
    (
        given(saga(FIRST, scope("part", A, fail("no", "no"), keep=True)))
        .done("first")
        .done("a")
        .then(offered=["undo part/a"], undo=["part/a", "first"])
    )


def test_what_it_keeps_is_recorded() -> None:
    (
        given(saga(scope("part", A, keep=True), step("z")))
        .done("a")
        .then(
            events=[
                "commitment.opened",
                "node.entered part",
                "effect.intended part/a",
                "effect.done part/a",
                "undo.sealed part ['part/a']",
                "node.done part",
                "effect.intended z",
            ]
        )
    )


def test_a_scope_that_caught_a_failure_is_done_and_keeps_what_was_not_undone() -> None:
    clause = on_failure("business", step("sorry", undo=True)) | {"undo": "none"}
    part = scope("part", A, fail("no", "no"), on_failure=[clause], keep=True)
    (
        given(saga(part, step("z")))
        .done("a")
        .then(offered=["part/sorry"], undo=["part/a"])
        .done("sorry")
        .then(offered=["z"], undo=[])
    )


def test_a_block_that_is_finished_from_beside_is_done_too() -> None:
    part = scope("part", A, step("b"), keep=True)
    beside = parallel("both", branch("x", part), branch("y", step("see"), finish("end", "part")))
    (
        given(saga(beside, step("z")))
        .done("a")
        .started("b")
        .done("see")
        .then(undo=["both/x/part/a"])
        .answers("b", "failed", code="stopped")
        .then(offered=["z"], undo=[])
    )


def test_undo_finds_nothing_in_it() -> None:
    (
        given(saga(scope("part", A, keep=True), undo("back", "part"), step("z")))
        .done("a")
        .then(offered=["z"], commands=["part/a", "z"])
    )


# --- what may have happened in it, and turns out to have ---------------------------------------

GRABS = step("a", retry={"attempts": 1}, undo={"args": {"who": "each.p.item"}, "when": "attempted"})


def given_up(*before: Json, **members: Json) -> Story:
    """Nobody knows of `k1` whether it happened, and the list is done and keeps it."""
    part = each("p", GRABS, join="any", losers="keep", keep=True, **members)
    story = given(saga(*before, part, step("z")), {"id": "acme", "xs": ["k1", "k2"]})
    for node in before:
        story.done(node["name"])
    return story.started("p[k1]/a").done("p[k2]/a").lost("p[k1]/a")


def test_a_late_done_in_it_is_kept_as_one_in_time() -> None:
    (
        given_up(FIRST)
        .then(offered=["z"], undo=["first"])
        .late("p[k1]/a")
        .then(offered=["z"], undo=["first"], status="open", debts=[], held=None)
        .failed("z", "no")
        .then(offered=["undo first"])
        .undone("first")
        .then(status="compensated", undo_commands=["first"])
    )


def test_so_is_one_whose_undo_could_still_be_read() -> None:
    blind = step("a", retry={"attempts": 1}, undo={"args": {"who": "'x'"}, "when": "attempted"})
    part = parallel("part", branch(None, blind), branch(None, step("b")), join="any",
                    losers="keep", keep=True)  # fmt: skip
    (
        given(saga(part, step("z")))
        .started("a")
        .done("b")
        .lost("a")
        .late("a")
        .then(offered=["z"], undo=[], undo_commands=[], debts=[])
    )


def test_so_is_one_that_had_failed_where_the_scope_went_on() -> None:
    part = scope("part", A, on_failure=[on_failure("business")], keep=True)
    given(saga(part, step("z"))).failed("a").late("a").then(offered=["z"], undo=[], debts=[])


@pytest.mark.parametrize("ends", [False, True], ids=["before the end", "after the end"])
def test_so_is_one_in_a_branch_that_was_undone_before_the_block_was_done(ends: bool) -> None:
    """What was done in time there was undone; what comes later finds a block that keeps all."""
    first = branch("x", step("b", undo=True), A)
    part = parallel("part", first, branch("y", step("c")), on_branch="collect", keep=True)
    story = given(saga(part, step("z"))).done("part/x/b").failed("part/x/a")
    story.undone("part/x/b").done("part/y/c").then(offered=["z"], undo=[])
    if ends:
        story.done("z")
    story.late("part/x/a").then(undo_commands=["part/x/b"], undo=[], debts=[], held=None)


def test_so_is_one_after_the_end() -> None:
    given_up().done("z").late("p[k1]/a").then(status="fulfilled", debts=[])


def test_so_is_one_in_a_block_inside_a_round_that_is_over() -> None:
    twice = GRABS | {"retry": {"attempts": 2}}
    part = each("p", twice, join="any", losers="keep", keep=True)
    story = given(saga(repeat("r", part, step("b"), max=2)), {"id": "acme", "xs": ["k1", "k2"]})
    story.started("r#1/p[k1]/a").lost("r#1/p[k1]/a").after("1m").started("r#1/p[k1]/a")
    story.done("r#1/p[k2]/a").lost("r#1/p[k1]/a").done("b").then(at=["r#2/p[k1]/a", "r#2/p[k2]/a"])
    story.late("r#1/p[k1]/a").then(events=["effect.done r#1/p[k1]/a"], debts=[], held=None)


def test_a_late_done_in_a_round_that_keep_rounds_has_dropped_is_kept() -> None:
    twice = step("a", retry={"attempts": 2}, undo={"args": {"who": "'x'"}, "when": "attempted"})
    caught = scope("s", twice, on_failure=[on_failure("*", undo="none")])
    story = given(saga(repeat("r", caught, step("b"), max=2, keep_rounds=True), step("z")))
    story.started("a").lost("a").after("1m").started("a").lost("a").done("b")
    story.late("r#1/s/a").then(undo=["r#2/s/a"], undo_commands=[], debts=[])


def test_a_late_done_in_a_round_that_was_over_when_its_repeat_stopped_is_kept() -> None:
    blind = step("a", retry={"attempts": 1}, undo={"when": "attempted"})
    caught = scope("s", blind, on_failure=[on_failure("*", undo="none")])
    rounds = repeat("r", caught, step("b"), max=2, keep_rounds=True)
    ends = handler("ends", "poke", step("c"), mode="interrupt", undo="none")
    story = given(saga(rounds, handlers=[ends]))
    story.started("a").lost("a").done("b").started("r#2/s/a").happens("poke")
    story.late("r#1/s/a").then(undo=["r#2/s/a"], debts=[])


def test_a_late_done_in_a_round_that_is_over_is_kept_before_the_next_one_is_due() -> None:
    blind = step("a", retry={"attempts": 1}, undo={"when": "attempted"})
    caught = scope("s", blind, on_failure=[on_failure("*", undo="none")])
    rounds = repeat("r", caught, step("b"), max=2, keep_rounds=True, every={"period": "1d"})
    story = given(saga(rounds)).started("a").lost("a").done("b").then(offered=[], undo=[])
    story.late("r#1/s/a").then(undo=[], undo_commands=[], debts=[])


def last_round(until: str = "false", **members: Json) -> Json:
    """One round, which is over though nobody knows of `a` whether it happened."""
    blind = step("a", retry={"attempts": 1}, undo={"when": "attempted"})
    caught = scope("s", blind, on_failure=[on_failure("*", undo="none")])
    inside = caught, step("b", undo=True)
    return repeat("r", *inside, max=1, until=until, keep_rounds=True, **members)


@pytest.mark.parametrize("on_max", ["fail", "continue"])
def test_a_late_done_in_the_last_round_is_kept_whatever_on_max_says(on_max: str) -> None:
    whole = scope("t", last_round(on_max=on_max), on_failure=[on_failure("*")])
    story = given(saga(whole, step("z"))).started("a").lost("a").done("b").then(offered=["z"])
    story.late("t/r#1/s/a").then(offered=["z"], undo=[], undo_commands=[], debts=[])


def test_so_is_one_where_nobody_can_tell_whether_another_round_follows() -> None:
    """The round is over all the same: what it did in time is kept, too."""
    story = given(saga(last_round("1 / input.n > 1")), {"id": "acme", "n": 0})
    story.started("a").lost("a").done("b").then(status="held", held="r", undo=[])
    story.cancelled().then(status="cancelled", undo_commands=[])
    story.late("r#1/s/a").then(status="cancelled", undo=[], debts=[])


def test_so_is_one_after_the_end_that_the_last_round_brought() -> None:
    story = given(saga(last_round())).started("a").lost("a").done("b")
    story.then(status="failed", error="business:repeat.max", undo_commands=[])
    story.late("r#1/s/a").then(status="failed", undo=[], debts=[])


def test_what_is_being_undone_in_a_round_is_not_dropped_by_keep_rounds() -> None:
    """Its undo was commanded before the round was over; that it fails is a debt as any."""
    blind = step("a", retry={"attempts": 1}, undo={"when": "attempted"})
    caught = scope("s", blind, on_failure=[on_failure("*", undo="none")])
    story = given(saga(repeat("r", caught, step("b"), max=2, keep_rounds=True), step("z")))
    story.started("a").lost("a").late("a").then(offered=["r#1/b", "undo r#1/s/a"])
    story.done("b").then(offered=["undo r#1/s/a", "r#2/s/a"], undo=["r#2/s/a", "r#1/s/a"])
    story.answers("r#1/s/a", "failed", kind="undo", code="no").then(debts=["undo r#1/s/a"])
    story.control("retry", node="r#1/s/a").then(offered=["r#2/s/a", "undo r#1/s/a"])
    story.undone("r#1/s/a").then(offered=["r#2/s/a"], undo=["r#2/s/a"], debts=[])


def test_a_late_done_in_a_block_that_failed_is_undone_as_any() -> None:
    part = scope("part", A, keep=True)
    whole = scope("s", part, on_failure=[on_failure("business")])
    story = given(saga(whole, step("z"))).failed("a").late("a")
    story.then(offered=["z", "undo s/part/a"])


def test_a_late_done_in_a_block_that_failed_in_an_item_that_is_over_is_a_debt() -> None:
    """The block was never done, so it keeps nothing; what was owed there has been settled."""
    part = scope("s", step("a", undo=True, retry={"attempts": 1}), keep=True)
    whole = each("e", part, items="['p', 'q']", on_item="collect")
    story = given(saga(whole, step("z"))).started("e[p]/s/a").lost("e[p]/s/a")
    story.answers("e[p]/s/a", "failed", kind="undo", code="no")
    story.control("settle", node="e[p]/s/a", outcome="done", evidence="a letter").then(debts=[])
    story.late("e[p]/s/a").then(offered=["e[q]/s/a"], debts=["late e[p]/s/a"], held=None)


def test_a_late_done_beside_what_still_runs_on_is_kept() -> None:
    blind = step("a", retry={"attempts": 1}, undo={"args": {"who": "'x'"}, "when": "attempted"})
    caught = scope("s", blind, on_failure=[on_failure("*", undo="none")])
    branches = branch("x", caught), branch("y", step("c", undo=True)), branch(None, step("b"))
    part = parallel("part", *branches, join=2, losers="run_on", keep=True)
    story = given(saga(part, step("z")))
    story.started("a").lost("a").done("b").then(offered=["part/y/c", "z"], undo=[])
    story.late("a").then(offered=["part/y/c", "z"], undo=[], debts=[])

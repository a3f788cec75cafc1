"""repeat: every, until, while, on_max, keep_rounds (section 3)."""

from tests.semantics.language import fail, given, put, repeat, saga, step, wait

COUNT = {"n": {"schema": {"type": "integer"}, "initial": 0}}


def test_until_is_read_after_each_round() -> None:
    (
        given(saga(repeat("r", step("a"), until="results.a.ok", max=5, out="results.a.n")))
        .then(offered=["r#1/a"])
        .done("a", {"ok": False, "n": 1})
        .then(offered=["r#2/a"])
        .done("r#2/a", {"ok": True, "n": 2})
        .then(results={"r": {"rounds": 2, "out": 2}}, status="fulfilled")
    )


def test_while_is_read_before_each_round() -> None:
    document = saga(
        repeat("r", put("count", n="vars.n + 1"), max=9, **{"while": "vars.n < 3"}), vars=COUNT
    )
    given(document).then(vars={"n": 3}, results={"r": {"rounds": 3}}, status="fulfilled")


def test_rounds_come_at_the_anchor_and_whole_periods_without_drift() -> None:
    every = {"period": "3d", "catch_up": "all"}
    document = saga(
        repeat("touches", step("send"), every=every, until="false", max=3, on_max="continue")
    )
    story = given(document).then(offered=["touches#1/send"])
    story.after("1d").done("send").then(offered=[], waits=["timer"], at=["touches"])
    story.after("47h").then(offered=[]).after("1h").then(offered=["touches#2/send"])
    story.then(waits=["participant"])
    story.after("4d").done("touches#2/send").then(offered=["touches#3/send"])


def test_used_up_rounds_fail_or_go_on() -> None:
    endless = {"until": "false", "max": 2}
    (
        given(saga(repeat("r", step("a"), **endless)))
        .done("a")
        .done("a")
        .then(status="failed", error="business:repeat.max")
    )
    (
        given(saga(repeat("r", step("a"), **endless, on_max="continue")))
        .done("a")
        .done("a")
        .then(status="fulfilled")
    )


def test_a_round_leaves_its_undo_entries_and_they_are_undone_the_last_first() -> None:
    (
        given(saga(repeat("r", step("a", undo=True), max=3), fail("no", "no")))
        .done("r#1/a")
        .done("r#2/a")
        .done("r#3/a")
        .undone("r#3/a")
        .undone("r#2/a")
        .undone("r#1/a")
        .then(undo_commands=["r#3/a", "r#2/a", "r#1/a"], status="compensated")
    )


def test_keep_rounds_drops_them() -> None:
    (
        given(saga(repeat("r", step("a", undo=True), max=2, keep_rounds=True), fail("no", "no")))
        .done("r#1/a")
        .done("r#2/a")
        .then(undo_commands=[], status="failed")
    )


def test_a_round_waits_for_its_own_event() -> None:
    (
        given(saga(repeat("r", wait("ping"), max=2)))
        .happens("ping")
        .then(at=["r#2/ping"])
        .happens("ping")
        .then(status="fulfilled")
    )


def test_the_state_of_finished_rounds_is_forgotten() -> None:
    story = given(saga(repeat("r", step("a"), max=50)))
    for _ in range(49):
        story.done("a", {"pad": "x" * 100})
    assert len(story.w.now.effects) <= 2
    assert len(story.w.now.trail) <= 2


def test_turning_without_rest_is_stopped() -> None:
    document = saga(
        repeat("r", put("count", n="vars.n + 1"), max=10_000, until="false"), vars=COUNT
    )
    given(document).then(status="held")

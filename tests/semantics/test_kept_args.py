"""What a step was commanded with, it is commanded with again: its key stands for these bytes."""

from tests.semantics.language import Json, Story, approve, given, saga, step, update

N = {"n": {"schema": {"type": "integer"}, "initial": 1}}
LATER = {"attempts": 3, "first": "2h", "cap": "2h", "jitter": 0}
COUNT = update("count", set={"n": "vars.n + 1"})


def decided(**members: Json) -> Story:
    """A decision that holds for an hour, on a step whose argument changes meanwhile."""
    pay = step(
        "pay", risk="R2", irreversible="accepted", unknown="probe", probe=True,
        args={"n": "vars.n"}, **members,
    )  # fmt: skip
    document = saga(approve("ok", pay, valid="1h"), vars=N, updates=[COUNT])
    return given(document).decides("ok", "mia", "manager").then(offered=["ok/pay"])


def test_asked_anew_after_an_attempt_people_decide_on_what_that_was_commanded_with() -> None:
    story = decided(retry=LATER).answers("pay", "transient").asks("count").after("2h")
    story.then(offered=[], waits=["approval"], at=["ok/pay"])
    assert story._question("pay").args == {"ok/pay": {"n": 1}}
    story.decides("pay", "mia", "manager").then(args=[{"n": 1}], attempts=[2])


def test_asked_anew_after_a_probe_that_found_nothing_it_keeps_its_arguments() -> None:
    story = decided(retry=LATER).started("pay").lost("pay").asks("count")
    story.answers("pay", "absent", "probe").after("2h").then(offered=[], waits=["approval"])
    story.decides("pay", "mia", "manager").then(offered=["ok/pay"], args=[{"n": 1}])


def test_asked_anew_where_nobody_began_it_keeps_its_arguments() -> None:
    story = decided().asks("count").after("2h").nobody_starts("pay", "not_after")
    story.decides("pay", "mia", "manager").then(offered=["ok/pay"], args=[{"n": 1}])


def test_a_failure_past_a_pivot_that_is_retried_keeps_its_arguments() -> None:
    document = saga(
        step("a", risk="R1", irreversible="pivot"),
        step("b", args={"n": "vars.n"}, retry={"attempts": 3, "within": "1d"}),
        vars=N, updates=[COUNT],
    )  # fmt: skip
    story = given(document).done("a").failed("b").then(status="in_debt", debts=["forward b"])
    story.asks("count").control("retry", node="b").then(offered=["b"], args=[{"n": 1}])


def test_of_a_step_that_is_done_none_are_kept() -> None:
    story = decided().done("pay").then(status="fulfilled")
    assert story.w.now.effects[next(iter(story.w.now.effects))].kept_args is None

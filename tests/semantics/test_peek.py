"""`peek` of a wait: it is done with an event and leaves it to others (sections 3 and 6)."""

from tests.semantics.language import (
    branch,
    given,
    handler,
    parallel,
    race,
    repeat,
    saga,
    sleep,
    step,
    wait,
)


def test_it_yields_the_event_and_does_not_take_it() -> None:
    look = wait("look", "signed", within="1d", peek=True)
    (
        given(saga(look, step("a", args={"by": "events.look.data.by"})))
        .happens("signed", {"by": "ann"})
        .then(args=[{"by": "ann"}], taken={"look": "e1"}, count=0, kept=["e1"])
    )


def test_the_next_wait_takes_it() -> None:
    look, take = wait("look", "signed", within="1d", peek=True), wait("take", "signed", within="1d")
    (
        given(saga(look, take, step("a")))
        .happens("signed")
        .then(taken={"look": "e1", "take": "e1"}, count=1, kept=[], offered=["a"])
    )


def test_beside_it_another_wait_takes_the_same_event() -> None:
    one = branch("one", wait("look", "signed", within="1d", peek=True), step("a"))
    two = branch("two", wait("take", "signed", within="1d"), step("b"))
    (
        given(saga(parallel("both", two, one)))
        .happens("signed")
        .then(offered=["both/two/b", "both/one/a"], count=1, kept=[])
    )


def test_all_that_peek_see_one_event() -> None:
    one = branch("one", wait("x", "signed", within="1d", peek=True))
    two = branch("two", wait("y", "signed", within="1d", peek=True))
    (
        given(saga(parallel("both", one, two)))
        .happens("signed")
        .then(status="fulfilled", count=0, kept=["e1"])
    )


def test_a_handler_beside_still_runs_for_it() -> None:
    note = handler("noted", "signed", step("write"))
    (
        given(saga(wait("look", "signed", within="1d", peek=True), step("a"), handlers=[note]))
        .happens("signed")
        .then(offered=["a", "noted@1/write"], count=1)
    )


def test_it_sees_an_early_event_and_the_oldest_first() -> None:
    look = wait("look", "signed", within="1d", peek=True)
    (
        given(saga(step("a"), look))
        .happens("signed")
        .happens("signed")
        .done("a")
        .then(taken={"look": "e1"}, kept=["e1", "e2"], status="fulfilled")
    )


def test_what_somebody_of_the_commitment_has_taken_it_does_not_see() -> None:
    take, look = wait("take", "signed", within="1d"), wait("look", "signed", within="1d", peek=True)
    given(saga(take, look)).happens("signed").then(at=["look"], status="waiting")


def test_its_when_chooses() -> None:
    look = wait("look", "signed", within="1d", peek=True, when="event.data.n > 1")
    (
        given(saga(look))
        .happens("signed", {"n": 1})
        .then(status="waiting")
        .happens("signed", {"n": 2})
        .then(taken={"look": "e2"}, kept=["e1", "e2"])
    )


def test_transient_it_sees_only_what_comes_while_it_waits() -> None:
    look = wait("look", "signed", within="1d", peek=True, early="transient")
    (
        given(saga(step("a"), look))
        .happens("signed")
        .done("a")
        .then(status="waiting")
        .happens("signed")
        .then(taken={"look": "e2"}, kept=["e1", "e2"])
    )


def test_as_a_trigger_it_wins_its_race_and_the_loser_takes_nothing() -> None:
    one = branch("one", step("a"), on=wait("look", "signed", peek=True))
    two = branch("two", step("b"), on=wait("take", "signed"))
    late = branch("late", on=sleep("pause", "1d"))
    (
        given(saga(race("first", one, two, late)))
        .happens("signed")
        .then(offered=["first/one/a"], count=0, kept=["e1"])
    )


def test_each_round_sees_it_again_as_long_as_nobody_takes_it() -> None:
    look = wait("look", "signed", within="1d", peek=True)
    (
        given(saga(repeat("r", look, step("a"), max=3)))
        .happens("signed")
        .done("a")
        .then(offered=["r#2/a"], count=0)
    )

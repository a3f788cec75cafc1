"""What is said of a mistake names the mistake: each way to read what is not there, or not yet."""

from __future__ import annotations

from typing import Any

import pytest

from sagas.checks import check, undo_order, undo_plan
from sagas.checks.children import always_started
from sagas.checks.tree import Document
from tests.semantics.language import (
    branch,
    child,
    choose,
    each,
    fail,
    handler,
    lock,
    milestone,
    on_failure,
    parallel,
    put,
    race,
    repeat,
    saga,
    scope,
    sleep,
    step,
    task,
    undo,
    update,
    wait,
)
from tests.unit.checks.documents import TEXT, record

Json = Any
LIST: Json = {"type": "array", "items": TEXT}
RINGS: Json = {"rings": {"version": 1, "schema": {"type": "object"}, "key": "id"}}
NO = fail("no", "no")
A, B, Z = step("a"), step("b"), step("z")


def reads(text: str) -> Json:
    """A node that reads something."""
    return put("keep", v=text)


def said(*flow: Json, **members: Json) -> list[str]:
    document: Json = {
        "input": record(id=TEXT, xs=LIST), "vars": {"v": {"schema": {}, "initial": 0}},
        "events": RINGS,
    }  # fmt: skip
    return [f"{f.alias}: {f.message}" for f in check(saga(*flow, **(document | members)))]


TONE = {"tones": {"schema": {}, "default": 1}}
WRONG: dict[str, tuple[Json, str]] = {
    "a parameter": (
        (reads("params.tone"),), "def.unbound: keep: `v`: `params.tone` is not declared",
    ),
    "a result outside an undo": (
        (step("a", args={"x": "result"}),),
        "def.unbound: a: argument `x`: `result` exists only in the arguments of an undo",
    ),
    "the number of a round": (
        (reads("round.turns"),), "def.unbound: keep: `v`: `round.turns`: no repeat of that name",
    ),
    "whether nobody is at work": (
        (reads("active('look')"),), "def.unbound: keep: `v`: active('look'): no node of that name",
    ),
    "the time of what has none": (
        (A, reads("deadline('a')")),
        "def.unbound: keep: `v`: a has no within, no deadline and is no sleep",
    ),
    "the time of its own call": (
        (step("q", within="1d", args={"x": "deadline('q')"}),),
        "def.maybe_unset: q: argument `x`: deadline('q') is there only while q is open",
    ),
    "what a branch beside made": (
        (parallel("p", branch("x", A), branch("y", reads("results.a"), when="input.id != ''")),),
        "def.not_visible: keep: `v`: `results.a` is set in branch x, which runs beside",
    ),
    "what a branch made that need not begin": (
        (parallel("p", branch("x", A, when="input.id != ''"), branch("y", B)), reads("results.a")),
        "def.maybe_unset: keep: `v`: `results.a` is set in branch x of p, which need not be done",
    ),
    "behind a lock under which all fails": (
        (lock("held", NO), Z), "def.dead: nothing after held runs: z",
    ),
    "what a clause made": (
        (scope("s", A, on_failure=[on_failure("business", put("mark", v="1"), B)]),
         reads("results.b")),
        "def.maybe_unset: keep: `v`: `results.b` is set in the on_failure of s",
    ),
    "what an else made": (
        (choose("c", branch("x", A, when="true"), otherwise=[B]), reads("results.b")),
        "def.not_visible: keep: `v`: `results.b` is set only in the else of c",
    ),
    "behind branches of which one always fails": (
        (parallel("p", branch("x", NO), branch("y", A)), Z),
        "def.dead: nothing after p runs: z",
    ),
    "behind rounds of which each fails": (
        (repeat("r", NO, max=3), Z), "def.dead: nothing after r runs: z",
    ),
    "an undo of what only another branch did": (
        (race("r", branch("x", step("a", undo=True), on=wait("rings", within="1d")),
              branch("y", undo("back", "a"), on=sleep("later", "1h"))),),
        "def.target: undo back names a, which is not done before it",
    ),
    "an undo of what comes later": (
        (undo("back", "a"), step("a", undo=True)),
        "def.target: undo back names a, which is not done before it",
    ),
}  # fmt: skip


def diamond(undoes: str, *first: Json) -> Json:
    """Branches of which one begins the others, and one waits for them all."""
    return parallel(
        "p", branch("one", *first), branch("two", B, after=["one"]), branch("three", after=["one"]),
        branch("last", undo("back", undoes), after=["two", "three"]), branch("beside", Z),
    )  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said(name: str) -> None:
    flow, text = WRONG[name]
    assert said(*flow) == [text]


def test_the_name_that_was_meant_is_told() -> None:
    (text,) = said(reads("params.tone"), params=TONE)
    assert text == "def.unbound: keep: `v`: `params.tone` is not declared; tones?"


def test_a_time_that_an_update_moves_is_that_of_a_node() -> None:
    later = update("later", move=[{"timer": "rings", "to": "meta.now"}])
    (text,) = said(wait("rang", "rings", within="1d"), updates=[later])
    assert text == "def.unbound: later moves rings: no node of that name; rang?"


def test_a_branch_may_undo_what_branches_before_it_did_and_no_other() -> None:
    first = step("a", undo=True)
    assert said(diamond("a", first)) == []
    (text,) = said(diamond("z", first))
    assert text == "def.target: undo back names z, which is not done before it"


RIGHT: dict[str, Json] = {
    "a wait asks how much time it has left": (
        wait("rang", "rings", within="1d", when="deadline('rang') > meta.now"),
    ),
    "an await asks how much time it has left": (
        milestone("soon", "deadline('soon') > meta.now", within="1d"),
    ),
    "an undo reads the result of its step": (
        step("a", result={"type": "object"}, undo={"args": {"x": "result"}}),
    ),
    "what follows rounds that need not begin": (
        repeat("r", NO, max=3, **{"while": "input.id != ''"}), Z,
    ),
    "what follows a list that may be empty": (each("l", NO, max_items=3), Z),
    "what follows branches whose failure is collected": (
        parallel("p", branch("x", NO), branch("y", A), on_branch="collect"), Z,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_right_passes(name: str) -> None:
    assert said(*RIGHT[name]) == []


def test_an_update_answers_how_much_time_is_left_and_a_handler_has_none() -> None:
    rang = wait("rang", "rings", within="1d")
    assert said(rang, updates=[update("left", answer="deadline('rang')")]) == []
    (text,) = said(rang, reads("deadline('h')"), handlers=[handler("h", "rings")])
    assert text == "def.unbound: keep: `v`: h has no within, no deadline and is no sleep"


# --- children ---------------------------------------------------------------------------------


def test_what_every_run_starts_is_known() -> None:
    """Sagas that always start each other would never end; what decides whether they do ends it."""
    sure = [
        child("plain", "one"),
        parallel("p", branch("x", child("beside", "two")), branch("y", A)),
        scope("s", child("inside", "three"), lock("held", child("under", "four"))),
        repeat("r", child("again", "five"), max=2),
    ]
    perhaps = [
        child("asked", "no1", when="input.id != ''"),
        scope("t", child("in_skipped", "no2"), when="input.id != ''"),
        choose("c", branch("b", child("chosen", "no3"), when="true"),
               otherwise=[child("e", "no4")]),
        scope("u", A, on_failure=[on_failure("business", child("failed", "no5"))]),
        parallel("q", branch("v", child("guarded", "no6"), when="input.id != ''"), branch("w", B)),
        each("l", child("item", "no7")),
        repeat("n", child("looped", "no8"), max=2, **{"while": "input.id != ''"}),
    ]  # fmt: skip
    found = always_started(Document(saga(*sure, *perhaps)))
    assert {name: node.name for name, node in found.items()} == {
        "one": "plain", "two": "beside", "three": "inside", "four": "under", "five": "again",
    }  # fmt: skip


def test_a_child_that_undoes_itself_is_in_the_order_of_undoing() -> None:
    takes_back = child("kid") | {"on_undo": "revoke"}
    plan = undo_plan(saga(step("a", undo=True), takes_back))
    assert undo_order(plan) == ["kid", "a"]
    assert plan[0] == {"node": "kid", "contract": "revoke", "participant": "kid"}


def test_arguments_are_given_by_name_so_a_command_is_an_object() -> None:
    document = saga(A, input=record(id=TEXT))
    document["contracts"]["shop/a@1"]["command"] = LIST
    assert [f.message for f in check(document)] == [
        "command of shop/a@1 is no object: it holds the arguments by name"
    ]


# --- confidential data ------------------------------------------------------------------------

SECRET: Json = {"type": "string", "x-sensitivity": "S3"}


def goes(*flow: Json, **members: Json) -> list[str]:
    """What goes where it may not."""
    data = record(id=TEXT, pass_=SECRET, people={"type": "array", "items": record(pass_=SECRET)})
    event = {"version": 1, "schema": record(id=TEXT, pass_=SECRET), "key": "id"}
    more = {"input": data, "events": {"rings": event}} | members
    return [text.removeprefix("def.data_flow: ") for text in said(*flow, **more)]


def sends(text: str, name: str = "send") -> Json:
    return step(name, args={"x": text})


def told(text: str) -> str:
    return f"send: S3 {text} goes to shop without a policy review"


def test_the_secret_of_an_event_is_followed_into_its_handler() -> None:
    inside = handler("h", "rings", sends("event.data.pass_"))
    assert goes(A, handlers=[inside]) == [told("event.data.pass_")]


def test_the_secret_that_a_person_filled_in_is_followed() -> None:
    form = task("look", within="1d", form=record(pass_=SECRET))
    assert goes(form, sends("results.look.payload.pass_")) == [told("results.look.payload.pass_")]


def test_the_key_and_the_place_of_an_item_are_no_secret_of_it() -> None:
    def over(text: str) -> list[str]:
        return goes(each("l", sends(text), items="input.people", key="each.l.index", max_items=3))

    assert over("each.l.index") == over("each.l.key") == []
    assert over("each.l.item.pass_") == [told("each.l.item.pass_")]


def test_what_is_computed_from_a_secret_is_one() -> None:
    made = "input.people.map(p, p.pass_)"
    of_all = [told("input.people (people[].pass_)")]
    assert goes(sends(made)) == of_all
    assert goes(each("l", sends("each.l.item"), items=made, max_items=3)) == of_all

"""Who waits for a lock to undo under it sits on no other that has no turn (section 3)."""

from typing import Any

from domain.durations import duration_us
from domain.ids import lock_id
from tests.semantics.family import Family
from tests.semantics.language import (
    branch,
    child,
    choose,
    each,
    lock,
    parallel,
    saga,
    sleep,
    step,
    wait,
)

Json = Any


def printing(*flow: Json, **members: Json) -> Json:
    return saga(*flow, saga="print", **members)


def work(f: Family) -> list[str]:
    return sorted(f"{d.body['key']} {name}" for name, d in f.work.items())


def apart(*right: Json, **members: Json) -> Json:
    """Two branches under a lock each, which are undone in one line."""
    a = branch("a", lock("a_left", step("a1", undo=True), step("a2", undo=True), of="left"))
    both = parallel("both", a, branch("b", *right), undo_order="reverse")
    return printing(both, wait("go", within="9d"), **members)


def on_the_right(*names: str) -> Json:
    return lock("b_right", *(step(name, undo=True) for name in names), of="right")


def user_of(name: str) -> Json:
    """Another saga, which holds that lock for a step of its name."""
    return saga(lock("held", step(f"use_{name}"), of=name), saga=name)


def free(f: Family, name: str) -> bool:
    return not f.states[lock_id("north", name)].holders


def test_two_that_undo_the_same_locks_in_lines_do_not_wait_for_each_other_for_ever() -> None:
    f = Family(apart(on_the_right("b1", "b2")))
    for key, names in {"one": ("a1", "b1", "a2", "b2"), "two": ("b1", "a1", "b2", "a2")}.items():
        f.start("print", key=key)
        for name in names:
            f.done(name)
    f.control("print", "cancel", key="one").control("print", "cancel", key="two")
    assert work(f) == ["one undo b2", "two undo a2"]
    f.done("undo b2").done("undo a2")
    assert len(f.work) == 2, "each goes on, under the lock that the other one gave back"
    while f.work:
        f.done(min(f.work))
    assert {f.status("print", key=key) for key in ("one", "two")} == {
        "cancelled cancelled:cancelled"
    }
    assert free(f, "left")
    assert free(f, "right")


def test_a_lock_of_a_line_is_kept_over_what_is_under_no_lock() -> None:
    f = Family(apart(step("b1", undo=True)))
    f.start("print")
    f.done("a1").done("b1").done("a2").control("print", "cancel")
    f.done("undo a2")
    assert (sorted(f.work), free(f, "left")) == (["undo b1"], False)
    f.done("undo b1")
    assert sorted(f.work) == ["undo a1"]
    assert f.states[lock_id("north", "left")].fence == 2


def test_a_lock_that_only_a_debt_held_is_given_back_while_another_is_awaited() -> None:
    f = Family(apart(on_the_right("b1"), on_debt="continue"), user_of("right"))
    f.start("print")
    f.done("a1").done("b1").done("a2").start("right")
    f.control("print", "cancel").failed("undo a2", "broken")
    assert (sorted(f.work), free(f, "left")) == (["use_right"], False)
    f.settle("print")
    assert free(f, "left")
    f.done("use_right").done("undo b1").done("undo a1")
    assert f.status("print") == "cancelled cancelled:cancelled"


def test_a_line_that_a_debt_holds_keeps_the_lock_of_the_debt_and_no_other() -> None:
    f = Family(apart(on_the_right("b1")))
    f.start("print")
    f.done("a1").done("b1").done("a2").control("print", "cancel")
    f.done("undo a2").failed("undo b1", "broken")
    assert (sorted(f.work), free(f, "left"), free(f, "right")) == ([], True, False)
    f.settle("print")
    assert (sorted(f.work), free(f, "left"), free(f, "right")) == (["undo a1"], False, True)
    f.done("undo a1")
    assert f.status("print") == "cancelled cancelled:cancelled"


def test_a_lock_of_a_line_is_given_back_while_a_child_undoes_itself() -> None:
    """The child may wait for a lock that somebody has who waits for this one."""
    kid = saga(on_the_right("k1"), saga="kid")
    asked = child("kid") | {"on_undo": "revoke"}
    f = Family(apart(sleep("later", "1m"), asked), kid, user_of("right"))
    f.start("print")
    f.done("a1").pass_time(duration_us("2m"))
    f.done("k1").done("a2").start("right")
    f.control("print", "cancel").done("undo a2")
    assert (sorted(f.work), free(f, "left")) == (["use_right"], True)
    f.done("use_right").done("undo k1").done("undo a1")
    assert f.status("print") == "cancelled cancelled:cancelled"


def test_an_item_that_is_undone_later_gives_its_lock_back_while_another_waits() -> None:
    """Two items at once: when x has begun to be undone, it is the turn of one that came later."""
    left = lock("on_left", step("a1", undo=True), step("a2", undo=True), of="left")
    is_x = branch("x", left, when="each.f.item == 'x'")
    right = lock("on_right", step("b1", undo=True), of="right")
    items = each("f", choose("which", is_x, otherwise=[right]), items="['x', 'y', 'z']", width=2)
    f = Family(printing(items, wait("go", within="9d")))
    f.start("print")
    f.done("a1").done("b1").done("b1").done("a2").control("print", "cancel")
    assert sorted(f.work) == ["undo a2", "undo b1"]
    f.done("undo a2")
    assert (sorted(f.work), free(f, "left")) == (["undo b1"], True)
    for name in ("undo b1", "undo b1", "undo a1"):
        f.done(name)
    assert f.status("print") == "cancelled cancelled:cancelled"


def test_of_locks_inside_each_other_the_line_keeps_what_is_around_the_next() -> None:
    a = lock("inner", step("a1", undo=True), step("a2", undo=True), of="left")
    both = parallel("both", branch("a", a), branch("b", on_the_right("b1")), undo_order="reverse")
    f = Family(printing(lock("around", both), wait("go", within="9d")), user_of("right"))
    f.start("print")
    f.done("a1").done("b1").done("a2").start("right")
    f.control("print", "cancel").done("undo a2")
    assert [free(f, name) for name in ("press", "left", "right")] == [False, True, False]
    f.done("use_right").done("undo b1").done("undo a1")
    assert free(f, "press")


def test_branches_that_are_undone_beside_each_other_keep_their_locks() -> None:
    a = branch("a", lock("a_left", step("a1", undo=True), step("a2", undo=True), of="left"))
    both = parallel("both", a, branch("b", on_the_right("b1")))
    f = Family(printing(both, wait("go", within="9d")), user_of("right"))
    f.start("print")
    f.done("a1").done("b1").done("a2").start("right")
    f.control("print", "cancel").done("undo a2")
    assert (sorted(f.work), free(f, "left")) == (["undo a1", "use_right"], False)

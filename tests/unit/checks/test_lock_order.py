"""Locks are taken in one order by all sagas together, those that their children take included."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from engine.cli_check import check as check_command
from sagas.checks import check
from sagas.checks.lock_order import crossings, locks_of
from tests.semantics.language import Json, branch, child, choose, lock, saga, sleep, step, undo

APP = typer.Typer()
APP.command()(check_command)


def within(outer: str, *inner: str, name: str = "one", version: int = 1) -> Json:
    """A saga that takes locks inside another."""
    flow = [lock(f"its_{of}", sleep(f"nap_{of}", "1d"), of=of) for of in inner]
    return saga(lock("held", sleep("nap", "1d"), *flow, of=outer), saga=name, version=version)


def told(document: Json, *others: Json) -> list[tuple[str, str, str]]:
    """The faults of a document beside others: node, message and what to do."""
    assert check(document) == []
    every = {one["saga"]: locks_of(one) for one in others}

    def find(name: str, version: int | None) -> Any:
        found = every.get(name)
        return found if found and version in (None, found.version) else None

    faults = crossings(document, every.values(), find)
    assert all(fault.alias == "def.locks" for fault in faults)
    return [(fault.node, fault.message, fault.do) for fault in faults]


def test_another_saga_that_takes_them_the_other_way_round_is_named_with_its_node() -> None:
    assert told(within("b", "a", name="two", version=3), within("a", "b")) == [
        ("held/its_a", "a inside b here, b inside a at held/its_b of one version 1",
         "take them in the order of one, or first give it up there"),
    ]  # fmt: skip


@pytest.mark.parametrize("mine", [within("a", "b", name="two"), within("b", "c", name="two")])
def test_the_same_order_and_another_one_are_no_circle(mine: Json) -> None:
    assert told(mine, within("a", "b", "c")) == []


def test_a_circle_through_several_sagas_is_told_once() -> None:
    mine = saga(lock("x", lock("y", lock("z", sleep("nap", "1d"), of="d"), of="a"), of="c"))
    assert told(mine, within("a", "b", name="one"), within("b", "c", name="two")) == [
        ("x/y", ("a inside c here, b inside a at held/its_b of one version 1, "
                 "c inside b at held/its_c of two version 1"),
         "take them in the order of one and two, or first give it up there"),
    ]  # fmt: skip


def test_a_circle_of_others_is_no_fault_of_this_one() -> None:
    others = (within("a", "b", name="one"), within("b", "a", name="two"))
    assert told(within("c", "a", name="three"), *others) == []
    assert len(told(within("a", "b", name="three"), *others)) == 1


def test_another_version_of_the_same_saga_is_no_other() -> None:
    assert told(within("b", "a", version=2), within("a", "b")) == []


def test_an_undo_under_a_lock_takes_those_of_what_it_undoes() -> None:
    mine = saga(
        lock("first", step("cut", undo=True), of="b"), lock("held", undo("back", "cut"), of="a")
    )
    (fault,) = told(mine, within("b", "a", name="two"))
    assert fault[:2] == ("held/back", "b inside a here, a inside b at held/its_a of two version 1")


# --- children -------------------------------------------------------------------------------------


def parent(outer: str = "b", **members: Json) -> Json:
    return saga(lock("held", child("k") | members, of=outer), saga="parent")


KID = within("a", name="kid")


def test_a_child_takes_its_locks_inside_those_of_its_parent() -> None:
    assert told(parent(), KID, within("a", "b")) == [
        ("held/k", "a of child saga kid inside b here, b inside a at held/its_b of one version 1",
         "take them in the order of kid and one, or first give it up there"),
    ]  # fmt: skip


def test_so_does_the_child_of_a_child() -> None:
    between = saga(child("kid"), saga="between")
    (fault,) = told(parent(saga="between"), between, KID, within("a", "b"))
    assert fault[1].startswith("a of child saga kid inside b here")


def test_a_child_that_gains_a_lock_is_held_against_the_locks_of_its_parents() -> None:
    (fault,) = told(KID, parent(), within("a", "b"))
    assert fault[0] == ""
    assert fault[1] == (
        "a of child saga kid inside b at held/k of parent version 1, "
        "b inside a at held/its_b of one version 1"
    )


def test_a_child_that_takes_the_lock_of_its_parent_waits_for_it_for_ever() -> None:
    assert told(parent("a"), KID) == [
        ("held/k", "a of child saga kid inside itself here: the child would wait for its parent",
         "take it in the parent or in the child, not in both"),
    ]  # fmt: skip


def test_nobody_waits_for_a_child_that_runs_alone_and_is_not_revoked() -> None:
    assert told(parent("a", wait=False), KID) == []
    assert len(told(parent("a", wait=False, on_undo="revoke"), KID)) == 1


def test_to_revoke_a_child_under_a_lock_takes_the_locks_of_the_child_inside() -> None:
    mine = saga(child("k", "kid") | {"on_undo": "revoke"}, lock("held", undo("back", "k"), of="a"))
    (fault,) = told(mine, KID)
    assert fault[0] == "held/back"


def test_sagas_that_start_each_other_are_gone_through_once() -> None:
    again = choose("more", branch("yes", child("p", "parent"), when="input.id == 'x'"))
    kid = saga(lock("own", sleep("nap", "1d"), of="a"), again, saga="kid")
    (fault,) = told(parent("c", saga="kid"), kid)
    assert fault[1].startswith("c of child saga parent inside itself here")


# --- troth-engine check ---------------------------------------------------------------------------


def checked(folder: Path, *documents: Json) -> tuple[int, list[list[str]]]:
    """The exit code, and the messages of each document."""
    files: list[str] = []
    for number, document in enumerate(documents):
        files.append(str(folder / f"{number}.json"))
        Path(files[-1]).write_text(json.dumps(document, indent=1), "utf-8")
    done = CliRunner().invoke(APP, [*files, "--json"])
    return done.exit_code, [
        [f["message"] for f in one["faults"]] for one in json.loads(done.stdout)
    ]


def test_check_holds_the_sagas_of_a_project_against_each_other(tmp_path: Path) -> None:
    code, messages = checked(tmp_path, within("a", "b"), within("b", "a", name="two"))
    assert code == 1
    assert messages == [
        ["b inside a here, a inside b at held/its_a of two version 1"],
        ["a inside b here, b inside a at held/its_b of one version 1"],
    ]
    said = CliRunner().invoke(APP, [str(tmp_path)]).stdout
    assert "error TR235 def.locks: b inside a here" in said
    assert "0.json:" in said


def test_check_looks_at_the_newest_version_of_each(tmp_path: Path) -> None:
    old, new = within("a", "b"), within("a", version=2)
    assert checked(tmp_path, new, old, within("b", "a", name="two")) == (0, [[], [], []])


def test_check_leaves_out_what_is_wrong_anyway(tmp_path: Path) -> None:
    wrong = within("a", "a", "b")
    code, messages = checked(tmp_path, wrong, within("b", "a", name="two"))
    assert (code, messages[1]) == (1, [])

"""on_undo: revoke: a fulfilled child reopens and undoes itself (sections 3 and 5)."""

from typing import Any

from domain import messages as msg
from tests.semantics.family import Family
from tests.semantics.language import (
    branch,
    fail,
    fulfil,
    on_failure,
    parallel,
    saga,
    scope,
    sleep,
    step,
    wait,
)

Json = Any


def child(name: str = "kid", saga_: str = "kid", **members: Json) -> Json:
    return {"node": "child", "name": name, "saga": saga_, "key": "input.id",
            "input": "{'id': input.id}", **members}  # fmt: skip


def mum(*flow: Json, **members: Json) -> Json:
    return saga(*flow, saga="mum", **members)


def kid(*flow: Json, **members: Json) -> Json:
    return saga(*flow, saga="kid", **members)


TOY = kid(step("play", undo=True), step("eat", undo=True), fulfil(result="results.play"))


def played(*flow: Json, **members: Json) -> Family:
    """The child is fulfilled, and its parent goes on."""
    f = Family(mum(*flow, **members), TOY)
    f.start("mum")
    return f.done("play", 7).done("eat")


def test_a_child_that_says_nothing_is_asked_to_undo_itself_the_last_first() -> None:
    f = played(child(), step("after"))
    f.failed("after", "no")
    assert (f.status("mum"), f.status("kid")) == (
        "compensating", "compensating",
    )  # fmt: skip
    assert list(f.work) == ["undo eat"]
    f.done("undo eat")
    assert list(f.work) == ["undo play"]
    f.done("undo play")
    assert f.status("kid") == "compensated cancelled:revoked"
    assert f.status("mum") == "compensated business:no"


def test_what_a_parent_asks_of_its_child_finds_it_there_in_whatever_order_mail_is_read() -> None:
    f = Family(mum(child(wait=False), fail("stop", "no")), TOY)
    f.is_hasty = True
    f.start("mum")
    assert f.status("kid") == "cancelled cancelled:cancelled"
    assert f.status("mum") == "compensated business:no"


def test_the_child_records_that_it_may_be_revoked_and_why_it_was() -> None:
    f = played(child(), step("after"))
    assert f.of("kid").parent["revoke"] is True
    f.failed("after", "no").done("undo eat").done("undo play")
    assert f.topics("kid", "commitment.") == [
        "commitment.opened", "commitment.ended fulfilled", "commitment.revoke_asked",
        "commitment.ended compensated",
    ]  # fmt: skip
    assert f.topics("mum", "child.revoke") == [
        "child.revoke_asked", "child.revoke_ended revoked",
    ]  # fmt: skip


def test_a_child_is_one_entry_what_was_done_before_it_is_undone_only_then() -> None:
    f = Family(mum(step("a", undo=True), child(), step("b", undo=True), step("c")), TOY)
    f.start("mum")
    f.done("a").done("play").done("eat").done("b").failed("c", "no")
    for name in ("undo b", "undo eat", "undo play", "undo a"):
        assert list(f.work) == [name]
        f.done(name)
    assert f.status("mum") == "compensated business:no"


def test_children_of_branches_are_undone_beside_each_other() -> None:
    two = parallel(
        "p", branch("one", child("x", key="'x'")), branch("two", child("y", key="'y'"))
    )  # fmt: skip
    f = Family(mum(two, step("after")), kid(step("play", undo=True)))
    f.start("mum")
    f.done("play")
    f.send(f.id_of("kid", key="x"), _answer(f, "x"))
    f.failed("after", "no")
    assert {f.of("kid", key=k).status for k in "xy"} == {"compensating"}


def _answer(f: Family, key: str) -> Any:
    c = f.of("kid", key=key)
    effect = next(iter(c.effects))
    return msg.Answered(effect, 1, "1.1.1", "do", "done", "w1")


def test_a_child_with_nothing_to_undo_is_compensated_at_once() -> None:
    f = Family(mum(child(), step("after")), kid(step("play")))
    f.start("mum")
    f.done("play").failed("after", "no")
    assert f.status("kid") == "compensated cancelled:revoked"
    assert f.status("mum") == "compensated business:no"


def test_a_childs_child_is_undone_when_its_turn_comes() -> None:
    mid = kid(step("before", undo=True), child("baby", "baby"), step("later", undo=True))
    f = Family(mum(child(), step("after")), mid, saga(step("cry", undo=True), saga="baby"))
    f.start("mum")
    f.done("before").done("cry").done("later").failed("after", "no")
    for name in ("undo later", "undo cry", "undo before"):
        assert list(f.work) == [name]
        f.done(name)
    assert f.status("baby") == "compensated cancelled:revoked"
    assert f.status("mum") == "compensated business:no"


def test_a_part_that_is_undone_revokes_its_children_and_the_flow_goes_on() -> None:
    part = scope("s", child(), step("b"), on_failure=[on_failure("*", step("sorry"))])
    f = played(part)
    f.failed("b", "no").done("undo eat").done("undo play")
    assert list(f.work) == ["sorry"]
    f.done("sorry")
    assert (f.status("mum"), f.status("kid")) == (
        "fulfilled", "compensated cancelled:revoked",
    )  # fmt: skip


# --- how long it may be revoked -----------------------------------------------------------------


def test_it_keeps_its_entries_until_its_parent_is_final() -> None:
    f = played(child(), step("after"))
    assert sorted(f.of("kid").entries) == ["eat", "play"]
    f.done("after")
    assert f.status("mum") == "fulfilled"
    assert f.of("kid").entries == {}
    assert f.topics("kid", "commitment.revoke") == ["commitment.revoke_waived"]


def test_a_childs_child_keeps_them_until_the_first_parent_is_final() -> None:
    mid = kid(child("baby", "baby"))
    f = Family(mum(child(), step("after")), mid, saga(step("cry", undo=True), saga="baby"))
    f.start("mum")
    f.done("cry")
    assert (f.status("kid"), sorted(f.of("baby").entries)) == ("fulfilled", ["cry"])
    f.done("after")
    assert (f.of("kid").entries, f.of("baby").entries) == ({}, {})


def test_a_pivot_of_the_parent_makes_the_child_final_too() -> None:
    f = played(child(), step("sign", irreversible="pivot"), sleep("rest", "1d"))
    assert sorted(f.of("kid").entries) == ["eat", "play"]
    f.done("sign")
    assert (f.status("mum"), f.of("kid").entries) == ("waiting", {})


def test_a_child_that_none_undoes_keeps_nothing() -> None:
    f = played(child(on_undo="none"), step("after"))
    assert f.of("kid").entries == {}
    assert "revoke" not in f.of("kid").parent


# --- what does not go as planned ---------------------------------------------------------------


def test_a_child_past_a_pivot_refuses_and_that_is_a_debt_of_the_parent() -> None:
    f = Family(
        mum(step("a", undo=True), child(), step("b")),
        kid(step("play", undo=True), step("sign", irreversible="pivot")),
    )
    f.start("mum")
    f.done("a").done("play").done("sign").failed("b", "no")
    assert (f.status("mum"), f.status("kid")) == ("in_debt", "fulfilled")
    assert list(f.work) == [], "on_debt: hold"
    assert [d.error["code"] for d in f.of("mum").debts.values()] == ["cancel.past_pivot"]
    f.settle("mum")
    assert list(f.work) == ["undo a"]
    f.done("undo a")
    assert f.status("mum") == "compensated business:no"


def test_the_debt_of_a_child_is_the_childs_and_the_parent_waits_for_it() -> None:
    f = played(child(), step("after"))
    f.failed("after", "no").failed("undo eat", "gone")
    assert (f.status("mum"), f.status("kid")) == ("compensating", "in_debt")
    f.settle("kid")
    assert list(f.work) == ["undo play"]
    f.done("undo play")
    assert f.status("mum") == "compensated business:no"


def test_undo_deadline_makes_a_child_a_debt_and_what_comes_late_settles_it() -> None:
    f = played(child(), step("after"), undo_deadline="1h")
    f.failed("after", "no")
    f.pass_time(2 * 3_600_000_000)
    assert f.status("mum") == "in_debt"
    f.done("undo eat").done("undo play")
    assert f.status("mum") == "compensated business:no"


def test_a_retry_of_the_debt_asks_again() -> None:
    f = played(child(), step("after"), undo_deadline="1h")
    f.failed("after", "no")
    f.pass_time(2 * 3_600_000_000)
    f.control("mum", "retry")
    assert f.topics("mum", "child.revoke")[-1] == "child.revoke_asked"
    f.done("undo eat").done("undo play")
    assert (f.status("mum"), f.of("mum").debts) == ("compensated business:no", {})


def test_a_child_that_still_runs_is_cancelled() -> None:
    """With `wait: false` it may be at work when it is its turn."""
    f = Family(mum(child(wait=False), step("after")), TOY)
    f.start("mum")
    f.done("play").failed("after", "no")
    assert f.status("kid") == "compensating"
    assert list(f.work) == ["undo play"], "what nobody had begun is withdrawn"
    f.done("undo play")
    assert f.status("kid") == "cancelled cancelled:cancelled"
    assert f.status("mum") == "compensated business:no"


def test_a_child_that_has_failed_by_itself_needs_no_undoing() -> None:
    f = Family(mum(child(wait=False), step("after")), TOY)
    f.start("mum")
    f.failed("play", "no").failed("after", "no")
    assert f.status("kid") == "failed business:no"
    assert f.status("mum") == "compensated business:no"


def test_a_paused_child_undoes_itself_at_the_resume() -> None:
    f = Family(mum(child(wait=False), step("after")), kid(wait("toy", within="9d")))
    f.start("mum")
    f.control("kid", "pause")
    f.failed("after", "no")
    assert (f.status("mum"), f.status("kid")) == ("compensating", "paused")
    f.control("kid", "resume")
    assert f.status("mum") == "compensated business:no"


def test_its_key_is_free_for_another_run_while_it_is_undone() -> None:
    f = Family(mum(child(), step("after")), TOY | {"double_start": {"finished": "allow"}})
    f.start("mum")
    f.done("play").done("eat").failed("after", "no")
    f.start("kid")
    assert f.status("kid", run=2) == "open"
    f.done("undo eat").done("undo play")
    assert (f.status("kid"), f.status("kid", run=2)) == (
        "compensated cancelled:revoked", "open",
    )  # fmt: skip

"""child: start, outcome, cancel and undo between a parent and the sagas it starts (section 3)."""

from typing import Any

from domain.durations import duration_us
from sagas.checks import check
from tests.semantics.family import Family
from tests.semantics.language import branch, fulfil, on_failure, parallel, saga, scope, step, wait

Json = Any


def child(name: str = "kid", saga_: str = "kid", **members: Json) -> Json:
    return {"node": "child", "name": name, "saga": saga_, "key": "input.id",
            "input": "{'id': input.id}", "on_undo": "none", **members}  # fmt: skip


def parent(*flow: Json, **members: Json) -> Json:
    return saga(*flow, saga="mum", **members)


def kid(*flow: Json, version: int = 1, **members: Json) -> Json:
    return saga(*flow, saga="kid", version=version, **members)


TOY = kid(step("play"), fulfil(result="results.play"))
UNDO = {"on_undo": "contract", "undo": {"contract": "shop/tidy@1", "args": {"what": "result"}}}
TIDY = {"shop/tidy@1": {"participant": "shop", "command": {}, "result": {}}}


def test_the_parent_waits_for_its_child_and_reads_what_it_yields() -> None:
    f = Family(parent(child(), step("after", args={"x": "results.kid"})), TOY)
    f.start("mum")
    assert (f.status("mum"), f.status("kid"), list(f.work)) == ("waiting", "open", ["play"])
    f.done("play", 7)
    assert f.status("kid") == "fulfilled"
    assert f.work["after"].body["args"] == {"x": 7}
    assert f.topics("mum", "child.") == ["child.asked", "child.opened", "child.ended fulfilled"]


def test_a_child_records_who_its_parent_is_and_has_the_version_that_was_latest() -> None:
    f = Family(parent(child()), TOY)
    f.register(kid(step("play2"), version=2))
    f.start("mum")
    opened = f.of("kid")
    assert opened.saga_version == 2
    assert opened.parent == {
        "id": str(f.id_of("mum")), "node": "kid", "ask": 2, "depth": 1, "wait": True,
    }  # fmt: skip
    f.register(kid(step("play3"), version=3))
    assert list(f.work) == ["play2"]


def test_a_fixed_version_is_started_whatever_is_latest() -> None:
    f = Family(parent(child(version=1)), TOY)
    f.register(kid(step("play2"), version=2))
    f.start("mum")
    assert list(f.work) == ["play"]


def test_without_wait_it_yields_the_childs_id_and_goes_on() -> None:
    f = Family(parent(child(wait=False), step("after", args={"x": "results.kid"})), TOY)
    f.start("mum")
    assert f.work["after"].body["args"] == {"x": str(f.id_of("kid"))}
    f.done("after")
    assert (f.status("mum"), f.status("kid")) == ("fulfilled", "open")
    f.done("play")
    assert (f.status("mum"), f.status("kid")) == ("fulfilled", "fulfilled")


def test_a_child_that_fails_fails_its_node_as_business_with_its_code() -> None:
    document = parent(
        scope("s", child(), on_failure=[on_failure("business:broken", step("sorry"))])
    )
    f = Family(document, TOY)
    f.start("mum")
    f.failed("play", "broken")
    assert f.status("kid") == "failed business:broken"
    assert list(f.work) == ["sorry"]


def test_whatever_class_the_childs_error_has_the_parent_sees_business() -> None:
    f = Family(parent(child()), kid(wait("toy", within="1d")))
    f.start("mum")
    f.pass_time(duration_us("2d"))
    assert f.status("kid") == "failed timeout:toy"
    assert f.status("mum") == "failed business:toy"


def test_a_child_that_was_cancelled_fails_its_node_as_cancelled() -> None:
    f = Family(parent(child()), TOY)
    f.start("mum")
    f.control("kid", "cancel")
    assert f.status("kid") == "cancelled cancelled:cancelled"
    assert f.status("mum") == "failed cancelled:cancelled"


def test_a_key_that_is_taken_is_a_conflict() -> None:
    f = Family(parent(child()), TOY)
    f.start("kid")
    f.start("mum")
    assert f.status("mum") == "failed business:child.conflict"
    assert f.status("kid") == "open"


def test_a_child_is_never_a_run_that_somebody_else_started() -> None:
    """Returning the running one would make its outcome that of two."""
    f = Family(parent(child()), TOY | {"double_start": {"running": "return"}})
    f.start("kid")
    f.start("mum")
    assert f.status("mum") == "failed business:child.conflict"


def test_a_saga_that_is_not_registered_holds_the_parent_until_it_is() -> None:
    f = Family(parent(child()))
    f.start("mum")
    assert f.status("mum") == "held"
    f.register(TOY)
    f.control("mum", "retry")
    assert (f.status("mum"), list(f.work)) == ("waiting", ["play"])


def test_an_input_that_does_not_fit_the_child_holds_the_parent() -> None:
    picky = TOY | {"input": {"type": "object", "required": ["age"]}}
    f = Family(parent(child()), picky)
    f.start("mum")
    assert f.status("mum") == "held"
    assert f.of("mum").held["error"]["code"] == "start.input"


def test_a_result_that_does_not_fit_what_was_promised_holds_the_parent() -> None:
    f = Family(parent(child(result={"type": "string"})), TOY)
    f.start("mum")
    f.done("play", 7)
    assert f.status("mum") == "held"


# --- stop ------------------------------------------------------------------------------------


def test_a_stop_cancels_the_awaited_child_and_waits_until_it_has_ended() -> None:
    tidy_kid = kid(step("play", undo=True), step("rest"))
    f = Family(parent(step("a", undo=True), child()), tidy_kid)
    f.start("mum")
    f.done("a").done("play")
    f.control("mum", "cancel")
    assert list(f.work) == ["undo play"], "the parent undoes only once its child has"
    f.done("undo play")
    assert f.status("kid") == "cancelled cancelled:cancelled"
    assert list(f.work) == ["undo a"]
    f.done("undo a")
    assert f.status("mum") == "cancelled cancelled:cancelled"


def test_with_leave_a_stop_leaves_the_child_to_itself() -> None:
    f = Family(parent(child(on_stop="leave")), TOY)
    f.start("mum")
    f.control("mum", "cancel")
    assert (f.status("mum"), f.status("kid")) == ("cancelled cancelled:cancelled", "open")
    f.done("play")
    assert f.status("kid") == "fulfilled"


def test_a_cancel_that_comes_too_late_finds_the_childs_outcome() -> None:
    """The child goes on past its pivot, and its parent learns that it was fulfilled."""
    stubborn = kid(step("play", irreversible="pivot"), step("rest"))
    f = Family(parent(child(**UNDO), contracts=TIDY), stubborn)
    f.start("mum")
    f.done("play")
    f.control("mum", "cancel")
    assert f.topics("kid", "commitment.refused") == ["commitment.refused"]
    f.done("rest")
    assert f.status("kid") == "fulfilled"
    assert list(f.work) == ["undo kid"], "it is done, so it is undone"
    f.done("undo kid")
    assert f.status("mum") == "cancelled cancelled:cancelled"


def test_a_child_that_is_not_in_time_is_cancelled_before_the_parent_goes_on() -> None:
    document = parent(
        scope("s", child(within="1d"), on_failure=[on_failure("timeout:kid", step("sorry"))])
    )
    f = Family(document, kid(step("play", undo=True), wait("toy", within="9d")))
    f.start("mum")
    f.done("play")
    f.pass_time(duration_us("2d"))
    assert list(f.work) == ["undo play"]
    f.done("undo play")
    assert list(f.work) == ["sorry"]


def test_with_continue_a_late_child_yields_that_it_expired() -> None:
    document = parent(
        child(within="1d", on_expiry="continue"),
        step("after", args={"x": "has(results.kid.expired)"}),
    )
    f = Family(document, kid(wait("toy", within="9d")))
    f.start("mum")
    f.pass_time(duration_us("2d"))
    assert f.status("kid") == "cancelled cancelled:cancelled"
    assert f.work["after"].body["args"] == {"x": True}


def test_a_start_that_waits_for_its_turn_is_taken_back_by_a_stop() -> None:
    f = Family(parent(child()), TOY | {"double_start": {"running": "queue", "finished": "allow"}})
    f.start("kid")
    f.start("mum")
    assert (f.status("mum"), f.of("kid", run=2)) == ("waiting", None)
    f.control("mum", "cancel")
    assert f.status("mum") == "cancelled cancelled:cancelled"
    f.done("play")
    assert f.of("kid", run=2) is None


def test_the_failure_of_a_branch_stops_the_child_in_the_other() -> None:
    document = parent(parallel("p", branch("one", step("a")), branch("two", child())))
    f = Family(document, TOY)
    f.start("mum")
    f.failed("a", "no")
    assert f.status("kid") == "cancelled cancelled:cancelled"
    assert f.status("mum") == "failed business:no"


def test_a_paused_parent_hears_of_its_child_at_the_resume() -> None:
    f = Family(parent(child(), step("after")), TOY)
    f.start("mum")
    f.control("mum", "pause")
    f.done("play", 1)
    assert (f.status("mum"), list(f.work)) == ("paused", [])
    f.control("mum", "resume")
    assert list(f.work) == ["after"]


# --- undo ------------------------------------------------------------------------------------


def test_a_fulfilled_child_is_one_entry_undone_by_its_contract_with_its_result() -> None:
    f = Family(parent(step("a", undo=True), child(**UNDO), step("b"), contracts=TIDY), TOY)
    f.start("mum")
    f.done("a").done("play", 7).failed("b", "no")
    assert list(f.work) == ["undo kid"]
    assert f.work["undo kid"].body["args"] == {"what": 7}
    f.done("undo kid")
    assert list(f.work) == ["undo a"]
    f.done("undo a")
    assert f.status("mum") == "compensated business:no"


def test_with_none_what_a_child_did_stays() -> None:
    f = Family(parent(child(), step("b")), TOY)
    f.start("mum")
    f.done("play").failed("b", "no")
    assert (f.status("mum"), f.status("kid")) == ("failed business:no", "fulfilled")


# --- bounds ----------------------------------------------------------------------------------


def test_children_lie_sixteen_deep_at_most() -> None:
    again = saga(
        {"node": "child", "name": "next", "saga": "deep", "key": "string(int(input.id) + 1)",
         "input": "{'id': string(int(input.id) + 1)}", "on_undo": "none", "when": "true"},
        saga="deep",
    )  # fmt: skip
    assert check(again) == []
    f = Family(again)
    f.start("deep", key="0")
    assert f.of("deep", key="16").status == "held"
    assert f.of("deep", key="16").held["error"]["code"] == "bound.children"
    assert f.of("deep", key="17") is None

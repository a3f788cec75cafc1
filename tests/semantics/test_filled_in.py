"""What data leaves out and its schema gives a default for is there when it is read (section 2)."""

from tests.semantics.language import (
    approve,
    child,
    given,
    handler,
    put,
    saga,
    scope,
    sleep,
    step,
    task,
    update,
    wait,
)

COUNT = {"type": "integer", "default": 3}
ORDER = {"type": "object", "properties": {"count": COUNT}}
EVENTS = {"ordered": {"version": 1, "schema": ORDER, "key": "id"}}
KEEP = {"vars": {"n": {"schema": {}, "initial": 0}}}


def _of(**properties):
    return {"type": "object", "properties": properties}


def test_a_start_leaves_it_out() -> None:
    document = saga(step("a", args={"n": "input.count"}), input=ORDER)
    given(document, {"id": "acme"}).then(args=[{"n": 3}])


def test_what_is_given_stays_also_when_it_is_null() -> None:
    document = saga(step("a", args={"n": "input.count"}), input=ORDER)
    given(document, {"id": "acme", "count": 5}).then(args=[{"n": 5}])
    null = _of(count={"type": ["integer", "null"], "default": 3})
    document = saga(step("a", args={"n": "input.count"}), input=null)
    given(document, {"id": "acme", "count": None}).then(args=[{"n": None}])


def test_an_event_leaves_it_out() -> None:
    document = saga(wait("ordered"), step("a", args={"n": "events.ordered.data.count"}))
    (given(document | {"events": EVENTS}).happens("ordered", {"id": "acme"}).then(args=[{"n": 3}]))


def test_a_guard_reads_it() -> None:
    document = saga(wait("ordered", when="event.data.count == 3"))
    given(document | {"events": EVENTS}).happens("ordered", {}).then(status="fulfilled")


def test_each_collected_event_has_it() -> None:
    collect = {"until": "size(events.ordered) == 2 && events.ordered.all(e, e.data.count > 2)"}
    document = saga(wait("ordered", collect=collect))
    (
        given(document | {"events": EVENTS})
        .happens("ordered", {"count": 4})
        .happens("ordered", {})
        .then(status="fulfilled")
    )


def test_a_handler_reads_it() -> None:
    taking = handler("more", "ordered", put("keep", n="event.data.count"))
    document = saga(sleep("rest", "1d"), handlers=[taking], events=EVENTS, **KEEP)
    given(document).happens("ordered", {}).then(vars={"n": 3})


def test_a_result_leaves_it_out_and_its_undo_reads_it() -> None:
    back = {"args": {"why": "result.count"}}
    create = step("create", result=ORDER, undo=back, why=True)
    (
        given(saga(create, step("tell", args={"n": "results.create.count"})))
        .done("create", {})
        .then(results={"create": {"count": 3}})
        .cancelled()
        .then(undo_commands=["create"])
    )


def test_the_same_reply_again_is_the_same_though_it_leaves_it_out() -> None:
    document = saga(step("create", result=ORDER), sleep("rest", "1d"))
    (
        given(document)
        .done("create", {})
        .late("create", "done", result={})
        .then(answer="repeated", debts=[])
    )


def test_a_child_leaves_it_out() -> None:
    document = saga(child("kid", result=ORDER), step("a", args={"n": "results.kid.count"}))
    given(document).kid("kid", "fulfilled", {}).then(args=[{"n": 3}])


def test_a_form_leaves_it_out() -> None:
    document = saga(
        task("review", "legal", form=ORDER), step("a", args={"n": "results.review.payload.count"})
    )
    (
        given(document)
        .works("review", "claim")
        .works("review", "complete", payload={})
        .then(args=[{"n": 3}])
    )


def test_an_edit_leaves_it_out() -> None:
    read = "has(decisions.allow.payload.count) ? decisions.allow.payload.count : 0"
    pay = step("pay", risk="R2", unknown="ask", irreversible="accepted", args={"n": read})
    (
        given(saga(approve("allow", pay, level="A2", edit=ORDER, subject="input")))
        .decides("allow", "leo", "legal", answer="edit", payload={})
        .decides("allow", "mia", "function_head")
        .then(answer="granted", args=[{"n": 3}])
    )


def test_an_update_leaves_it_out() -> None:
    change = update("change", schema=ORDER, set={"n": "args.count"})
    document = saga(scope("all", sleep("rest", "1d"), updates=[change]), **KEEP)
    given(document).asks("change").then(answer="accepted", vars={"n": 3})


def test_params_and_vars_have_it() -> None:
    document = saga(
        step("a", args={"n": "params.p.count", "m": "vars.v.count"}),
        put("again", v="{}"),
        params={"p": {"schema": ORDER, "default": {}}},
        vars={"v": {"schema": ORDER, "initial": {}}},
    )
    given(document).then(args=[{"n": 3, "m": 3}]).done("a").then(vars={"v": {"count": 3}})


def test_inside_objects_lists_maps_and_references() -> None:
    line = _of(count=COUNT, more={"type": "array", "items": {"$ref": "line"}, "default": []})
    schema = _of(
        first={"$ref": "line", "default": {}},
        lines={"type": "array", "items": {"anyOf": [{"$ref": "line"}, {"type": "null"}]}},
        by_name={"type": "object", "additionalProperties": {"$ref": "#/$defs/here"}},
    ) | {"$defs": {"here": _of(x={"type": "string", "default": "y"})}}
    document = saga(step("a", args={"all": "input"}), schemas={"line": line}, input=schema)
    sent = {"id": "acme", "lines": [{"more": [{"count": 1}]}, None], "by_name": {"b": {}}}
    filled = {
        "id": "acme",
        "first": {"count": 3, "more": []},
        "lines": [{"count": 3, "more": [{"count": 1, "more": []}]}, None],
        "by_name": {"b": {"x": "y"}},
    }
    given(document, sent).then(args=[{"all": filled}])


def test_what_would_become_too_large_does_not_fit() -> None:
    large = _of(lines={"type": "array", "items": _of(t={"default": "x" * 1000})})
    document = saga(step("create", result=large), sleep("rest", "1d"))
    given(document).done("create", {"lines": [{}] * 300}).then(results={}, waits=["retry"])


LARGE = _of(lines={"type": "array", "items": _of(t={"default": "x" * 1000})})
MANY = {"lines": [{}] * 300}


def test_an_event_that_would_become_too_large_is_a_fault_of_who_takes_it() -> None:
    events = {"ordered": {"version": 1, "schema": LARGE, "key": "id"}}
    story = given(saga(scope("s", wait("ordered"))) | {"events": events})
    story.happens("ordered", MANY).then(status="held", held="s/ordered")


def test_a_variable_that_would_become_too_large_is_a_fault_of_the_set() -> None:
    document = saga(
        scope("s", put("keep", v="input.all")), vars={"v": {"schema": LARGE, "initial": {}}}
    )
    given(document, {"id": "acme", "all": MANY}).then(status="held", held="s/keep")


def test_arguments_of_an_update_that_would_become_too_large_refuse_it() -> None:
    document = saga(sleep("rest", "1d"), updates=[update("change", schema=LARGE)])
    story = given(document).then(at=["rest"])
    story.asks("change", **MANY).then(answer="update.args", events=[])


def test_a_payload_that_would_become_too_large_is_not_taken() -> None:
    story = given(saga(task("review", "legal", form=LARGE))).works("review", "claim").then()
    story.works("review", "complete", payload=MANY).then(answer="task.payload", events=[])


def test_a_result_of_a_child_that_would_become_too_large_holds_its_parent() -> None:
    story = given(saga(child("kid", result=LARGE), step("b")))
    story.kid("kid", "fulfilled", MANY).then(status="held", held="kid")


def test_a_result_that_settles_a_step_past_a_pivot_and_becomes_too_large_is_refused() -> None:
    document = saga(step("pay", irreversible="pivot"), step("create", result=LARGE))
    story = given(document).done("pay").failed("create").then(debts=["forward create"])
    story.control("settle", evidence="a letter", result=MANY).then(answer="reply.schema")
    story.control("settle", evidence="a letter", result={}).then(status="fulfilled")

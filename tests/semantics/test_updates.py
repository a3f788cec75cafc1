"""Updates: validated changes from outside, refused without an event (section 6)."""

from tests.semantics.language import (
    branch,
    given,
    handler,
    on_failure,
    parallel,
    repeat,
    saga,
    scope,
    sleep,
    step,
    update,
    wait,
)

VARS = {"n": {"schema": {"type": "integer"}, "initial": 0}}
DAYS = {"type": "object", "properties": {"days": {"type": "integer"}}, "required": ["days"]}
RULE = {"if": "args.days < 1 || args.days > 30", "code": "days", "message": "1 to 30"}
LATER = "deadline('signed') + duration(string(args.days * 24) + 'h')"
EXTEND = update(
    "extend",
    schema=DAYS,
    validate=[RULE],
    move={"timer": "signed", "to": LATER},
    answer="deadline('signed')",
)
COUNT = update("count", schema=DAYS, set={"n": "vars.n + args.days"}, answer="vars.n")


def test_accepted_it_is_one_event_and_the_answer_reads_the_state_after_it() -> None:
    (
        given(saga(wait("signed", within="2d"), vars=VARS, updates=[COUNT]))
        .then()
        .asks("count", days=3)
        .then(
            events=["update.accepted count {'n': 3}"],
            answer="accepted",
            said=3,
            vars={"n": 3},
        )
    )


def test_it_may_move_a_due_time() -> None:
    (
        given(saga(wait("signed", within="2d"), updates=[EXTEND]))
        .asks("extend", days=3)
        .then(answer="accepted", said="2023-11-19T22:13:20Z")
        .after("4d")
        .then(status="waiting")
        .after("1d")
        .then(error="timeout:signed")
    )


def test_the_first_rule_that_is_true_refuses_it_and_there_is_no_event() -> None:
    second = {"if": "args.days > 10", "code": "many", "message": "too many"}
    asked = update("extend", schema=DAYS, validate=[RULE, second])
    (
        given(saga(wait("signed", within="2d"), updates=[asked]))
        .then()
        .asks("extend", days=40)
        .then(events=[], answer="update.refused", rule=["days"])
        .asks("extend", days=20)
        .then(events=[], answer="update.refused", rule=["many"])
    )


def test_arguments_that_do_not_fit_its_schema_are_refused_without_an_event() -> None:
    (
        given(saga(wait("signed", within="2d"), updates=[EXTEND]))
        .then()
        .asks("extend", days="three")
        .then(events=[], answer="update.args")
        .asks("extend")
        .then(events=[], answer="update.args")
    )


def test_a_rule_that_errs_refuses_it_and_is_never_taken_for_false() -> None:
    bad = {"if": "1 / args.days > 0", "code": "no", "message": "no"}
    (
        given(saga(wait("signed", within="2d"), updates=[update("x", validate=[bad])]))
        .then()
        .asks("x", days=0)
        .then(events=[], answer="internal.expression", status="waiting")
    )


def test_an_answer_that_errs_refuses_all_of_it() -> None:
    bad = update("x", set={"n": "args.days"}, answer="1 / vars.n")
    (
        given(saga(wait("signed", within="2d"), vars=VARS, updates=[bad]))
        .then()
        .asks("x", days=0)
        .then(events=[], answer="internal.expression", vars={"n": 0})
    )


def test_it_is_open_while_when_holds() -> None:
    asked = update("x", when="vars.n == 0", set={"n": "vars.n + 1"})
    (
        given(saga(wait("signed", within="2d"), vars=VARS, updates=[asked]))
        .asks("x")
        .then(answer="accepted")
        .asks("x")
        .then(events=[], answer="update.closed")
    )


def test_it_is_closed_while_a_time_that_it_moves_does_not_run() -> None:
    (
        given(saga(step("a"), wait("signed", within="2d"), updates=[EXTEND]))
        .then()
        .asks("extend", days=3)
        .then(events=[], answer="update.closed")
        .done("a")
        .asks("extend", days=3)
        .then(answer="accepted")
    )


def test_it_is_open_as_long_as_the_main_flow_of_its_scope() -> None:
    part = scope("part", wait("signed", within="2d"), updates=[COUNT])
    (
        given(saga(part, wait("paid", within="2d"), vars=VARS))
        .asks("count", days=1)
        .then(answer="accepted")
        .happens("signed")
        .then()
        .asks("count", days=1)
        .then(events=[], answer="update.closed")
    )


def test_it_is_closed_in_an_on_failure_flow_and_while_undoing() -> None:
    clause = on_failure("timeout", step("tell"))
    part = scope("part", wait("signed", within="2d"), updates=[COUNT], on_failure=[clause])
    (
        given(saga(step("book", undo=True), part, vars=VARS))
        .done("book")
        .after("2d")
        .asks("count", days=1)
        .then(answer="update.closed")
        .failed("tell")
        .asks("count", days=1)
        .then(answer="update.closed", status="compensating")
    )


def test_it_is_refused_while_paused() -> None:
    (
        given(saga(wait("signed", within="2d"), vars=VARS, updates=[COUNT]))
        .control("pause")
        .then()
        .asks("count", days=1)
        .then(events=[], answer="update.closed")
    )


def test_its_flow_is_a_run_beside_that_sees_its_args() -> None:
    asked = update("x", step("tell", args={"n": "args.days"}))
    (
        given(saga(wait("signed", within="2d"), updates=[asked]))
        .asks("x", days=1)
        .asks("x", days=2)
        .then(offered=["x@1/tell", "x@2/tell"], args=[{"n": 1}, {"n": 2}])
        .happens("signed")
        .then(status="open")
        .done("x@1/tell")
        .done("x@2/tell")
        .then(status="fulfilled")
    )


def test_what_its_run_did_is_undone_as_one_entry_where_it_completed() -> None:
    asked = update("x", step("tell", undo=True))
    (
        given(saga(step("a", undo=True), step("b", undo=True), step("c"), updates=[asked]))
        .done("a")
        .asks("x")
        .done("tell")
        .done("b")
        .failed("c")
        .undone("b")
        .then(offered=["undo x@1/tell"])
        .undone("tell")
        .then(offered=["undo a"])
    )


def test_a_failure_in_its_run_is_that_of_the_scope() -> None:
    asked = update("x", step("tell"))
    (
        given(saga(wait("signed", within="2d"), updates=[asked]))
        .asks("x")
        .failed("tell", "no")
        .then(status="failed", error="business:no")
    )


def test_it_may_add_to_an_open_list_and_close_it() -> None:
    parties = {
        "node": "for_each", "name": "parties", "items": "[]", "key": "each.parties.item",
        "open": True, "flow": [step("invite", args={"who": "each.parties.item"})],
    }  # fmt: skip
    more = update("more", add={"to": "parties", "items": "args.who", "close": "args.last"})
    (
        given(saga(scope("room", parties, deadline={"after": "9d"}), updates=[more]))
        .asks("more", who=["ann"], last=False)
        .then(
            events=["commitment.opened", "node.entered room", "node.entered parties open"][:0]
            or None,
            offered=["room/parties[ann]/invite"],
        )
        .asks("more", who=["bob"], last=True)
        .done("room/parties[ann]/invite")
        .done("room/parties[bob]/invite")
        .then(status="fulfilled")
        .asks("more", who=["eve"], last=True)
        .then(answer="update.closed")
    )


def test_where_several_rounds_or_branches_offer_it_it_is_named_by_its_path() -> None:
    asked = update("x", set={"n": "args.days"})
    one = scope("one", wait("paid", within="2d"), updates=[asked])
    (
        given(saga(repeat("turn", one, max=2), vars=VARS))
        .asks("x", days=1)
        .then(answer="accepted")
        .asks("turn#1/one/x", days=2)
        .then(answer="accepted", vars={"n": 2})
        .asks("turn#2/one/x", days=2)
        .then(answer="update.closed")
    )


def test_a_moved_time_in_the_past_fires_in_the_same_transaction() -> None:
    now = update("now", move={"timer": "pause", "to": "meta.now"})
    beside = handler("noted", "note", step("note"))
    two = branch("two", wait("signed", within="9d"))
    (
        given(
            saga(
                parallel("both", branch("one", sleep("pause", "3d"), step("a")), two),
                updates=[now],
                handlers=[beside],
            )
        )
        .then()
        .asks("now")
        .then(at=["both/one/a", "both/two/signed"])
    )

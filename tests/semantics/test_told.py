"""What people and other systems are told, value by value: evidence, facts, owners, errors."""

from domain import events as ev
from domain.ids import fact_id, task_id
from tests.semantics.family import Family
from tests.semantics.language import (
    Json,
    Story,
    add,
    announce,
    approve,
    branch,
    child,
    each,
    given,
    parallel,
    repeat,
    saga,
    scope,
    sleep,
    step,
    task,
    update,
    wait,
)
from tests.semantics.world import START_US

AT = "2023-11-14T22:13:20.000000Z"


def last(story: Story, kind: type) -> Json:
    """The last event of this type."""
    return next(e for e in reversed(story.w.events) if isinstance(e, kind))


def test_evidence_shows_what_each_named_node_yielded_and_when() -> None:
    ask = approve("ok", step("pay"), evidence=["input", "check", "came", "later"])
    flow = (step("check"), wait("came", within="1d"), ask, wait("later", within="1d"))
    story = given(saga(*flow), {"id": "acme", "eur": 5}).done("check", {"score": 3})
    story.after("1h").happens("came", {"by": "post"})
    input_, check, came, later = last(story, ev.ApprovalAsked).evidence
    assert input_ == {"node": "input", "at_us": None, "value": {"id": "acme", "eur": 5}}
    assert check == {"node": "check", "at_us": START_US, "value": {"score": 3}}
    assert came["at_us"] == START_US + 3_600_000_000
    assert (came["event"]["type"], came["event"]["data"]) == ("came", {"by": "post"})
    assert later == {"node": "later", "at_us": None}


def test_evidence_is_found_from_within_a_round_in_which_no_event_came() -> None:
    ask = approve("ok", step("pay"), evidence=["came", "look"])
    flow = (wait("came", within="1d"), repeat("r", step("look"), ask, max_rounds=2, until="true"))
    story = given(saga(*flow)).happens("came", {"n": 1}).done("look", 7)
    came, look = last(story, ev.ApprovalAsked).evidence
    assert came["event"]["data"] == {"n": 1}
    assert (look["node"], look["value"]) == ("r#1/look", 7)


def test_a_fact_is_an_event_of_the_standard_with_all_its_attributes() -> None:
    story = given(saga(announce("tell", "order.placed", "{'n': 1}")))
    assert story.w.facts == [{
        "specversion": "1.0", "id": fact_id(story.w.id, "tell"), "type": "order.placed",
        "source": "urn:troth:test", "subject": "acme", "time": AT,
        "datacontenttype": "application/json", "data": {"n": 1},
    }]  # fmt: skip


def test_a_task_has_a_number_of_its_own_in_each_commitment() -> None:
    document = saga(task("review", within="3d"))
    numbers = [list(given(document, key=key).w.tasks) for key in ("acme", "zoo")]
    assert numbers[0] != numbers[1]
    story = given(document)
    assert list(story.w.tasks) == [task_id(story.w.id, "review")]


def test_actions_of_two_contracts_with_the_same_arguments_have_digests_of_their_own() -> None:
    story = given(
        saga(
            approve(
                "ok",
                *(
                    step(n, risk="R2", irreversible="accepted", unknown="ask")
                    for n in ("pay", "ship")
                ),
            )
        )
    )
    digests = last(story, ev.ApprovalAsked).digests
    assert sorted(digests) == ["ok/pay", "ok/ship"]
    assert digests["ok/pay"] != digests["ok/ship"]


def test_a_debt_of_a_step_is_its_participants_and_one_of_the_root_the_operators() -> None:
    story = given(saga(step("a", undo=True), step("b"))).done("a").failed("b")
    story.answers("a", "failed", "undo", code="no").then(debts=["undo a"])
    assert last(story, ev.DebtOpened).owner == "shop"
    root = saga(step("pay", irreversible="pivot"), wait("x"), deadline={"after": "1h"})
    story = given(root).done("pay").after("2h").then(debts=["forward "])
    assert last(story, ev.DebtOpened).owner == "operator"


def test_an_undo_flow_that_took_too_long_says_so_in_its_debt() -> None:
    back = scope("trip", step("book"), undo_flow=[step("give_back")])
    story = given(saga(back, step("last"), undo_deadline="1h")).done("book").failed("last")
    story.after("2h").then(debts=["undo trip"])
    told = last(story, ev.DebtOpened).error
    assert (told["class"], told["code"], told["node"]) == ("timeout", "undo_deadline", "trip")


def test_of_a_step_that_failed_it_is_kept_which_attempt_did() -> None:
    retry = {"max": 2, "backoff": "10s"}
    story = given(saga(parallel("p", branch("x", step("a", retry=retry)), branch("y", step("b")))))
    story.answers("a", "transient").after("1m").failed("a")
    assert story.w.now.trail["p/x/a"].attempt == 2


def test_the_worker_that_began_a_step_is_known_while_it_runs() -> None:
    story = given(saga(step("a"))).started("a")
    assert [e.worker for e in story.w.now.effects.values()] == ["w1"]


def test_a_loser_that_is_kept_closes_as_kept_and_one_that_is_undone_as_undone() -> None:
    for losers, outcome in (("undo", "undone"), ("keep", "kept")):
        slow = branch("slow", step("a", undo=True), step("b"))
        part = parallel("p", slow, branch("soon", step("c")), join="any", losers=losers)
        story = given(saga(part, wait("w"))).done("a").done("c")
        if losers == "undo":
            story.undone("a")
        closed = last(story, ev.BranchClosed)
        assert (closed.branch, closed.outcome) == ("slow", outcome)


def test_what_nobody_waits_for_cannot_be_settled_and_the_answer_names_it() -> None:
    story = given(saga(wait("w"))).control("settle", evidence=["mail"])
    story.then(answer="control.target")
    assert story.w.outcome["detail"] == "nothing waits for a person"
    story.control("settle", node="b", evidence=["mail"])
    assert story.w.outcome["detail"] == "b waits for a person"


def test_a_key_that_is_no_key_is_an_error_of_the_definition_at_its_node() -> None:
    for key in ("''", "[1]", "true"):
        story = given(saga(wait("w", key=key))).then(status="held", held="w")
        assert story.w.now.held["error"]["class"] == "internal"


def test_a_block_that_a_person_finishes_yields_the_result_they_give() -> None:
    after = step("after", args={"n": "results.part.n"})
    story = given(saga(scope("part", wait("w"), out="{'n': 1}"), after))
    story.control("finish", node="part", evidence="letter", result={"n": 7})
    story.then(offered=["after"], args=[{"n": 7}])


def test_a_retry_of_a_named_step_leaves_the_others_to_their_time() -> None:
    again = {"attempts": 3, "first": "1h", "jitter": 0}
    one, two = branch("x", step("a", retry=again)), branch("y", step("b", retry=again))
    story = given(saga(parallel("p", one, two))).answers("a", "transient").answers("b", "transient")
    story.control("retry", node="b").then(offered=["p/y/b"])
    story.control("retry", node="c").then(answer="control.target")


def test_a_wait_that_ran_out_says_what_did_not_come() -> None:
    story = given(saga(wait("w", "paid", within="1h"))).after("1h").then(error="timeout:w")
    assert story.w.now.ended is not None
    assert story.w.now.ended["error"]["message"] == "paid did not come in time"


def test_what_a_person_settles_is_recorded_with_who_and_why() -> None:
    asks = step("a", risk="R1", unknown="ask", irreversible="accepted")
    story = given(saga(asks, wait("w"))).started("a").lost("a")
    story.control("settle", node="a", outcome="done", evidence=["mail"], reason="seen")
    assert last(story, ev.EffectProbed).note == "ops: seen"


def test_a_number_without_an_exact_digest_is_refused_and_the_answer_says_so() -> None:
    asks = step("a", risk="R1", unknown="ask", irreversible="accepted")
    story = given(saga(asks, wait("w"))).started("a").lost("a")
    story.control("settle", node="a", outcome="done", evidence=["mail"], result=2**60)
    story.then(answer="reply.schema")
    assert "53-bit" in story.w.outcome["detail"]


def test_a_handler_reads_its_key_from_within_its_scope() -> None:
    own = {"name": "h", "events": ["e"], "key": "results.a", "flow": [step("heard")]}
    story = given(saga(step("a"), scope("s", wait("w"), handlers=[own]))).done("a", "zoo")
    story.happens("e", key="zoo").then(offered=["s/h@1/heard"])


def test_the_out_of_an_item_reads_what_that_item_did() -> None:
    document = saga(each("p", step("a"), out="results.a", max_items=9), wait("w"))
    story = given(document, {"id": "acme", "xs": ["k1", "k2"]})
    story.done("p[k1]/a", 1).done("p[k2]/a", 2)
    assert story.w.now.frames[""]["results"]["p"]["out"] == {"k1": 1, "k2": 2}


def test_a_key_that_errs_for_what_is_added_is_an_error_of_the_add() -> None:
    items = each("p", step("a"), key="string(1 / each.p.item)", open=True, max_items=9)
    part = parallel("q", branch("x", items), branch("y", wait("more"), add("put", "p", "[0]")))
    story = given(saga(part), {"id": "acme", "xs": [1]}).happens("more")
    story.then(status="held", held="q/y/put")


def test_children_lie_only_so_deep_and_the_error_says_how_deep() -> None:
    row = [saga(child("c", f"k{n + 1}"), saga=f"k{n}") for n in range(17)]
    f = Family(*row, saga(wait("w"), saga="k17"))
    f.start("k0")
    found = [f.of(f"k{n}").held for n in range(17) if f.of(f"k{n}").held]
    assert [held["error"]["message"] for held in found] == ["children lie deeper than 16"]


def test_an_update_that_moves_a_time_is_refused_by_name_while_it_does_not_run() -> None:
    later = update("later", move={"timer": "pause", "to": "meta.now"})
    story = given(saga(wait("w"), sleep("pause", "1h"), updates=[later])).asks("later")
    story.then(answer="update.closed")
    assert story.w.outcome["detail"] == "the time of pause does not run"

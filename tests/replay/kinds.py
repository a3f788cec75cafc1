"""What no named flow does: the other kinds of nodes, and what operators and lost replies bring."""

from __future__ import annotations

from domain.turn_messages import NoTurn
from tests.replay.flows import Stories
from tests.replay.golden import Kin
from tests.semantics.family import Family
from tests.semantics.language import (
    Json,
    Story,
    add,
    approve,
    branch,
    cancel,
    choose,
    each,
    fail,
    finish,
    fulfil,
    given,
    handler,
    lock,
    milestone,
    move,
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

__all__ = ["STORIES"]

COUNT = {"n": {"schema": {"type": "integer", "maximum": 5}, "initial": 0}}
OPEN = {"open": True, "within": "30d"}


# --- lists, targets, times -----------------------------------------------------------------------


def list_filled_and_closed() -> Story:
    joining = handler("joining", "joined", add("more", "p", "[event.data.k]", close="event.data.x"))
    document = saga(
        each("p", step("a", undo=True), **OPEN), step("z"), handlers=[joining],
    )  # fmt: skip
    story = given(document, {"id": "acme", "xs": ["k1"]}).done("a")
    return story.happens("joined", {"k": "k2", "x": True}).done("p[k2]/a")


def list_closed_by_what_holds() -> Story:
    two = parallel(
        "both",
        branch("one", each("p", step("a"), **OPEN, close_when="vars.n > 0")),
        branch("two", step("b"), put("count", n="1")),
    )
    return given(saga(two, step("z"), vars=COUNT), {"id": "acme", "xs": ["k1"]}).done("a").done("b")


def part_cancelled_and_part_finished() -> Story:
    """One is undone, the other kept; both parents go on."""
    gone = scope("gone", step("a", undo=True), wait("x", within="9d"))
    kept = scope("kept", step("b", undo=True), wait("y", within="9d"))
    stops = handler("stops", "enough", cancel("drop", "gone"), finish("keep", "kept"))
    both = parallel("both", branch("one", gone), branch("two", kept))
    story = given(saga(both, step("z"), handlers=[stops])).done("a").done("b")
    return story.happens("enough").undone("a")


def timer_moved() -> Story:
    """By a node, and by an update with an answer and a flow of its own."""
    later = update("later", step("told"), schema={}, move={"timer": "pause", "to": MUCH_LATER},
                   answer="deadline('pause')")  # fmt: skip
    nudged = handler("nudged", "nudge", move("on", "pause", "add_days(deadline('pause'), 1)"))
    document = saga(sleep("pause", "3d"), step("z"), handlers=[nudged], updates=[later])
    return given(document).happens("nudge").asks("later").done("told").after("4d")


MUCH_LATER = "add_days(deadline('pause'), 10)"


def part_undone_and_gone_on() -> Story:
    document = saga(step("a", undo=True), wait("w", within="9d"), undo("back", "a"), step("z"))
    return given(document).done("a").happens("w").undone("a")


def milestone_reached() -> Story:
    document = saga(
        parallel(
            "both",
            branch("one", milestone("ready", "vars.n > 0 && done('a')", within="9d"), step("z")),
            branch("two", step("a"), put("count", n="1")),
        ),
        vars=COUNT,
    )
    return given(document).done("a")


def loser_runs_on() -> Story:
    both = parallel(
        "p", branch("fast", step("a", undo=True)), branch("slow", step("b", undo=True), step("c")),
        join="any", losers="run_on",
    )  # fmt: skip
    return given(saga(both, step("z"))).done("a").done("b")


def branch_collected() -> Story:
    both = parallel(
        "p", branch("one", step("a", undo=True), step("b")), branch("two", step("c")),
        on_branch="collect",
    )  # fmt: skip
    return given(saga(both, step("z"))).done("a").failed("b").undone("a").done("c")


def race_won_and_node_skipped() -> Story:
    reply = race(
        "reply",
        {"name": "yes", "on": wait("signed"), "flow": [step("a")], "out": "7"},
        {"name": "no", "on": sleep("patience", "3d"), "flow": [fail("late", "late")]},
    )
    skipped = step("b", when="results.reply.branch == 'no'")
    size = choose("size", {"name": "big", "when": "false", "flow": []}, otherwise=[step("c")])
    document = saga(reply, skipped, size, fulfil(result="results.reply.out"))
    return given(document).happens("signed").done("a").done("c")


def rounds_undone() -> Story:
    rounds = repeat("r", step("a", undo=True), put("count", n="vars.n + 1"), until="vars.n > 1",
                    max=4)  # fmt: skip
    return given(saga(rounds, step("z"), vars=COUNT)).done("a").done("a").failed("z").undone("a")


def _trip() -> Story:
    """A scope that is done, and undone by a flow of its own."""
    back = [step("give_back", args={"what": "results.book"}), sleep("rest", "1h")]
    trip = scope("trip", step("book", undo=True), undo_flow=back)
    document = saga(step("a", undo=True), trip, step("last"))
    return given(document).done("a").done("book", 7)


def undone_by_a_flow() -> Story:
    return _trip().failed("last", "no").done("give_back")


def was_undone_by_a_flow() -> Story:
    return undone_by_a_flow().after("1h")


# --- people --------------------------------------------------------------------------------------


def _task() -> Story:
    called = [{"after": "1d", "to": "head"}]
    document = saga(task("look", "clerk", escalate=called, claim_lease="2h", within="9d"))
    return given(document)


def task_claimed_and_lost_again() -> Story:
    return _task().works("look", "claim", "ann", "clerk").after("2h")


def task_done_by_who_was_called() -> Story:
    story = _task().after("1d").works("look", "claim", "bo", "head")
    return story.works("look", "complete", "bo", "head", payload={"seen": True})


def _gated(**members: Json) -> Json:
    return step("pay", risk="R2", irreversible="accepted", unknown="ask", **members)


def decision_escalated() -> Story:
    ask = approve(
        "ok", _gated(), level="A2", within="3d", escalate=[{"after": "1d", "to": "board"}]
    )
    return given(saga(ask)).decides("ok", "hal", "function_head").after("1d")


def decision_amended() -> Story:
    ask = approve("ok", _gated(args={"n": SUM}), level="A2", subject="1", edit={"type": "integer"})
    story = given(saga(ask)).decides("ok", "hal", "function_head")
    story.decides("ok", "leo", "legal", answer="edit", payload=2)
    return story.decides("ok", "hal", "function_head")


SUM = "decisions.ok.decision == 'edit' ? decisions.ok.payload : 1"


def decision_stale() -> Story:
    """What it allowed has changed since: it is asked anew."""
    ask = approve("ok", step("first"), _gated(args={"n": "vars.n"}), level="A1")
    counts = handler("counts", "more", put("count", n="vars.n + 1"))
    story = given(saga(ask, vars=COUNT, handlers=[counts])).decides("ok", "mia", "manager")
    return story.happens("more").done("first")


# --- replies that are lost, late or contradict ---------------------------------------------------


def retried() -> Story:
    story = given(saga(step("a", retry={"attempts": 3, "jitter": 0}), step("b")))
    return story.answers("a", "transient").after("2s").started("a").lost("a").after("3s")


def late_reply() -> Story:
    story = given(saga(step("a", retry={"attempts": 3, "jitter": 0}), step("b")))
    story = story.started("a").lost("a").after("2s").late("a", attempt=1, result={"n": 1})
    return story.late("a", "failed", attempt=2, code="no")


def contradicted() -> Story:
    story = given(saga(step("a"), step("b"))).done("a", {"n": 1})
    return story.late("a", result={"n": 2})


def settled_by_a_person() -> Story:
    story = given(saga(step("a", unknown="ask"), step("b"))).started("a").lost("a")
    return story.control("settle", node="a", outcome="done", evidence=["letter"], result={"n": 1})


def debt_retried_and_settled() -> Story:
    story = given(saga(step("a", undo=True), step("b", undo=True), step("c")))
    story.done("a").done("b").failed("c").failed("b", "gone")
    (debt,) = story.w.now.debts
    story.control("retry", node=debt).failed("b", "gone")
    (debt,) = story.w.now.debts
    return story.control("settle", node=debt, outcome="done", evidence=["letter"])


# --- operators -----------------------------------------------------------------------------------


def paused() -> Story:
    """What comes meanwhile is recorded."""
    story = given(saga(step("a"), wait("w", within="9d"), step("b"))).control("pause")
    return story.happens("w").done("a")


def resumed() -> Story:
    return paused().control("resume")


def held() -> Story:
    return given(saga(step("a"), put("p", n="results.a.n"), step("b"), vars=COUNT)).done(
        "a", {"n": 9}
    )


def held_and_tried_again() -> Story:
    return held().control("retry")


def cancel_caught() -> Story:
    """A cancel that is caught still ends cancelled; another one is only recorded."""
    inner = scope(
        "s", step("a", undo=True), step("b"), on_failure=[on_failure("cancelled", step("c"))]
    )
    return given(saga(inner)).done("a").cancelled().cancelled()


# --- what others say: locks, throttles, children -------------------------------------------------


def lock_held() -> Story:
    """And what was done under it is undone under it."""
    document = saga(lock("held", step("cut", undo=True), max_hold="2h"), step("fold"))
    return given(document).done("cut").failed("fold")


def lock_waited_for() -> Kin:
    family = Family(saga(lock("held", step("cut", undo=True))))
    family.start("test", key="first")
    family.start("test")
    return Kin(family, "test")


def turn_waited_for() -> Kin:
    ring = step("ring", throttle={"name": "crm", "max": 1, "per": "1m"})
    family = Family(saga(ring))
    family.start("test", key="first")
    family.start("test")
    return Kin(family, "test")


def turn_given() -> Kin:
    told = turn_waited_for()
    told.family.pass_time(60_000_000)
    return told


def turn_refused() -> Story:
    """Too many wait: an operator has to try again."""
    throttle = {"name": "crm", "max": 1, "per": "1h"}
    story = given(saga(step("first", throttle=throttle), step("ring", throttle=throttle)))
    ((node, place),) = story.done("first").w.now.places.items()
    story.w.send(NoTurn(node, place.ask))
    return story


def _parent(*flow: Json, **members: Json) -> Family:
    node = {"node": "child", "name": "kid", "saga": "kid", "key": "input.id", "input": "input"}
    family = Family(
        saga(node | members, *flow, saga="mum"), saga(step("play", undo=True), saga="kid")
    )
    family.start("mum")
    return family


def child_asked_to_undo_itself() -> Kin:
    return Kin(_parent(step("after")).done("play", 7).failed("after", "no"), "mum")


def child_undoes_itself() -> Kin:
    return Kin(child_asked_to_undo_itself().family, "kid")


def child_undid_itself() -> Kin:
    return Kin(child_asked_to_undo_itself().family.done("undo play"), "mum")


def child_left_alone() -> Kin:
    return Kin(_parent(on_stop="leave", on_undo="none").control("mum", "cancel"), "mum")


def child_that_its_parent_needs_no_more() -> Kin:
    return Kin(_parent().done("play", 7), "kid")


STORIES: Stories = {
    f"kinds_{story.__name__}": story
    for story in (
        list_filled_and_closed, list_closed_by_what_holds, part_cancelled_and_part_finished,
        timer_moved, part_undone_and_gone_on, milestone_reached, loser_runs_on, branch_collected,
        race_won_and_node_skipped, rounds_undone, undone_by_a_flow, was_undone_by_a_flow,
        task_claimed_and_lost_again,
        task_done_by_who_was_called, decision_escalated, decision_amended, decision_stale, retried,
        late_reply, contradicted, settled_by_a_person, debt_retried_and_settled, paused, resumed,
        held, held_and_tried_again, cancel_caught, lock_held, lock_waited_for, turn_waited_for,
        turn_given, turn_refused, child_asked_to_undo_itself, child_undoes_itself,
        child_undid_itself,
        child_left_alone, child_that_its_parent_needs_no_more,
    )
}  # fmt: skip

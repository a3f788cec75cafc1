"""A definition from its start to its end, through a lane on a real store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest

from consumers.limits import LaneLimits
from domain.commitment import CommitmentSnapshot
from domain.ids import key_id, saga_key_id
from domain.ports import Asked
from domain.requests import (
    ControlRequest,
    DecideRequest,
    HeartbeatsRequest,
    RepliesRequest,
    StartsRequest,
)
from tests.integration.lane_places import Place, SqlitePlace
from tests.integration.lane_world import (
    ACTIVATE,
    CREATE,
    DAY_US,
    NORTH,
    OPERATOR,
    SECOND_US,
    SOUTH,
    WORKER,
    World,
    alias_of,
    claim_request,
    contract,
    reply_request,
    sale,
)

HEAD = Asked("north", "head", "human", ("approver",), ("function_head",))
LEGAL = Asked("north", "legal", "human", ("approver",), ("legal",))


@pytest.fixture
def world(place: Place) -> Iterator[World]:
    world = World(place)
    assert world.register(sale())["created"]
    yield world
    world.close()


def gated() -> dict[str, Any]:
    """The sale with an activation that two people must allow, and that cannot be undone."""
    document = sale()
    command = {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]}
    activate = contract("crm", command, {}, A="A2", R="R3", probe=True)
    step = {"node": "step", "name": "activate", "contract": ACTIVATE, "unknown": "probe",
            "args": {"id": "results.create.id"}, "irreversible": "pivot",
            "retry": {"attempts": 3}, "within": "3d"}  # fmt: skip
    approve = {"node": "approve", "name": "legal", "level": "A2", "within": "3d", "flow": [step]}
    create, wait, end = document["flow"]
    return {
        **document, "flow": [create, wait, approve, end],
        "contracts": {**document["contracts"], ACTIVATE: activate},
    }  # fmt: skip


def test_a_sale_runs_to_its_end(world: World) -> None:
    """Step, wait, end; what was stored folds to what was decided, after each restart too."""
    world.publish("applied")
    world.restart()
    (claim,) = world.claim()
    assert claim["args"] == {"company": "acme"}
    assert (claim["kind"], claim["started"], claim["lease_s"]) == ("do", True, 30.0)
    assert claim["token"].split(".")[0] == "1"
    world.restart()
    assert world.reply(claim) == {"effect": claim["effect"], "status": "recorded"}
    assert world.step()["waits_for"][0]["detail"] == "signed, key acme"
    world.restart()
    world.publish("signed")
    assert world.step()["status"] == "fulfilled"
    assert world.count("dispatches") == world.count("timers") == world.count("inbox") == 0
    assert world.topics(saga_key_id("north", "sale", "acme"))[-1] == "sagakey.run_ended"


def test_a_step_that_is_answered_offers_the_next_one_in_the_same_transaction(world: World) -> None:
    """A waiting claim gets it at once: one commit for answer, decision and claim."""
    document = sale(saga="twice")
    first, _, end = document["flow"]
    flow = [first, {**first, "name": "again"}, {**end, "result": "{}"}]
    world.register({**document, "flow": flow, "events": document["events"]})
    world.publish("applied", "acme")
    (claim,) = [c for c in world.claim() if c["saga"] == "twice"]
    commits = world.lane.counts.commits
    out = world.process(reply_request(claim), waiting=[claim_request(worker="w2")])
    ((index, answer),) = out.served
    assert index == 0
    assert [c["node"] for c in answer["claims"]] == ["again"]
    assert world.lane.counts.commits == commits + 1


def test_waiting_claims_are_served_in_order_and_only_with_their_work(world: World) -> None:
    """Who asks for another contract, or another tenant's work, gets nothing."""
    waiting = [
        claim_request("crm/other@1"),
        claim_request(who=SOUTH, worker="south"),
        claim_request(limit=1, worker="first"),
        claim_request(limit=5, worker="second"),
    ]
    south = replace(waiting[1], ask=replace(waiting[1].ask, tenant="south"))
    out = world.process(
        *[world.event("applied", c) for c in ("a", "b", "c")],
        waiting=[waiting[0], south, *waiting[2:]],
    )
    assert [(i, len(a["claims"])) for i, a in out.served] == [(2, 1), (3, 2)]


def test_the_wait_ends_at_its_time_and_what_was_done_is_undone(world: World) -> None:
    """By the timer alone; the undo gets what the step yielded."""
    world.publish("applied")
    world.work()
    due_us = world.lane.next_due_us()
    assert due_us == world.now_us + 14 * DAY_US
    world.later(14 * DAY_US - 2)
    assert world.step()["status"] == "waiting"
    world.later(1)
    assert world.step()["status"] == "compensating"
    (undo,) = world.claim()
    assert (undo["kind"], undo["args"]) == ("undo", {"account": {"id": 7}})
    world.reply(undo)
    assert world.step()["status"] == "compensated"
    assert world.lane.next_due_us() is None


def test_what_was_accepted_before_the_deadline_counts(world: World) -> None:
    """The lane was behind: the event lies in the inbox, its deadline has passed since."""
    world.publish("applied")
    world.work()
    world.lane.process([world.event("signed")], world.now_us + 14 * DAY_US - 1)
    world.later(15 * DAY_US)
    assert world.step()["status"] == "fulfilled"


def test_a_timer_that_is_due_goes_before_what_is_accepted_later(world: World) -> None:
    """The engine was down when the deadline passed."""
    world.publish("applied")
    world.work()
    world.now_us += 15 * DAY_US
    world.restart()
    world.publish("signed")
    assert world.step()["status"] == "compensating"


def test_timers_are_held_while_the_clock_is_in_doubt(world: World) -> None:
    """Nothing that waits for time happens; requests do."""
    world.publish("applied")
    world.work()
    world.now_us += 20 * DAY_US
    world.process(holds_timers=True)
    assert world.step()["status"] == "waiting"
    world.process()
    assert world.step()["status"] == "compensating"


def test_a_cancel_takes_back_what_nobody_started(world: World) -> None:
    """Withdrawn in the transaction of the cancel; a claim finds nothing."""
    world.publish("applied")
    answer = world.control("cancel")
    assert world.step()["status"] == "cancelled"
    assert answer["position"].startswith(f"1:{world.home()}:")
    assert world.claim() == []
    assert world.count("dispatches") == 0


def test_a_cancel_asks_a_worker_to_stop_and_waits_for_it(world: World) -> None:
    """The heartbeat says so; the answer still counts, and is undone."""
    world.publish("applied")
    (claim,) = world.claim()
    world.control("cancel")
    lease = {"effect": claim["effect"], "token": claim["token"]}
    beat = world.ask(HeartbeatsRequest(NORTH, WORKER, (lease,)))
    (told,) = beat["results"]
    assert (told["effect"], told["status"], told["cancelled"]) == (claim["effect"], "held", True)
    assert 0 < told["lease_s"] <= claim["lease_s"]
    world.reply(claim)
    (undo,) = world.claim()
    assert undo["kind"] == "undo"


def test_a_lost_lease_is_a_new_attempt_and_the_late_answer_still_counts(world: World) -> None:
    """The first done of any attempt settles the effect; what comes after is a repeat."""
    world.publish("applied")
    (first,) = world.claim()
    world.later(31 * SECOND_US)
    world.later(10 * SECOND_US)
    (second,) = world.claim()
    assert (second["attempt"], second["repeated"]) == (2, True)
    assert world.reply(first)["status"] in ("recorded", "late")
    assert world.step()["step"] == "signed"
    assert world.reply(second)["status"] == "repeated"
    assert world.count("dispatches") == 0


def test_answers_that_nobody_asked_for_are_fenced(world: World) -> None:
    """Another tenant's, an unknown commitment's, one without a commitment."""
    world.publish("applied")
    (claim,) = world.claim()
    assert world.reply(claim, who=SOUTH)["status"] == "fenced"
    strange = {**claim, "effect": "ab" * 32, "commitment": str(key_id("north", "x"))}
    assert world.reply(strange)["alias"] == "reply.fenced"
    nameless = {"effect": "ab" * 32, "attempt": 1, "token": "1.0.1.1", "kind": "do",
                "outcome": "done"}  # fmt: skip
    out = world.ask(RepliesRequest(NORTH, WORKER, (nameless,)))
    assert out["results"][0]["status"] == "fenced"
    assert world.reply(claim)["status"] == "recorded"


def test_an_answer_twice_in_one_batch_is_recorded_once(world: World) -> None:
    """The second finds the effect settled."""
    world.publish("applied")
    (claim,) = world.claim()
    answers: list[Any] = world.process(*[reply_request(claim)] * 2).answers
    first, second = (answer["results"][0]["status"] for answer in answers)
    assert (first, second) == ("recorded", "repeated")
    assert world.topics(world.id()).count("effect.done") == 1


def test_a_gated_step_waits_for_two_people_and_is_started_before_it_is_done(
    place: Place,
) -> None:
    """R3: reserved by the claim, started by asking, and recorded as started."""
    world = World(place)
    assert alias_of(world.register(gated())) == ""
    world.publish("applied")
    world.work()
    world.publish("signed")
    (approval,) = world.step()["approvals"]
    (digest,) = [
        orjson.loads(body)["digest"] for (body,) in world.rows("SELECT body FROM approvals")
    ]
    decide = DecideRequest(HEAD, world.id(), approval, "approve", digest)
    taken = world.ask(decide)
    assert (taken["status"], taken["by"], len(taken["missing"])) == ("seat_taken", "head", 1)
    assert alias_of(world.ask(decide)) in ("decision.twice", "decision.seat")
    changed = replace(decide, asked=LEGAL, digest="00")
    assert alias_of(world.ask(changed)) == "decision.changed"
    granted = world.ask(replace(decide, asked=LEGAL))
    assert granted["status"] == "granted"
    assert granted["recorded"] == f"1:{world.home()}:{world.lane.heads[world.home()]}"
    (claim,) = world.claim()
    assert claim["started"] is False
    item = {"effect": claim["effect"], "token": claim["token"]}
    ask = StartsRequest(NORTH, WORKER, (item, {**item, "token": "1.0.1.9"}))
    yes, no = world.ask(ask)["results"]
    assert (yes["status"], no["status"], no["alias"]) == ("started", "refused", "start.refused")
    assert world.topics(world.id())[-1] == "effect.started"
    world.ask(StartsRequest(NORTH, WORKER, (item,)))
    assert world.topics(world.id()).count("effect.started") == 1
    world.reply(claim, result={})
    assert world.step()["status"] == "fulfilled"
    world.close()


def test_a_control_needs_a_reason_and_a_commitment_of_ones_own(world: World) -> None:
    """Refusals of people are values with a code."""
    world.publish("applied")
    assert alias_of(world.control("explode")) == "control.unknown"
    assert alias_of(world.control("cancel", UUID(int=7))) == "http.not_found"
    south = replace(OPERATOR, tenant="south")
    foreign = ControlRequest(south, world.id(), "cancel", "mine")
    assert alias_of(world.ask(foreign)) == "http.not_found"
    assert alias_of(world.ask(ControlRequest(OPERATOR, world.id(), "cancel", " "))) == (
        "control.reason"
    )
    assert world.control("pause")["status"] == "paused"
    assert alias_of(world.control("pause")) == "state.says_no"


def test_later_messages_carry_the_correlation_of_the_start(world: World) -> None:
    """Replies, timers and what follows from them are one story."""
    world.publish("applied", correlationid="case-7")
    world.work()
    world.later(14 * DAY_US)
    contexts = [orjson.loads(event.state)["ctx"] for event in world.stored(world.id()).events]
    assert {ctx["correlation"] for ctx in contexts} == {"case-7"}
    assert contexts[-1]["actor"] == "troth"


def test_a_long_stream_has_a_snapshot_and_folds_to_the_same(place: Place) -> None:
    """From the snapshot and from the first event."""
    world = World(place, limits=LaneLimits(snapshot_every=2))
    world.register(sale())
    world.publish("applied")
    world.work()
    assert world.count("snapshots") == 3
    world.restart()
    world.publish("signed")
    snapshot: Any = world.folded(world.id())
    world.rows("DELETE FROM snapshots")
    whole: Any = world.folded(world.id())
    assert CommitmentSnapshot.take(whole).state == CommitmentSnapshot.take(snapshot).state
    assert world.step()["status"] == "fulfilled"
    world.close()


def test_the_cache_drops_what_was_not_used_for_long(place: Place) -> None:
    """A dropped stream is read again; the bound has a name."""
    world = World(place, limits=LaneLimits(streams_cached_max=3))
    world.register(sale())
    for number in range(6):
        world.publish("applied", f"c{number}")
    world.work()
    for number in range(6):
        world.publish("signed", f"c{number}")
    assert {world.step(f"c{n}")["status"] for n in range(6)} == {"fulfilled"}
    world.close()


def test_two_contracts_of_one_participant_are_told_apart(world: World) -> None:
    """A worker gets only what it said it serves."""
    world.publish("applied")
    assert world.claim(ACTIVATE) == []
    assert len(world.claim(CREATE)) == 1


def test_what_is_commanded_and_taken_back_at_once_in_doubt_is_looked_into(tmp_path: Path) -> None:
    """Of a store that was put back: the time it lost may have done it, under the same key."""
    world = World(SqlitePlace(tmp_path / "lane.db"))
    assert alias_of(world.register(gated())) == ""
    world.publish("applied")
    world.work()
    world.publish("signed")
    (approval,) = world.step()["approvals"]
    ((body,),) = world.rows("SELECT body FROM approvals")
    digest = orjson.loads(body)["digest"]
    decide = DecideRequest(HEAD, world.id(), approval, "approve", digest)
    world.ask(decide)
    until_us = world.now_us + 3_600_000_000
    world.rows("UPDATE store SET doubt_until_us = ? RETURNING 1", until_us)
    cancel = ControlRequest(OPERATOR, world.id(), "cancel", "because")
    world.process(replace(decide, asked=LEGAL), cancel)
    topics = world.topics(world.id())
    assert topics[topics.index("commitment.cancel_asked") :].count("effect.withdrawn") == 0
    assert "effect.unknown" in topics
    (probe,) = world.claim()
    assert probe["kind"] == "probe"
    world.close()

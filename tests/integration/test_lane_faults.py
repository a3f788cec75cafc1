"""Faults: one bad message, stream or row stops no other, and nothing acknowledged is lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from consumers.limits import LaneLimits
from consumers.recovery import SURVIVED_MAX
from domain.ids import key_id
from domain.messages import Answered, Control, Mail, Offer, Open, Wake
from domain.ports import LaneLost, LaneWrite, StoreConflict, StoreFailed
from domain.requests import ControlRequest
from tests.integration.lane_breakage import POISON, BrokenWorld, die_at, poisoned_core
from tests.integration.lane_places import Place
from tests.integration.lane_world import (
    DAY_US,
    NORTH,
    OPERATOR,
    World,
    alias_of,
    aliases,
    reply_request,
    sale,
)


@pytest.fixture
def world(place: Place) -> Iterator[World]:
    POISON.clear()
    world = World(place, make_core=poisoned_core)
    assert world.register(sale())["created"]
    yield world
    world.close()


def test_a_stream_whose_decide_raises_is_parked_and_its_neighbours_commit(world: World) -> None:
    """The event was accepted; what it causes waits, with the reason."""
    POISON.add(("bad", Open))
    companies = ("good", "bad", "fine")
    out = world.process(*[world.event("applied", c) for c in companies])
    assert aliases(out.answers) == ["", "", ""]
    assert [bool(world.step(c)) for c in companies] == [True, False, True]
    assert world.rows("SELECT tenant, reason, detail FROM parked_streams") == [
        ("north", "internal.fault", "ArithmeticError: bad cannot take it")
    ]
    assert world.rows("SELECT kind FROM inbox") == [("open",)]
    assert [action for action, _ in out.notes] == ["stream_parked"]
    assert world.lane.parked == (world.id("bad"),)


def test_what_follows_is_held_in_order_and_runs_when_it_is_released(world: World) -> None:
    """Across a restart; a control is told, an answer of a worker is recorded."""
    world.publish("applied")
    (claim,) = world.claim()
    POISON.add(("acme", Offer))
    world.publish("signed")
    world.reply(claim)
    assert world.step()["step"] == "signed"
    assert world.rows("SELECT kind FROM inbox ORDER BY id") == [("offer",)]
    world.publish("signed")
    assert alias_of(world.control("cancel")) == "internal.fault"
    world.restart()
    assert world.lane.parked == (world.id(),)
    assert alias_of(world.control("release", key_id("north", "x"))) == "control.target"
    POISON.clear()
    assert world.control("release")["status"] == "released"
    assert world.step()["status"] == "fulfilled"
    assert world.count("inbox") == world.count("parked_streams") == 0
    assert world.lane.parked == ()


def test_an_answer_for_a_parked_stream_is_held_and_recorded(world: World) -> None:
    """The worker did its part."""
    world.publish("applied")
    (claim,) = world.claim()
    POISON.add(("acme", Answered))
    assert world.reply(claim)["status"] == "recorded"
    assert world.reply(claim)["status"] == "recorded"
    POISON.clear()
    world.control("release")
    assert world.step()["step"] == "signed"
    assert world.topics(world.id()).count("effect.done") == 1


def test_a_stream_that_still_raises_is_parked_again(world: World) -> None:
    """Its mail stays, each try counted."""
    POISON.add(("bad", Open))
    world.publish("applied", "bad")
    for tries in (1, 2):
        world.control("release", world.id("bad"))
        assert world.rows("SELECT tries FROM inbox") == [(tries,)]
    assert world.lane.parked == (world.id("bad"),)


def test_a_stream_is_set_aside_and_released_in_one_round(world: World) -> None:
    """Whoever releases had seen it parked before; the store and the owner agree on what is."""
    POISON.add(("bad", Open))
    release = ControlRequest(OPERATOR, world.id("bad"), "release", "because")
    out = world.process(world.event("applied", "bad"), release)
    told: Any = out.answers[1]
    assert told["status"] == "released"
    assert world.count("parked_streams") == 1, "what was held ran again, and raised again"
    assert world.lane.parked == (world.id("bad"),)
    POISON.clear()
    assert world.control("release", world.id("bad"))["status"] == "released"
    assert world.step("bad")
    assert world.count("inbox") == world.count("parked_streams") == 0


def test_a_request_that_raises_is_refused_and_parks_nothing(world: World) -> None:
    """It was not acknowledged, and its stream can take everything else."""
    world.publish("applied")
    POISON.add(("acme", Control))
    assert alias_of(world.control("cancel")) == "internal.fault"
    assert world.count("parked_streams") == world.count("inbox") == 0
    world.work()
    assert world.step()["step"] == "signed"


def test_a_timer_that_raises_parks_its_stream_and_the_others_fire(world: World) -> None:
    """Its wake-up runs again after the release."""
    for company in ("bad", "good"):
        world.publish("applied", company)
    world.work()
    POISON.add(("bad", Wake))
    world.later(15 * DAY_US)
    assert [world.step(c)["status"] for c in ("bad", "good")] == ["waiting", "compensating"]
    commits = world.lane.counts.commits
    world.process()
    assert world.lane.counts.commits == commits
    POISON.clear()
    world.control("release", world.id("bad"))
    assert world.step("bad")["status"] == "compensating"


def test_a_parked_key_holds_events_up_to_its_bound(place: Place) -> None:
    """A stream that cannot be folded; a further event is refused before it is accepted."""
    world = World(place, limits=LaneLimits(parked_held_max=2))
    world.register(sale())
    world.publish("signed")
    stream = key_id("north", "acme")
    world.rows("UPDATE events SET topic = 'key.of_a_later_release' WHERE stream = ?", stream)
    world.restart()
    answers = [world.publish("signed") for _ in range(4)]
    assert aliases(answers) == ["", "", "bound.mailbox", "bound.mailbox"]
    assert world.count("inbox") == 2
    world.close()


def test_a_stream_is_released_by_its_own_tenant_only(world: World) -> None:
    """Another one is told that there is nothing."""
    world.publish("applied")
    world.work()
    POISON.add(("acme", Offer))
    world.publish("signed")
    foreign = ControlRequest(replace(OPERATOR, tenant="south"), world.id(), "release", "mine")
    assert alias_of(world.ask(foreign)) == "control.target"
    assert alias_of(world.ask(replace(foreign, asked=OPERATOR, reason=" "))) == "control.reason"
    assert world.lane.parked == (world.id(),)


def test_a_reply_from_elsewhere_is_not_held_for_a_parked_stream(world: World) -> None:
    """What its own worker answers is."""
    world.publish("applied")
    (claim,) = world.claim()
    POISON.add(("acme", Answered))
    assert world.reply(claim)["status"] == "recorded"
    assert world.lane.parked == (world.id(),)
    held = world.count("inbox")
    assert world.reply(claim, who=replace(NORTH, tenant="south"))["status"] == "fenced"
    assert world.count("inbox") == held


def test_a_reply_by_a_key_for_everybody_is_held_as_of_the_tenant_of_its_stream(
    world: World,
) -> None:
    """No row of work says whose it is, after a restore for example."""
    world.publish("applied")
    (claim,) = world.claim()
    POISON.add(("acme", Answered))
    of_the_lost_time = {**claim, "effect": "0" * 64}
    for one in (claim, of_the_lost_time):
        assert world.reply(one, who=replace(NORTH, tenant="*"))["status"] == "recorded"
    assert world.rows("SELECT tenant FROM inbox") == [("north",), ("north",)]
    POISON.clear()
    world.control("release")
    assert world.step()["step"] == "signed"


# --- much at once, and unclean ends ---------------------------------------------------------------


def test_more_mail_than_a_transaction_takes_waits_in_the_inbox(place: Place) -> None:
    """It is applied before later requests; nothing is lost over a restart."""
    world = World(place, limits=LaneLimits(mail_per_batch_max=3))
    world.register(sale())
    out = world.process(*[world.event("applied", f"c{n}") for n in range(10)])
    assert aliases(out.answers) == [""] * 10
    assert world.count("current_steps") == 10
    assert world.count("inbox") == 0
    assert world.lane.counts.commits > 5
    world.close()


def with_mail(place: Place, *companies: str) -> World:
    """What opens these commitments lies in the inbox, untried."""
    world = World(place, make_core=poisoned_core)
    POISON.clear()
    world.register(sale())
    for company in companies:
        POISON.add((company, Open))
        world.publish("applied", company)
    POISON.clear()
    world.rows("DELETE FROM parked_streams")
    return world


def test_mail_found_at_the_start_is_tried_singly_and_counted(place: Place) -> None:
    """It may be why the last owner died: after three tries its stream is parked."""
    world = with_mail(place, "killer", "calm")
    world.rows("UPDATE inbox SET tries = 3 WHERE stream = ?", world.id("killer"))
    world.restart()
    world.process()
    assert world.step("calm")["step"] == "create"
    assert world.lane.parked == (world.id("killer"),)
    assert world.count("inbox") == 1
    world.close()


def test_a_crash_in_the_middle_leaves_the_try_counted(place: Place) -> None:
    """The count is committed before the message is applied."""
    world = with_mail(place, "killer")
    world.restart()
    broken = BrokenWorld(world)
    broken.word = b"killer"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(broken, "check", die_at(broken.word))
        with pytest.raises(KeyboardInterrupt):
            world.process()
    world.restart()
    assert world.rows("SELECT tries FROM inbox") == [(1,)]
    world.process()
    assert world.step("killer")["step"] == "create"
    world.close()


def found_at_the_start(place: Place, ends: list[Exception]) -> World:
    """Mail lies there when the process begins; each try to apply it ends in one of these."""
    world = with_mail(place, "calm")
    world.restart()

    def check(write: LaneWrite) -> None:
        if write.events and ends:
            raise ends.pop()

    BrokenWorld(world).check = check
    return world


@pytest.mark.parametrize(
    "end",
    [LaneLost("epoch 2"), StoreConflict("first"), StoreFailed("store.gone", "closed")],
    ids=["lane lost", "conflict", "database gone"],
)
def test_a_try_that_the_process_outlived_is_taken_back(place: Place, end: Exception) -> None:
    """Nobody died of it: no innocent stream waits for an operator after a bad night."""
    ends = [end] * SURVIVED_MAX
    world = found_at_the_start(place, ends)
    for _ in range(SURVIVED_MAX + 1):
        world.process()
    assert ends == []
    assert world.lane.parked == ()
    assert world.step("calm")["step"] == "create"
    assert world.count("inbox") == 0
    world.close()


def test_mail_to_which_a_full_round_did_not_come_counts_as_untried(place: Place) -> None:
    """It is not set aside for deaths over other mail, nor taken singly from then on."""
    world = with_mail(place, "c1", "c2", "c3", "c4")
    world.limits = LaneLimits(mail_per_batch_max=1)
    world.restart()
    counted: list[int] = []

    def check(write: LaneWrite) -> None:
        counted.append(len(write.inbox_tried))
        if counted.count(0) and write.inbox_tried:
            raise KeyboardInterrupt

    BrokenWorld(world).check = check
    with pytest.raises(KeyboardInterrupt):
        world.process()
    assert counted[0] == 4
    assert 0 < counted[-1] < 4
    assert {tries for (tries,) in world.rows("SELECT tries FROM inbox")} == {0}
    world.close()


def test_mail_over_which_the_lane_is_lost_every_time_is_set_aside_in_the_end(place: Place) -> None:
    """It may take longer than the lane is ours, and others wait behind it."""
    ends: list[Exception] = [LaneLost("epoch 2")] * 99
    world = found_at_the_start(place, ends)
    tries_max = world.limits.tries_max
    notes = [note for _ in range(SURVIVED_MAX + tries_max) for note in world.process().notes]
    assert world.lane.parked == (world.id("calm"),)
    told = [what["detail"] for action, what in notes if action == "stream_parked"]
    assert told == [f"tried {tries_max} times without an end"]
    assert len(ends) == 99 - SURVIVED_MAX - tries_max
    ends.clear()
    world.control("release", world.id("calm"))
    assert world.step("calm")["step"] == "create"
    world.close()


def test_more_timers_than_a_transaction_takes_all_fire_before_requests(place: Place) -> None:
    """And what is accepted later is not applied before them."""
    limits = LaneLimits(timers_per_batch_max=2, sweep_per_batch_max=2)
    world = World(place, limits=limits)
    world.register(sale())
    companies = [f"c{n}" for n in range(7)]
    for company in companies:
        world.publish("applied", company)
    world.work()
    world.now_us += 15 * DAY_US
    world.process(*[world.event("signed", c) for c in companies])
    assert {world.step(c)["status"] for c in companies} == {"compensating"}
    world.close()


def test_a_due_wake_up_that_changes_nothing_does_not_turn_in_a_circle(world: World) -> None:
    """It is looked at again a second later."""
    world.publish("applied")
    world.work()
    stale_us = world.now_us + 5
    world.rows("UPDATE timers SET due_us = ?", stale_us)
    world.restart()
    world.later(10)
    assert world.step()["status"] == "waiting"
    due_us = world.lane.next_due_us()
    assert due_us is not None
    assert due_us > stale_us + 1


def test_mail_of_this_lane_is_data_that_can_be_stored(world: World) -> None:
    """What waits in the inbox reads back as it was sent."""
    reply = reply_request({"effect": "ab" * 32, "attempt": 1, "token": "1.0.1.1", "kind": "do",
                           "commitment": str(world.id()), "contract": "x"})  # fmt: skip
    assert reply.asked == NORTH
    message = Answered("ab", 1, "1.0.1.1", "do", "done", "w", {"id": 1})
    mail = Mail(world.id(), "north", message, NORTH.ctx(correlation="c", causation=None), 5, 9)
    tx = world.store.begin(world.store.belief(world.home()))
    tx.write(LaneWrite(inbox=[mail]), clock_us=1)
    assert tx.inbox(10)[0].item == mail
    tx.rollback()
    assert OPERATOR.tenant == "north"

"""How a walk ends, and what must hold then: nothing stands, nothing is open, all is known."""

from __future__ import annotations

from random import Random

from domain import events as ev
from domain.state import in_flight, is_under
from tests.semantics.world import fold, from_snapshot, state_of
from tests.simulation.judge import Violation
from tests.simulation.observer import Shadow
from tests.simulation.undone import check_undone, stays_since
from tests.simulation.walks.people import People
from tests.simulation.walks.town import Town
from tests.simulation.walks.workers import Workers

__all__ = ["check_end", "last_words", "towards_the_end"]

_OPEN = ("timers", "subs", "children", "places", "stops", "undoing", "locks")


def towards_the_end(town: Town, workers: Workers, people: People, rng: Random) -> bool:
    """Somebody does what is asked of them; False when all is over and nothing is owed."""
    c = town.now
    if town.post:
        town.deliver(next(iter(town.post)))
    elif c.is_over and not c.debts:
        return False
    elif c.paused:
        people.control("resume")
    elif town.dispatches:
        _work(town, workers, rng)
    elif town.kids:
        town.kid_says(next(iter(town.kids)), "fulfilled")
    elif town.revoking:
        town.kid_undoes(next(iter(town.revoking)))
    elif town.rivals:
        town.give_back(next(iter(town.rivals)))
    elif c.debts:
        _pay(town, people, next(iter(c.debts)), rng)
    elif people.unknown:
        workers.settle(*people.unknown[0], rng)
    elif people.asked:
        people.decide("approve", rng)
        if people.asked:
            _wait(town)
    elif town.due_us is not None:
        _wait(town)
    elif any(i.task for i in c.nodes.values()):
        people.work(rng)
    else:
        town.arrive(rng.choice(["ping", "poke"]))
    return True


def _work(town: Town, workers: Workers, rng: Random) -> None:
    d = next(iter(town.dispatches.values()))
    if d.effect not in town.started:
        if not workers.begin(d):
            workers.sweep()
    elif rng.random() < 0.05:
        workers.reply(d, rng.choice(workers.outcomes(d)), rng)
    else:
        workers.reply(d, "done", rng)


def _pay(town: Town, people: People, debt: str, rng: Random) -> None:
    if rng.random() < 0.3:
        people.control("retry", debt)
    else:
        people.settle(debt)
    if debt in town.now.debts and not town.dispatches and not town.post:
        _wait(town)


def _wait(town: Town) -> None:
    if town.due_us is not None:
        town.pass_time(town.due_us)


def last_words(town: Town, workers: Workers, people: People, rng: Random) -> None:
    """What is held still is answered after the end, and what is owed for it is put right."""
    for d in workers.late():
        if rng.random() < 0.5:
            workers.reply(d, rng.choice(["done", "done", "failed"]), rng)
    for debt in list(town.now.debts):
        people.settle(debt)


def check_end(town: Town, workers: Workers) -> None:
    """Raises Violation for a commitment that is over, with all late words said."""
    c = town.now
    if c.debts:
        raise Violation("ends", f"it is {c.status}, and owes {list(c.debts)}")
    if state_of(fold(town.events)) != state_of(c):
        raise Violation("log", "the events fold to another state")
    if state_of(from_snapshot(c)) != state_of(c):
        raise Violation("cache", "by way of its snapshot it has another state")
    if [e.originator_version for e in town.events] != list(range(1, len(town.events) + 1)):
        raise Violation("versions", "they have gaps")
    events = [(0, event) for event in town.events]
    # The oracle of undoing has judged the order, which is more than one list after the other here.
    shadow = Shadow(state=c, events=events)
    check_undone(town.d, shadow, in_order=False)
    _nothing_is_open(town)
    _nothing_stands(town, stays_since(town.d, shadow))
    _all_is_known(town, workers)


def _nothing_is_open(town: Town) -> None:
    c = town.now
    for name in _OPEN:
        if found := getattr(c, name):
            raise Violation("ends", f"{name} after the end: {list(found)}")
    if any(in_flight(effect) for effect in c.effects.values()):
        raise Violation("ends", "an effect is in flight after the end")
    own = str(c.id)
    for lock in town.locks.values():
        if any(claim.commitment == own for claim in (*lock.holders, *lock.queue)):
            raise Violation("ends", f"lock {lock.lock} is kept for it")
    if any(throttle.queue for throttle in town.throttles.values()):
        raise Violation("ends", "a throttle keeps a place for it")
    for key in town.keys.values():  # None where it was asked in vain, and nothing happened
        if key is not None and any(subscriber.waits for subscriber in key.subscribers.values()):
            raise Violation("ends", "a key still offers events to it")


def _nothing_stands(town: Town, since: int | None) -> None:
    """What was done and could be undone is undone, sealed, owed or replaced, or all went well.

    `since` then what is done stays: in a clause of the root that caught the cancel.
    """
    if town.now.status == "fulfilled":
        return
    undo = town.watch.undo
    gone = {*undo.undone, *(node for _, node in undo.debts.values())}
    done: set[str] = set()
    replaced: list[str] = []
    for event in town.events:
        match event:
            case ev.EffectDone() if event.kind == "do" and event.undo:
                if since is None or event.originator_version <= since:
                    done.add(event.node)
            case ev.UndoSealed():
                gone |= {*event.dropped}
            case ev.UndoReplaced():
                replaced.append(event.node)
            case _:
                pass
    stands = {p for p in done - gone if not any(is_under(p, node) for node in replaced)}
    if stands:
        raise Violation("undone", f"it is {town.now.status}, and {', '.join(sorted(stands))} stand")


def _all_is_known(town: Town, workers: Workers) -> None:
    """Of what happened there is an event, unless whoever did it has not said so yet; and back."""
    told = {d.effect for d in workers.held.values()}
    for event in town.events:
        if isinstance(event, ev.EffectDone) and event.effect not in workers.acted:
            raise Violation("books", f"{event.kind} {event.node} is done, and nobody did it")
        match event:
            case ev.EffectDone() | ev.EffectContradicted() | ev.EffectFailed() | ev.EffectLate():
                told.add(event.effect)
            case ev.EffectProbed():
                told.add(event.effect)
            case ev.DebtOpened() if event.effect:
                told.add(event.effect)
            case _:
                pass
    for key in workers.acted:
        if key not in told:
            raise Violation("all told", f"{key[:8]} happened, and nobody knows")

"""What can happen next to a commitment: every outcome, event, decision, and time that may pass.

Time is not measured here. Of the timers that run any may be the next to fire, whatever was set
first: that is more than can happen, so what holds for all these runs holds for the real ones. The
clock itself stands still, which is what lets the same futures be found to be the same. An event
that comes early is one that comes just when its wait has opened, so none comes before that. Seats
are taken in their order: to take one reads and writes nothing of another, so all orders lead to
the same question with the same seats taken, and a no of any seat is a no.

**Starts.** That a worker begins is a move of its own only in a full search. The engine decides on
every message to an effect alike whether it was begun or not, but for two that come to none that
was: nobody started it, and it is withdrawn. So what may become of one that was begun may become of
it before too, with the same decisions: the start itself need not be looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from domain import messages as msg
from domain.commitment import Commitment
from domain.ids import commitment_id
from domain.seats import missing_seats
from domain.state import Asked, Effect, Instance, in_flight, template_of
from sagas.decide.effects import is_pivot
from sagas.definition import Definition, Handler, Node
from sagas.explore.awaited import may_be_late
from sagas.explore.samples import Samples

__all__ = ["CANCEL", "LATE", "Bounds", "Move", "Moves"]

Json = Any
TOKEN = "1.1.1.1"  # noqa: S105  the token of a dispatch, not a secret
CANCEL = "cancel"
LATE = "late answers"
SYSTEM, PERSON, TIME, EVENTS = "troth", "person", "time", "events"


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far the exploration goes; what a definition allows beyond it is not looked at.

    `attempts` of a step or undo, `rounds` of a repeat, `runs` of a handler, `updates` of each kind
    in one run, `beside`: runs of handlers and updates in the scopes that are open, `items` of a
    list in the data, `values` of one schema, `collected` events of one wait, `retried_debts` and
    `late` answers, of attempts that were given up, in one run; `states` in all.
    """

    attempts: int = 2
    rounds: int = 2
    runs: int = 1
    updates: int = 1
    beside: int = 2
    items: int = 2
    values: int = 8
    collected: int = 2
    retried_debts: int = 1
    late: int = 1
    states: int = 60_000


@dataclass(frozen=True, slots=True)
class Move:
    """One thing that happens: `who` says what to the commitment, in words and as its message.

    `timer` is made due before the message, the decision on the step `stale` out of date; `use` is
    counted against a bound. `agent` is the effect that it is about, where it is about one alone.
    """

    who: str
    text: str
    message: msg.Message
    timer: str | None = None
    use: str | None = None
    agent: str | None = None
    stale: str | None = None


class Moves:
    """Lists what can happen, in an order that never changes."""

    def __init__(
        self, d: Definition, samples: Samples, bounds: Bounds, *, is_reduced: bool = False
    ) -> None:
        self.d = d
        self.is_reduced = is_reduced
        self.samples = samples
        self.bounds = bounds
        self.reached: set[str] = set()
        """What was left out because of a bound, in words."""

    def of(self, c: Commitment, used: Mapping[str, int]) -> Iterator[Move]:
        """All moves of a commitment that is not over; `used` counts what is bounded."""
        for key, effect in c.effects.items():
            if in_flight(effect):
                yield from self._effect(c, key, effect, used)
        yield from self.late(c, used)
        for path, instance in c.nodes.items():
            if instance.asked is not None and not instance.branch:
                yield from self._decisions(path, instance.asked)
            elif instance.task is not None:
                yield from self._task(path, instance)
        yield from self._events(c)
        yield from self._children(c)
        for path, hold in c.locks.items():
            if hold.fence is None:
                text = f"lock {hold.lock} is granted to {path}"
                yield Move(SYSTEM, text, msg.Granted(path, hold.ask, 1))
        for path, place in c.places.items():
            yield Move(SYSTEM, f"it is the turn of {path}", msg.YourTurn(path, place.ask))
            yield Move(SYSTEM, f"too many wait before {path}", msg.NoTurn(path, place.ask))
        yield from self._revoked(c)
        yield from self._updates(c, used)
        yield from self._debts(c, used)
        yield from (self._due(timer) for timer in c.timers)
        yield Move(PERSON, CANCEL, msg.Control("cancel", "operator", "explored"))

    def retry(self, c: Commitment) -> Move | None:
        """The next attempt of an effect that waits for it, if nothing can tell when it begins."""
        for timer in c.timers:
            path, _, name = timer.rpartition(":")
            if name == "undo_retry" or (name == "retry" and not is_pivot(self._node(path))):
                return self._due(timer)
        return None

    def _due(self, timer: str) -> Move:
        path, _, name = timer.rpartition(":")
        text, agent = f"{name} of {path or 'the saga'} is due", path if "retry" in name else None
        return Move(TIME, text, msg.Wake(0), timer=timer, agent=agent)

    def _left(self, bound: str, what: str) -> None:
        """Something was left out because of a bound."""
        self.reached.add(f"{what}: {getattr(self.bounds, bound)} ({bound})")

    # --- effects -----------------------------------------------------------------------------

    def _effect(
        self, c: Commitment, key: str, effect: Effect, used: Mapping[str, int]
    ) -> Iterator[Move]:
        if effect.state == "unknown":
            yield from self._unknown(c, key, effect)
        elif effect.state == "started" or (effect.state == "offered" and effect.kind == "undo"):
            yield from self._outcomes(key, effect)
        elif effect.state == "offered":
            if self.is_reduced:
                yield from self._outcomes(key, effect)
            else:
                yield self._said(effect, "starts", msg.Started(key, effect.attempt, TOKEN, "w"))
            if effect.stop:
                text = f"{effect.node} is withdrawn before anybody starts it"
                yield Move(SYSTEM, text, msg.Withdrawn(key), agent=effect.node)
            lost = msg.NotStarted(key, effect.attempt, effect.kind, "within")
            yield Move(TIME, f"nobody starts {effect.node} in time", lost, agent=effect.node)
            use = f"stale {template_of(effect.node)}"
            if effect.not_after_us is not None and not used.get(use):
                stale = msg.NotStarted(key, effect.attempt, effect.kind, "not_after")
                text = f"the decision for {effect.node} is over before anybody starts"
                yield Move(TIME, text, stale, use=use, agent=effect.node, stale=effect.node)

    def _said(self, effect: Effect, what: str, message: msg.Message) -> Move:
        kind = "undo of " if effect.kind == "undo" else ""
        text = f"{kind}{effect.node} {what}"
        return Move(effect.participant, text, message, agent=effect.node)

    def _answer(self, key: str, effect: Effect, outcome: str, **more: Json) -> msg.Answered:
        kind = more.pop("kind", effect.kind)
        return msg.Answered(key, effect.attempt, TOKEN, kind, outcome, "w", **more)

    def _results(self, effect: Effect) -> list[Json]:
        if effect.kind == "undo":
            return [None]
        contract = self.d.contracts[effect.contract]
        name = template_of(effect.node)
        return self.samples.of_node(
            contract.result, f"the result of {name}", name.rpartition("/")[2]
        )

    def _outcomes(self, key: str, effect: Effect) -> Iterator[Move]:
        """Done with each result, failed with each code, transient, unknown, and no reply."""
        contract = self.d.contracts[effect.contract]
        for result in self._results(effect):
            done = self._answer(key, effect, "done", result=result)
            yield self._said(effect, f"is done{_shown(result)}", done)
        codes = contract.failures or (("refused",) if effect.kind == "undo" else ())
        for code in codes:
            failed = self._answer(key, effect, "failed", code=code)
            yield self._said(effect, f"fails: {code}", failed)
        yield self._said(effect, "fails for now", self._answer(key, effect, "transient"))
        lost = msg.Lost(key, effect.attempt, effect.kind, "timeout")
        yield self._said(effect, "gives no reply", lost)

    def _unknown(self, c: Commitment, key: str, effect: Effect) -> Iterator[Move]:
        if effect.next == "probe":
            if f"{effect.node}:probe_retry" in c.timers:
                return
            for result in self._results(effect):
                there = self._answer(key, effect, "present", result=result, kind="probe")
                yield self._said(effect, f"is found to be done{_shown(result)}", there)
            for answer, words in (("absent", "is not done"), ("cannot_tell", "cannot be told")):
                said = self._answer(key, effect, answer, kind="probe")
                yield self._said(effect, f"{words}, says its probe", said)
            lost = msg.Lost(key, effect.attempt, "probe", "timeout")
            yield self._said(effect, "is probed, without a reply", lost)
            return
        for result in self._results(effect):
            yield self._settled(effect, "done", result)
        yield self._settled(effect, "not_done", None)

    def _settled(self, effect: Effect, outcome: str, result: Json) -> Move:
        said = msg.Control("settle", "operator", "looked", effect.node, outcome, result, "a file")
        text = f"settles {effect.node}: {outcome.replace('_', ' ')}{_shown(result)}"
        return Move(PERSON, text, said, agent=effect.node)

    def late(self, c: Commitment, used: Mapping[str, int]) -> Iterator[Move]:
        """A done of an attempt that was given up: while its effect goes on, and when it is over.

        It is no agent's own: what it enters to be undone comes into a list that others are in.
        """
        for key, effect in c.effects.items():
            if not may_be_late(c, effect):
                continue
            if used.get(LATE, 0) >= self.bounds.late:
                self._left("late", "answers that come late in a run")
                continue
            for result in self._results(effect)[:1]:
                done = self._answer(key, effect, "done", result=result)
                said = self._said(effect, f"is done after all{_shown(result)}", done)
                yield replace(said, agent=None, use=LATE)

    # --- people ------------------------------------------------------------------------------

    def _decisions(self, path: str, asked: Asked) -> Iterator[Move]:
        seat = missing_seats(asked)[0].split(" or ")[0]
        by = f"{seat}-{len(asked.seats) + 1}"

        def say(answer: str, **more: Json) -> Move:
            message = msg.Decide(
                asked.approval, answer, asked.digest, by, "human", (seat,), "because", **more
            )
            return Move(PERSON, f"{by}: {answer} {path}", message)

        yield say("approve")
        yield say("reject")
        edit = self._node(asked.gate).doc.get("edit")
        if edit is not None and asked.payload is None:
            for payload in self._yields(edit, "the edit", path)[:1]:
                yield say("edit", payload=payload)

    def _task(self, path: str, instance: Instance) -> Iterator[Move]:
        task = instance.task
        assert task is not None
        common = (task.id, (task.roles[0],))

        def act(action: str, payload: Json = None) -> Move:
            number, seats = common
            message = msg.TaskAct(number, action, "worker", "human", seats, payload)
            return Move(PERSON, f"{action}s {path}{_shown(payload)}", message)

        if task.by is None:
            yield act("claim")
            return
        form = self._node(path).doc.get("form")
        values = [None] if form is None else self._yields(form, "the form", path)
        for payload in values:
            yield act("complete", payload)

    def _debts(self, c: Commitment, used: Mapping[str, int]) -> Iterator[Move]:
        for number, debt in c.debts.items():
            node = None if not debt.node else self._node(debt.node)
            result = None
            if debt.kind == "forward" and node is not None and node.contract is not None:
                result = self._yields(node.contract.result, "the result", debt.node)[0]
            settle = msg.Control("settle", "operator", "by hand", number, "done", result, "a file")
            agent = debt.node if debt.kind == "undo" else None
            yield Move(PERSON, f"settles debt {debt.node}", settle, agent=agent)
            use = "retried debts"
            if debt.kind == "contradicted":
                continue
            if used.get(use, 0) >= self.bounds.retried_debts:
                self._left("retried_debts", "debts that are retried in a run")
            else:
                again = msg.Control("retry", "operator", "again", number)
                yield Move(PERSON, f"retries debt {debt.node}", again, use=use, agent=agent)

    def _updates(self, c: Commitment, used: Mapping[str, int]) -> Iterator[Move]:
        if self.d.updates and sum(c.runs.values()) >= self.bounds.beside:
            self._left("beside", "handlers and updates that run in one scope")
            return
        for update in self.d.updates:
            use = f"update {update.name}"
            if used.get(use, 0) >= self.bounds.updates:
                self._left("updates", f"updates {update.name} in a run")
                continue
            schema = self._update_doc(update.name)["schema"]
            what = f"the arguments of {update.name}"
            for args in self.samples.of_node(schema, what, update.name):
                message = msg.Update(update.name, f"u{used.get(use, 0)}", "client", args)
                yield Move(PERSON, f"update {update.name}{_shown(args)}", message, use=use)

    def _update_doc(self, name: str) -> Json:
        owners = (self.d.root, *self.d.by_name.values())
        return next(u for o in owners for u in o.doc.get("updates", ()) if u["name"] == name)

    # --- others ------------------------------------------------------------------------------

    def _events(self, c: Commitment) -> Iterator[Move]:
        seen: set[tuple[str, str]] = set()
        for path, sub in c.subs.items():
            for type_ in sub.types:
                if (sub.key, type_) in seen or not self._may_take(c, path):
                    continue
                seen.add((sub.key, type_))
                for data in self._data(type_, sub.key):
                    event = {"id": "e", "source": "explored", "type": type_, "data": data,
                             "time": "2026-01-07T10:00:00Z"}  # fmt: skip
                    position = max((0, *c.taken.get(sub.key, ()))) + 1
                    offer = msg.Offer(sub.key, position, event, c.clock_us)
                    yield Move(EVENTS, f"event {type_}{_shown(data)}", offer)

    def _data(self, type_: str, key: str) -> list[Json]:
        spec = self.d.events.get(type_)
        if spec is None:
            return [{}]
        values = self.samples.of_event(spec.schema, type_)
        return [{**data, spec.key: key} if spec.key in data else data for data in values]

    def _may_take(self, c: Commitment, path: str) -> bool:
        found = self.d.by_template[template_of(path)]
        if not isinstance(found, Handler):
            is_left = len(c.nodes[path].events) >= self.bounds.collected
            if is_left:
                self._left("collected", f"events that {found.name} collects")
            return not is_left
        if not found.interrupt and sum(c.runs.values()) >= self.bounds.beside:
            self._left("beside", "handlers and updates that run in one scope")
            return False
        is_left = c.runs.get(path, 0) + len(c.queues.get(path, ())) >= self.bounds.runs
        if is_left and self.bounds.runs < found.max:
            self._left("runs", f"runs of {found.name}")
        return not is_left

    def _children(self, c: Commitment) -> Iterator[Move]:
        for path, child in c.children.items():
            name = str(commitment_id(c.tenant, child.saga, child.key, 1))
            error = {"class": "business", "code": "no", "message": "no"}

            def over(status: str, result: Json = None, error: Json = None, *,
                     at: str = path, ask: int = child.ask, name: str = name,
                     saga: str = child.saga) -> Move:  # fmt: skip
                message = msg.ChildOver(at, ask, status, name, result, error)
                return Move(f"saga {saga}", f"{at} ends {status}{_shown(result)}", message)

            if child.id is None:
                started = msg.ChildStarted(path, child.ask, name, 1, 1)
                yield Move(f"saga {child.saga}", f"{path} begins", started)
                yield over("conflict", error=error)
                if child.stop:
                    yield over("cancelled", error=error)
            else:
                for result in self._of_child(path):
                    yield over("fulfilled", result)
                yield over("failed", error=error)
                yield over("cancelled", error=error)

    def _revoked(self, c: Commitment) -> Iterator[Move]:
        """A child that is to undo itself does so, or says that it cannot."""
        for path, entry in c.entries.items():
            if entry.child is None or entry.state == "open":
                continue
            error = {"class": "business", "code": "cancel.past_pivot", "message": "", "node": ""}
            for status, why in (("revoked", None), ("refused", error)):
                if status == "revoked" or entry.state == "undoing":
                    message = msg.ChildRevoked(path, entry.child, status, why)
                    yield Move(f"child {path}", f"is {status}", message, agent=path)

    def _of_child(self, path: str) -> list[Json]:
        schema = self._node(path).doc.get("result")
        return [None] if schema is None else self._yields(schema, "the result", path)

    def _yields(self, schema: Json, what: str, path: str) -> list[Json]:
        name = template_of(path)
        return self.samples.of_node(schema, f"{what} of {name}", name.rpartition("/")[2])

    def _node(self, path: str) -> Node:
        found = self.d.by_template[template_of(path)]
        assert isinstance(found, Node), path
        return found


SHOWN_MAX = 60
"""Characters of a value that a line shows."""


def _shown(value: Json) -> str:
    if value is None:
        return ""
    text = repr(value)
    return f" {text if len(text) <= SHOWN_MAX else text[: SHOWN_MAX - 1] + '…'}"

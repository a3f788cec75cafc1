"""The search: every state of a commitment that its moves lead to, breadth first.

**Partial order.** While the whole commitment is undone nothing else goes on in it: handlers,
updates and deadlines of a part that undoes are off, a cancel changes nothing, and no undo is ever
stopped. The undos that are commanded at one time lie in different branches or items; each move of
one of them reads and writes its own effect, entry and debt only, and what comes after it in its own
list. So moves of two such undos commute, none disables another, and what is asked of the runs (each
list in order, all of it in the end) never compares two of these lists. While the whole commitment
stops, and only effects that lie in different branches or items are awaited, the same holds of what
settles them: each makes its own entry, or none. It is enough to look at the moves of one of them at
each state (a persistent set). The one condition left is that no other is put off for ever: where
one of these moves leads to a state that was seen before, all are looked at. A cancel is tried at
each state, also where it must change nothing, and an answer that may come late lets none be left
out. (P. Godefroid, Partial-Order Methods for the Verification of Concurrent Systems, 1996.)

Of effects beside each other that go forward every order is looked at: a cancel, a deadline or an
event that stops them all may come at each point, and what it stops is another thing each time. What
is left out there is what these states no longer read (`alive`).

**Next attempts.** One that is waited for begins at once. Whatever comes while an effect waits may
come after it was offered again, with the same decisions: done late it is done, and stopped it ends
as the failure before it, as it does when it is withdrawn. A pivot does not, nor what has to wait
for its turn, so these wait.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from domain import events as ev
from domain import messages as msg
from domain.commitment import Commitment
from domain.events import Ctx, Event
from domain.ids import commitment_id
from domain.state import binding_paths, changed, in_flight
from sagas.decide import decide
from sagas.definition import Definition
from sagas.explore.alike import Alike
from sagas.explore.alive import is_ending
from sagas.explore.awaited import awaited
from sagas.explore.gated import GateOracle
from sagas.explore.moves import CANCEL, LATE, Bounds, Move, Moves
from sagas.explore.samples import Samples
from sagas.explore.undone import Broken, UndoOracle

__all__ = ["START_US", "Result", "Seen", "search"]

Json = Any
START_US = 1_767_780_000_000_000  # Wednesday, 7 January 2026, 10:00 UTC
_CTX: Ctx = {
    "tenant": "explored", "actor": "explorer", "actor_type": "automated_workflow",
    "correlation": "", "causation": "", "trace": None,
}  # fmt: skip


@dataclass(slots=True)
class Seen:
    """A state that was come to: from which other one, by which move, with which events."""

    number: int
    parent: Seen | None
    move: Move | None
    events: Sequence[Event]
    status: str = ""
    into: list[int] = field(default_factory=list[int])
    spent: Mapping[str, int] = field(default_factory=dict[str, int])

    def way(self) -> list[Seen]:
        """From the start to here."""
        found: list[Seen] = []
        at: Seen | None = self
        while at is not None:
            found.append(at)
            at = at.parent
        return found[::-1]


@dataclass(slots=True)
class _State:
    seen: Seen
    c: Commitment
    undone: UndoOracle
    gated: GateOracle
    used: Mapping[str, int]


@dataclass(slots=True)
class Result:
    """What a search found: how much it looked at, how runs end, and the shortest run that breaks.

    `ends` counts states by how they end, `waits` names whom and what others wait for; `broken` is
    the last state of that run, `why` what it breaks. `reached` says which bounds were reached, in
    words; `is_complete` that within them nothing was left; `cut` what was left, and why.
    """

    states: int = 0
    moves: int = 0
    ends: dict[str, int] = field(default_factory=dict[str, int])
    waits: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    broken: Seen | None = None
    why: str = ""
    reached: list[str] = field(default_factory=list[str])
    cut: list[str] = field(default_factory=list[str])
    is_complete: bool = False


def search(
    d: Definition, samples: Samples, bounds: Bounds, *,
    over: Callable[[], bool] = lambda: False, is_reduced: bool = True,
) -> Result:  # fmt: skip
    """Look at every state; stops at the first, and so the shortest, run that breaks a promise.

    `over` is asked now and then whether to give up, which the result then says. `is_reduced`:
    states with the same future count as one, and of moves that commute one order is looked at.
    """
    return _Search(d, samples, bounds, over, is_reduced=is_reduced).run()


class _Search:
    def __init__(
        self, d: Definition, samples: Samples, bounds: Bounds, over: Callable[[], bool],
        *, is_reduced: bool,
    ) -> None:  # fmt: skip
        self.d = d
        self.samples = samples
        self.bounds = bounds
        self.moves = Moves(d, samples, bounds, is_reduced=is_reduced)
        self.is_reduced = is_reduced
        self.alike = Alike(d, bounds, is_reduced=is_reduced)
        self.over = over
        self.result = Result()
        self.known: dict[bytes, list[Seen]] = {}
        self.todo: deque[_State] = deque()
        self.all: list[Seen] = []
        self.stream = commitment_id("explored", d.saga, "k", 1)

    def run(self) -> Result:
        try:
            for value in self.samples.inputs():
                self._open(value)
            while self.todo:
                if len(self.all) > self.bounds.states or self.over():
                    text = f"{len(self.all):,} states were looked at, and more were left"
                    self.result.cut.append(text)
                    break
                self._expand(self.todo.popleft())
            else:
                self._all_end()
                self.result.is_complete = True
        except _Found as found:
            self.result.broken, self.result.why = found.seen, found.why
        self.result.states = len(self.all)
        self.result.reached += self.moves.reached
        return self.result

    # --- one state ---------------------------------------------------------------------------

    def _open(self, value: Json) -> None:
        message = msg.Open("explored", self.d.saga, self.d.version, self.d.hash, "k", 1, value)
        move = Move("events", "the start", message)
        empty = Seen(0, None, None, ())
        self._step(None, empty, UndoOracle(self.d.document), GateOracle(self.d), {}, move)

    def _expand(self, state: _State) -> None:
        """All moves of a state, or those of one undo where they stand for all (see above)."""
        *moves, cancel = self.moves.of(state.c, state.used)
        self._move(state, cancel)
        alone = self._alone(state, moves)
        if alone is not None:
            before = len(self.all)
            fresh = [self._move(state, move) for move in alone]
            if all(fresh) or len(self.all) == before + len(alone):
                return
            moves = [move for move in moves if move not in alone]
        for move in moves:
            self._move(state, move)

    def _alone(self, state: _State, moves: Sequence[Move]) -> list[Move] | None:
        c = state.c
        if not self.is_reduced or any(not move.agent for move in moves):
            return None
        if c.children or c.locks or not (self._undoes_alone(c) or self._stops_alone(state)):
            return None
        first = min(move.agent or "" for move in moves) if moves else ""
        found = [move for move in moves if move.agent == first]
        return found if len(found) < len(moves) else None

    def _undoes_alone(self, c: Commitment) -> bool:
        """Whether the whole commitment is undone, and nothing else is under way."""
        late = any(e.kind == "do" and in_flight(e) for e in c.effects.values())
        return list(c.undoing) == [""] and not late

    def _stops_alone(self, state: _State) -> bool:
        """Whether it stops as a whole, and only effects in flight beside each other are awaited."""
        c = state.c
        if not is_ending(c) or c.undoing or len(c.stops) > 1:
            return False
        nodes = {effect.node for effect in c.effects.values() if in_flight(effect)}
        return all(state.undone.are_beside(a, b) for a, b in combinations(sorted(nodes), 2))

    def _move(self, state: _State, move: Move) -> bool:
        """Make one move; whether it came to a state that nobody had seen."""
        used = dict(state.used)
        if move.use is not None:
            used[move.use] = used.get(move.use, 0) + 1
        c = state.c
        if move.timer is not None or move.stale is not None:
            c = _passed(c.fork(), move)
        return self._step(c, state.seen, state.undone.fork(), state.gated.fork(), used, move)

    def _step(
        self, c: Commitment | None, parent: Seen, undone: UndoOracle, gated: GateOracle,
        used: Mapping[str, int], move: Move,
    ) -> bool:  # fmt: skip
        self.result.moves += 1
        events: list[Event] = []
        seen = Seen(0, parent if c is not None else None, move, events)
        try:
            after = self._decided(c, move.message, events)
            undone.read(events)
            self._entered(undone, events)
            gated.read(move.message, events)
            self._begun(c, events)
        except Broken as broken:
            raise _Found(seen, str(broken)) from None
        if self.is_reduced and _changes_nothing(move, events):
            return False
        if self.is_reduced:
            seen, after = self._tried_again(seen, after, undone)
        seen.status = after.status
        if after.is_over or any(isinstance(event, ev.DebtSettled) for event in events):
            self._answer_late(seen, after, undone, used)
        key, spent = self.alike.key(after, undone, gated, used)
        known = self.known.setdefault(key, [])
        before = [] if move.use == LATE else [parent.number]
        for old in known:
            if spent == old.spent or (self.is_reduced and _has_less(old.spent, spent)):
                old.into += before
                return False
        seen.number = len(self.all)
        seen.into += before
        seen.spent = spent
        known.append(seen)
        self.all.append(seen)
        self._rest(_State(seen, after, undone, gated, used))
        return True

    def _tried_again(
        self, seen: Seen, c: Commitment, undone: UndoOracle
    ) -> tuple[Seen, Commitment]:
        """The state when what waits for its next attempt has been offered again."""
        while (move := self.moves.retry(c)) is not None:
            events: list[Event] = []
            after = self._decided(_passed(c.fork(), move), move.message, events)
            if [type(event) for event in events] != [ev.EffectRetried]:
                break  # it has to wait for its turn
            self.result.waits |= set(awaited(c))
            seen = Seen(0, seen, move, events)
            try:
                undone.read(events)
            except Broken as broken:
                raise _Found(seen, str(broken)) from None
            c = after
        return seen, c

    def _begun(self, c: Commitment | None, events: Sequence[Event]) -> None:
        """Nothing begins while all stops: what only that would read is left out there."""
        begun = [e.node for e in events if isinstance(e, ev.EffectIntended) and e.kind == "do"]
        if begun and c is not None and self.alike.alive.in_state(c).is_ending:
            raise Broken(f"{begun[0]} is commanded while all stops")

    def _entered(self, undone: UndoOracle, events: Sequence[Event]) -> None:
        """A step that is done, and has an undo, stands to be undone unless that is done already.

        Done late, it may stand as attempted; where nothing is undone any more, a person has a debt.
        Where a block keeps it, it stays.
        """
        owed = {event.node for event in events if isinstance(event, ev.DebtOpened)}
        for event in events:
            if isinstance(event, ev.EffectDone) and event.kind == "do" and event.undo is None:
                node = self.d.node_at(event.node)
                kept = undone.standing.keys() | undone.undone.keys() | owed
                stays = event.node in kept or undone.keeping.keeps(event.node)
                if node.undo is not None and not stays:
                    raise Broken(f"{event.node} is done, and nothing is kept to undo it")

    def _answer_late(
        self, seen: Seen, c: Commitment, undone: UndoOracle, used: Mapping[str, int]
    ) -> None:
        """An answer that comes when all is over is undone already, or a debt that a person has.

        One that comes when its debt is settled changes nothing any more, so it is tried just then.
        """
        for move in self.moves.late(c, used):
            self.result.moves += 1
            events: list[Event] = []
            late = Seen(0, seen, move, events)
            oracle = undone.fork()
            try:
                late.status = self._decided(c, move.message, events).status
                oracle.read(events)
                self._entered(oracle, events)
            except Broken as broken:
                raise _Found(late, str(broken)) from None

    def _decided(
        self, c: Commitment | None, message: msg.Message, events: list[Event]
    ) -> Commitment:
        now = decide(self.d, c, message, stream=self.stream, now_us=START_US, ctx=_CTX)
        events.extend(now.events)
        return now.state

    def _rest(self, state: _State) -> None:
        """A state at rest: over, or something moves it."""
        c = state.c
        if c.is_over:
            self._count(c.status)
            left = [e.node for e in c.effects.values() if e.state in ("offered", "backoff")]
            if left:
                raise _Found(state.seen, f"it is {c.status}, and {left[0]} is still commanded")
            return
        if c.held is not None:
            self._count("held for an operator")
            return
        if not self._waits(state):
            raise _Found(state.seen, f"it is {c.status}, and nothing moves it any more")
        self.todo.append(state)

    def _waits(self, state: _State) -> bool:
        """Whether a participant, a person, an event or a time will move it; not only a cancel."""
        named = set(awaited(state.c))
        self.result.waits |= named
        moves = self.moves.of(state.c, state.used)
        return bool(named) or any(m.text != CANCEL and m.use != LATE for m in moves)

    def _count(self, how: str) -> None:
        self.result.ends[how] = self.result.ends.get(how, 0) + 1

    def _all_end(self) -> None:
        """From every state some run goes on to an end: none only turns round and round.

        Late answers do not count: one that nobody waits for may never come.
        """
        ends = {one.number for one in self.all if one.status in _OVER}
        todo = list(ends)
        while todo:
            for before in self.all[todo.pop()].into:
                if before not in ends:
                    ends.add(before)
                    todo.append(before)
        for one in self.all:
            if one.number not in ends:
                raise _Found(one, "no run goes on from here to an end")


def _changes_nothing(move: Move, events: Sequence[Event]) -> bool:
    """Whether a message was refused, so that the state is the one that it came from."""
    is_timed = move.timer is not None or move.stale is not None
    return not is_timed and all(isinstance(event, ev.MessageRefused) for event in events)


def _has_less(one: Mapping[str, int], other: Mapping[str, int]) -> bool:
    """Whether one state has spent no more of anything than the other."""
    return all(one.get(what, 0) <= other.get(what, 0) for what in one.keys() | other.keys())


def _passed(c: Commitment, move: Move) -> Commitment:
    """The state as it is when the time has come that the move is about."""
    if move.timer is not None:
        c.timers[move.timer] = START_US - 1
    for path in binding_paths(move.stale or ""):
        if path in c.bindings:
            c.bindings[path] = changed(c.bindings[path], not_after_us=START_US - 1)
    return c


_OVER = frozenset({"fulfilled", "compensated", "failed", "cancelled", "held"})


class _Found(Exception):
    def __init__(self, seen: Seen, why: str) -> None:
        super().__init__(why)
        self.seen = seen
        self.why = why

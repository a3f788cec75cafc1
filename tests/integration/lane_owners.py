"""Two owners of one store, each with half of its four lanes, driven by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from consumers.batch import Passing
from consumers.jobs import answer_of
from domain.ids import key_id, lane_of
from domain.ports import LaneBelief, LaneWrite
from tests.integration.lane_places import PostgresPlace, Share
from tests.integration.lane_world import World, sale

__all__ = ["LANES", "House", "Meanwhile", "pair", "paired", "watch"]

LANES = 4
ROUNDS_MAX = 50
NAMES_MAX = 200

PAIR = {
    "type": "object",
    "properties": {name: {"type": "string"} for name in ("company", "one", "two", "three")},
    "required": ["company"],
    "additionalProperties": False,
}


class House:
    """Owner `a` has lanes 0 and 1, owner `b` lanes 2 and 3."""

    def __init__(self, whole: PostgresPlace, **more: Any) -> None:
        self.whole = whole
        self.shares = [Share(whole, "a", (0, 1)), Share(whole, "b", (2, 3))]
        self.a, self.b = (World(share, **more) for share in self.shares)
        # What each sends has its own ids.
        self.b.sent = 1_000
        self._names: dict[int, list[str]] = {lane: [] for lane in range(LANES)}
        for number in range(NAMES_MAX):
            self._names[lane_of(key_id("north", f"c{number}"), LANES)].append(f"c{number}")

    def key(self, lane: int, number: int = 0) -> str:
        """A key whose home is the lane."""
        return self._names[lane][number]

    def register(self, *documents: dict[str, Any]) -> None:
        for document in documents:
            assert self.a.register(document)["created"]
        self.settle()

    def look(self, *worlds: World) -> None:
        """Have each look once for what others sent to it."""
        for world in worlds:
            world.lane.mail_came()
            world.process()

    def settle(self) -> None:
        """Until nobody has anything left to do."""
        for _ in range(ROUNDS_MAX):
            self.look(self.a, self.b)
            if not self.a.count("inbox"):
                return
        raise AssertionError(self.a.rows("SELECT lane, kind, tries FROM inbox"))

    def told(self, world: World, passing: Any) -> Any:
        """What came back for what was passed on; a Refusal is given back, not raised."""
        assert isinstance(passing, Passing), passing
        (answer,) = world.lane.take_answers()
        assert answer.ask == passing.ask
        return answer_of(answer.body)

    def through(self, here: World, there: World, request: Any) -> Any:
        """Ask `here` for something of `there`: passed on, taken, answered."""
        passing = here.ask(request)
        self.look(there)
        return self.told(here, passing)

    def silence(self, process: str) -> None:
        """Nobody has heard of a process for long enough."""
        self.whole.rows("UPDATE processes SET beat_us = 0 WHERE process = ?", [process])

    def close(self) -> None:
        for world, share in zip((self.a, self.b), self.shares, strict=True):
            world.close()
            share.close()


class Meanwhile:
    """Lets something happen once, when a world is about to write and has read what it wanted."""

    def __init__(self, world: World, happens: Callable[[], object]) -> None:
        self._happens: Callable[[], object] | None = happens
        self._begin = world.store.begin
        world.store.begin = self.begin

    def begin(self, *beliefs: LaneBelief) -> Any:
        return _Pausing(self._begin(*beliefs), self)

    def now(self) -> None:
        happens, self._happens = self._happens, None
        if happens is not None:
            happens()


class _Pausing:
    def __init__(self, real: Any, meanwhile: Meanwhile) -> None:
        self._real = real
        self._meanwhile = meanwhile

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def write(self, write: LaneWrite, **more: Any) -> Any:
        self._meanwhile.now()
        return self._real.write(write, **more)

    def register(self, document: bytes, **more: Any) -> None:
        self._meanwhile.now()
        self._real.register(document, **more)


def paired(number: int, company: str, **others: str) -> dict[str, Any]:
    """An event about a company and others."""
    return {
        "specversion": "1.0", "id": f"p{number}", "source": "urn:crm", "type": "paired",
        "data": {"company": company, **others},
    }  # fmt: skip


def pair(name: str, **changes: Any) -> dict[str, Any]:
    """A saga about the company that the member `name` of an event names."""
    document = sale(saga=name)
    starts = {"event": "paired", "when": f"has(event.data.{name})",
              "input": f"{{'company': event.data.{name}}}"}  # fmt: skip
    events = {
        "paired": {"version": 1, "schema": PAIR, "key": "company"},
        "signed": document["events"]["signed"],
    }
    wait, end = document["flow"][1:]
    flow = [wait, {**end, "result": "{}"}]
    return {
        **document, "contracts": {}, "events": events, "starts_on": [starts], "flow": flow,
        "double_start": {"running": "refuse", "finished": "refuse"}, **changes,
    }  # fmt: skip


def watch(**changes: Any) -> dict[str, Any]:
    """A saga of one company that waits for an event about another."""
    document = pair("watch")
    both = {
        "type": "object", "properties": {"company": {"type": "string"}, "of": {"type": "string"}},
        "required": ["company", "of"], "additionalProperties": False,
    }  # fmt: skip
    wait, end = document["flow"]
    wait = {**wait, "name": "seen", "events": ["paired"], "key": "input.of"}
    return {
        **document, "saga": "watch", "input": both, "starts_on": [], "flow": [wait, end],
        "double_start": {"running": "refuse", "finished": "allow"}, **changes,
    }  # fmt: skip

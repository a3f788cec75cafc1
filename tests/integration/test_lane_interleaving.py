"""Whatever two owners do in whichever order: everything accepted is applied where it belongs, once.

An example is a list of steps by owner A or B; afterwards both work until nothing is left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from itertools import product
from typing import Any
from uuid import UUID

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.postgres.offline import PostgresOffline
from consumers.batch import Passing
from domain.chain import Verifier
from domain.events.keys import StartRefused
from domain.ids import key_id, saga_key_id
from domain.mapper import event_mapper
from domain.requests import ControlRequest, Publish, StartRequest
from projections.current_step import current_step
from tests.integration.lane_owners import House, pair, paired, watch
from tests.integration.lane_places import PostgresPlace
from tests.integration.lane_world import NORTH, OPERATOR, World, alias_of

KEYS = 4
STEPS_MIN, STEPS_MAX = 10, 30

owners = st.integers(0, 1)
keys = st.integers(0, KEYS - 1)
steps = st.one_of(
    st.tuples(st.just("event"), owners, keys, keys | st.none()),
    st.tuples(st.just("again"), owners, st.integers(0, 5), st.none()),
    st.tuples(st.just("wait"), owners, keys, keys),
    st.tuples(st.just("cancel"), owners, keys, st.none()),
    st.tuples(st.just("look"), owners, st.none(), st.none()),
)
Step = tuple[str, int, Any, Any]


@dataclass
class Story:
    """What was asked of two owners, and what it must have come to."""

    house: House
    sent: list[Publish] = field(default_factory=list)
    accepted: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        again = {"running": "refuse", "finished": "allow"}
        one = pair("one", double_start=again)
        # It waits for what it starts on: the event of its start is not taken twice.
        one["flow"][0]["events"] = ["paired"]
        self.house.register(one, watch(double_start=again))
        self.keys = [self.house.key(lane) for lane in range(KEYS)]

    def take(self, step: Step) -> None:
        what, who, first, second = step
        world = (self.house.a, self.house.b)[who]
        match what:
            case "event":
                others = {} if second is None else {"one": self.keys[second]}
                event = paired(len(self.sent), self.keys[first], **others)
                self.sent.append(Publish(NORTH, event, orjson.dumps(event)))
                self._publish(world, self.sent[-1])
            case "again":
                if self.sent:
                    self._publish(world, self.sent[first % len(self.sent)])
            case "wait":
                asked = {"company": self.keys[first], "of": self.keys[second]}
                self._told(world.ask(StartRequest(NORTH, "watch", asked)))
            case "cancel":
                self._cancel(world, self.keys[first])
            case _:
                self.house.look(world)

    def _publish(self, world: World, event: Publish) -> None:
        answer = world.ask(event)
        self.accepted[event.event["id"]] += answer["status"] == "accepted"

    def _told(self, answer: Any) -> None:
        allowed = ("", "start.conflict", "state.says_no", "http.not_found")
        assert isinstance(answer, Passing) or alias_of(answer) in allowed, answer

    def _cancel(self, world: World, key: str) -> None:
        """The latest run that the world can see."""
        found = world.rows(
            "SELECT commitment FROM current_steps WHERE saga = 'watch' AND key = ?"
            " ORDER BY run DESC LIMIT 1",
            key,
        )
        for (stream,) in found:
            self._told(world.ask(ControlRequest(OPERATOR, stream, "cancel", "because")))

    # --- what holds afterwards -------------------------------------------------------------------

    def check(self) -> None:
        self.house.settle()
        assert set(self.accepted.values()) <= {1}
        assert self.house.a.count("receipts") == len(self.sent)
        assert self.house.a.count("dead_letters") == self.house.a.count("parked_streams") == 0
        self._log_is_whole()
        self._events_were_taken()
        self._events_have_started()
        self._views_are_folds()

    def _log_is_whole(self) -> None:
        """Positions and versions without gaps, and the chain of every lane to its head."""
        with closing(PostgresOffline(self.house.whole.url)) as opened:
            for lane in opened.lanes():
                head = lane.head
                verifier = Verifier({head.position: head.chain} if head.position else {})
                for row in opened.rows(lane.lane):
                    verifier.add(row)
                report = verifier.finish()
                assert report.sound, report.faults
                assert report.events == head.position

    def _kept(self) -> dict[str, list[Any]]:
        states = {key: self.house.a.folded(key_id("north", key)) for key in self.keys}
        return {key: list(s.kept.values()) if s else [] for key, s in states.items()}

    def _runs(self, saga: str, key: str) -> list[Any]:
        sql = "SELECT commitment FROM current_steps WHERE saga = ? AND key = ? ORDER BY run"
        return [self.house.a.folded(stream) for (stream,) in self.house.a.rows(sql, saga, key)]

    def _events_were_taken(self) -> None:
        """Each is kept once, and taken once by each run that it started or fulfilled."""
        kept = self._kept()
        found = Counter(one.event["id"] for events in kept.values() for one in events)
        assert found == Counter(event.event["id"] for event in self.sent)
        taken = Counter(t for events in kept.values() for one in events for t in one.takers)
        for events in kept.values():
            assert all(len(set(one.takers)) == len(one.takers) for one in events)
        for saga, key in product(("one", "watch"), self.keys):
            runs = self._runs(saga, key)
            started = [run for run in runs if run.start and "id" in run.start]
            fulfilled = [run for run in runs if run.status == "fulfilled"]
            assert taken[saga, key] == len(started) + len(fulfilled)
            assert all(run.status != "waiting" for run in runs[:-1])
            for run in runs:
                # A run that waits has seen everything there is.
                if run.status == "waiting":
                    events = kept[run.input.get("of", key)]
                    assert all((saga, key) in one.takers for one in events)

    def _events_have_started(self) -> None:
        """An event that names a company has started its saga there, or was refused there."""
        for key in self.keys:
            named = [e.event["id"] for e in self.sent if e.event["data"].get("one") == key]
            events = self._events(saga_key_id("north", "one", key))
            refused = [e.start["id"] for e in events if isinstance(e, StartRefused)]
            started = [run.start["id"] for run in self._runs("one", key)]
            assert sorted(refused + started) == sorted(named)

    def _events(self, stream: UUID) -> list[Any]:
        mapper: Any = event_mapper()
        return [mapper.to_domain_event(row) for row in self.house.a.stored(stream).events]

    def _views_are_folds(self) -> None:
        """The current step of every commitment, and what is parked of every key."""
        for stream, body in self.house.a.rows("SELECT commitment, body FROM current_steps"):
            state = self.house.a.folded(stream)
            shape = self.house.a.lane.registry.by_hash(state.definition)
            assert shape is not None
            assert orjson.loads(body) == orjson.loads(orjson.dumps(current_step(shape, state)))
        parked = self.house.a.rows("SELECT key, event_id FROM parked_events")
        untaken = [(k, o.event["id"]) for k, os in self._kept().items() for o in os if not o.takers]
        assert sorted(parked) == sorted(untaken)


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(steps, min_size=STEPS_MIN, max_size=STEPS_MAX))
def run_stories(places: Callable[[int], PostgresPlace], taken: list[Step]) -> None:
    with closing(House(places(4))) as house:
        story = Story(house)
        for step in taken:
            story.take(step)
        story.check()


def test_every_event_is_taken_by_whoever_should_and_never_twice(
    postgres_places: Callable[[int], PostgresPlace],
) -> None:
    """Events, repeats, waits and cancels by both, with mail taken early or late."""
    run_stories(postgres_places)

"""The stream of a throttle: turns in order, at a rate that holds in every window."""

from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import throttle_stream as ts
from domain.ids import lane_of, throttle_id
from domain.mapper import event_mapper
from domain.messages import DropTurn, NoTurn, TakeTurn, Wake, YourTurn
from domain.throttle_stream import ThrottleStream, ThrottleStreamSnapshot

CTX: Any = {
    "tenant": "north", "actor": "ann", "actor_type": "human", "correlation": "c1",
    "causation": "m1", "trace": None,
}  # fmt: skip
STREAM = throttle_id("north", "crm", "acme")
START_US = 1_700_000_000_000_000
_MAPPER = event_mapper()


class Turns:
    """A throttle and what it says: `given` are the times of turns, by who has them."""

    def __init__(self) -> None:
        self.state: ThrottleStream | None = None
        self.events: list[Any] = []
        self.given: dict[UUID, int] = {}
        self.refused: list[UUID] = []
        self.now_us = START_US

    def send(self, message: Any) -> None:
        before = self.state
        raw = None if before is None else orjson.dumps(ThrottleStreamSnapshot.take(before).state)
        decided = ts.decide(before, message, stream=STREAM, now_us=self.now_us, ctx=CTX)
        if before is not None:
            assert orjson.dumps(ThrottleStreamSnapshot.take(before).state) == raw
        self.events += decided.events
        self.state = decided.state
        for to, said in decided.mail:
            if isinstance(said, YourTurn):
                self.given[to] = self.now_us
            else:
                assert isinstance(said, NoTurn)
                self.refused.append(to)

    def ask(self, number: int, most: int = 2, per_us: int = 60) -> UUID:
        who = UUID(int=number)
        self.send(TakeTurn("north", "crm", "acme", str(who), "ring", 3, most, per_us))
        return who

    def pass_time(self, by_us: int) -> None:
        until_us = self.now_us + by_us
        while (wake := ts.wake_us(self.state)) is not None and wake <= until_us:
            self.now_us = max(self.now_us, wake)
            self.send(Wake(self.now_us))
        self.now_us = until_us


def folded(events: list[Any]) -> Any:
    state: Any = None
    for event in events:
        read: Any = _MAPPER.to_domain_event(_MAPPER.to_stored_event(event))
        state = read.mutate(state)
    return state


def seen(state: Any) -> Any:
    return ThrottleStreamSnapshot.take(state).state


def test_its_home_is_that_of_its_key() -> None:
    assert lane_of(STREAM, 64) == lane_of(throttle_id("north", "other", "acme"), 64)


def test_a_request_that_may_not_pass_wakes_the_stream_when_it_may() -> None:
    t = Turns()
    for number in range(3):
        t.ask(number)
    assert list(t.given) == [UUID(int=0), UUID(int=1)]
    assert ts.wake_us(t.state) == START_US + 60
    t.pass_time(60)
    assert list(t.given) == [UUID(int=n) for n in range(3)]
    assert ts.wake_us(t.state) is None


def test_nobody_overtakes_who_wants_a_slower_rate() -> None:
    t = Turns()
    t.ask(0)
    t.ask(1, most=1)
    t.ask(2)
    assert list(t.given) == [UUID(int=0)]
    t.pass_time(60)
    assert list(t.given) == [UUID(int=0), UUID(int=1), UUID(int=2)]


def test_a_request_that_is_withdrawn_frees_the_way_of_the_next() -> None:
    t = Turns()
    t.ask(0)
    second = t.ask(1, most=1)
    t.ask(2)
    t.send(DropTurn(str(second), "ring", 3))
    assert list(t.given) == [UUID(int=0), UUID(int=2)]


@pytest.mark.parametrize("ask", [3, 4])
def test_what_is_withdrawn_without_waiting_changes_nothing(ask: int) -> None:
    t = Turns()
    who = t.ask(0)
    events = len(t.events)
    t.send(DropTurn(str(who), "ring", ask))
    assert len(t.events) == events


def test_too_many_are_refused() -> None:
    t = Turns()
    t.ask(0, most=1)
    assert t.state is not None
    rate = ts.Rate(1, 60)
    t.state.queue = {ts.Asker("x", "n", number): rate for number in range(ts.QUEUE_MAX)}
    assert t.ask(1) in t.refused


def test_turns_longer_ago_than_any_period_are_forgotten() -> None:
    t = Turns()
    for number in range(50):
        t.ask(number)
        t.pass_time(60)
    assert t.state is not None
    assert len(t.state.given) <= 2


def test_a_period_longer_than_any_before_counts_from_its_first_request() -> None:
    """What nobody's period held any more is forgotten, and would be counted by it."""
    t = Turns()
    t.ask(0, most=1, per_us=1)
    t.pass_time(1)
    t.ask(1, most=1, per_us=1)
    t.ask(2, most=2, per_us=60)
    t.ask(3, most=2, per_us=60)
    assert list(t.given) == [UUID(int=n) for n in range(3)]
    t.pass_time(60)
    assert UUID(int=3) in t.given


steps = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.integers(1, 3), st.integers(1, 40)),
        st.tuples(st.just("drop"), st.integers(0, 20), st.just(0)),
        st.tuples(st.just("pass"), st.integers(0, 50), st.just(0)),
    ),
    max_size=40,
)


@given(steps)
def test_whatever_happens_the_rate_holds_order_is_kept_and_all_have_their_turn(
    found: list[tuple[str, int, int]],
) -> None:
    t, rates, dropped = Turns(), dict[UUID, tuple[int, int]](), set[UUID]()
    known_us: dict[UUID, int] = {}
    for what, one, other in found:
        if what == "ask":
            number = len(rates)
            as_long = [who for who, (_, per_us) in rates.items() if per_us >= other]
            rates[UUID(int=number)] = (one, other)
            # From its first request on a period is known: turns that were over then may be gone.
            known_us[UUID(int=number)] = min([known_us[who] for who in as_long], default=t.now_us)
            t.ask(number, one, other)
        elif what == "drop" and UUID(int=one) in rates:
            if UUID(int=one) not in t.given:
                dropped.add(UUID(int=one))
            t.send(DropTurn(str(UUID(int=one)), "ring", 3))
        else:
            t.pass_time(one)
        if t.state is not None:
            assert seen(folded(t.events)) == seen(t.state)
            snapshot: Any = ThrottleStreamSnapshot.take(t.state)
            assert seen(snapshot.mutate(None)) == seen(t.state)
    t.pass_time(40 * 41)
    assert list(t.given) == [who for who in rates if who not in dropped]
    times = list(t.given.items())
    for index, (who, at_us) in enumerate(times):
        most, per_us = rates[who]
        since_us = max(at_us - per_us, known_us[who] - 1)
        within = [us for _, us in times[: index + 1] if us > since_us]
        assert len(within) <= most

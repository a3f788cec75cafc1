"""The key stream: events of one key meet what waits for them."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain import key_stream as ks
from domain.events import Ctx, Event, EventExpired, EventKept, KeyOpened
from domain.ids import commitment_id, key_id
from domain.key_stream import Kept, KeyStream, KeyStreamSnapshot
from domain.mapper import event_mapper
from domain.messages import Arrive, Message, Offer, Subscribe, Wake

STREAM = key_id("north", "acme")
CTX: Ctx = {"tenant": "north", "actor": "crm", "actor_type": "executor_system"}
SALE = commitment_id("north", "sale", "acme", 1)
SALE_2 = commitment_id("north", "sale", "acme", 2)
AUDIT = commitment_id("north", "audit", "acme", 1)
TTL_US = 1_000


class Story:
    """A key stream with everything that was sent to it and all it offered."""

    def __init__(self) -> None:
        self.state: KeyStream | None = None
        self.events: list[Event] = []
        self.offers: list[tuple[UUID, int]] = []
        self.outcome: dict[str, Any] | None = None
        self.at_us = 0

    def send(self, message: Message, at_us: int | None = None) -> list[tuple[UUID, int]]:
        self.at_us = self.at_us if at_us is None else at_us
        before = None if self.state is None else KeyStreamSnapshot.take(self.state)
        decided = ks.decide(self.state, message, stream=STREAM, now_us=self.at_us, ctx=CTX)
        assert before == (None if self.state is None else KeyStreamSnapshot.take(self.state))
        self.state, self.outcome = decided.state, decided.outcome
        self.events += decided.events
        offers = [(to, m.position) for to, m in decided.mail if isinstance(m, Offer)]
        self.offers += offers
        return offers

    def arrives(self, type_: str, at_us: int | None = None) -> list[tuple[UUID, int]]:
        event = {"id": str(len(self.events)), "source": "s", "type": type_, "data": {}}
        return self.send(Arrive("north", "acme", event, TTL_US), at_us)

    @property
    def kept(self) -> dict[int, Kept]:
        return {} if self.state is None else self.state.kept


def subscribe(
    to: UUID, *types: str, path: str = "w", transient: bool = False, **more: Any
) -> Subscribe:
    saga = "audit" if to == AUDIT else "sale"
    opened = {path: {"types": list(types), "transient": transient}} if types else {}
    closed = more.pop("closed", [])
    taken = more.pop("taken", [])
    return Subscribe("north", "acme", str(to), saga, "acme", opened, closed, taken, **more)


def test_an_event_that_comes_early_is_kept_until_a_wait_opens() -> None:
    """The order of event and wait does not matter."""
    story = Story()
    assert story.arrives("signed") == []
    assert [type(e) for e in story.events] == [KeyOpened, EventKept]
    assert story.send(subscribe(SALE, "signed")) == [(SALE, 2)]


def test_an_event_is_offered_to_each_subscribed_commitment_once() -> None:
    """Two waits of one commitment for a type get one offer: there it has one taker."""
    story = Story()
    story.send(subscribe(SALE, "signed", path="a"))
    story.send(subscribe(SALE, "signed", path="b"))
    story.send(subscribe(AUDIT, "signed", "left"))
    position = story.events[-1].originator_version + 1
    assert story.arrives("signed") == [(SALE, position), (AUDIT, position)]
    assert story.arrives("other") == []


def test_a_later_run_never_gets_what_an_earlier_one_took() -> None:
    """Taking is remembered for the saga and its key; another saga still gets it."""
    story = Story()
    story.arrives("signed")
    story.send(subscribe(SALE, "signed"))
    story.send(subscribe(SALE, closed=["w"], taken=[2], ended=True))
    assert story.send(subscribe(SALE_2, "signed")) == []
    assert story.send(subscribe(AUDIT, "signed")) == [(AUDIT, 2)]


def test_an_event_that_started_a_saga_is_not_its_first_event_too() -> None:
    """It took it; others may still."""
    story = Story()
    story.send(subscribe(AUDIT, "applied"))
    event = {"id": "1", "source": "s", "type": "applied", "data": {}}
    offers = story.send(Arrive("north", "acme", event, TTL_US, takers=[["sale", "acme"]]))
    assert [to for to, _ in offers] == [AUDIT]
    assert story.send(subscribe(SALE, "applied")) == []


def test_a_second_wait_is_not_offered_what_the_first_one_took() -> None:
    """Taken, closed and opened travel in one message."""
    story = Story()
    story.send(subscribe(SALE, "signed", path="a"))
    story.arrives("signed")
    first = story.events[-1].originator_version
    story.arrives("signed")
    message = subscribe(SALE, "signed", path="b", closed=["a"], taken=[first])
    assert story.send(message) == [(SALE, first + 1)]


def test_a_transient_wait_sees_only_what_comes_while_it_is_open() -> None:
    """Early events are not offered to it."""
    story = Story()
    story.arrives("signed")
    assert story.send(subscribe(SALE, "signed", transient=True)) == []
    assert len(story.arrives("signed")) == 1


def test_after_the_end_events_are_kept_as_finished() -> None:
    """Also those that waited there at the end; a type somebody else wants is not finished."""
    story = Story()
    story.send(subscribe(SALE, "signed", "left"))
    story.send(subscribe(AUDIT, "left"))
    story.arrives("signed")
    story.arrives("left")
    story.send(subscribe(SALE, closed=["w"], ended=True))
    story.arrives("signed")
    story.arrives("left")
    story.arrives("unknown")
    reasons = [(k.event["type"], k.reason) for k in story.kept.values()]
    assert reasons == [
        ("signed", "finished"), ("left", "early"), ("signed", "finished"), ("left", "early"),
        ("unknown", "early"),
    ]  # fmt: skip


def test_a_new_run_gets_what_was_parked_as_finished() -> None:
    """It is early for the run that follows."""
    story = Story()
    story.send(subscribe(SALE, "signed"))
    story.send(subscribe(SALE, closed=["w"], ended=True))
    story.arrives("signed")
    position = story.events[-1].originator_version
    assert story.send(subscribe(SALE_2, "signed")) == [(SALE_2, position)]
    story.send(subscribe(SALE_2, closed=["w"]))
    story.arrives("signed")
    assert list(story.kept.values())[-1].reason == "early"


def test_what_nothing_took_expires_at_its_time_to_live() -> None:
    """The wake-up is that of the oldest one; an expired event is offered to nobody."""
    story = Story()
    story.arrives("signed", at_us=10)
    story.arrives("signed", at_us=20)
    assert ks.wake_us(story.state) == 10 + TTL_US
    story.send(Wake(10 + TTL_US), at_us=10 + TTL_US)
    assert isinstance(story.events[-1], EventExpired)
    assert list(story.kept) == [3]
    assert ks.wake_us(story.state) == 20 + TTL_US
    assert story.send(subscribe(SALE, "signed"), at_us=20 + TTL_US) == []


def test_a_wake_up_with_nothing_due_writes_nothing() -> None:
    """An old timer generation drops."""
    story = Story()
    story.arrives("signed")
    written = len(story.events)
    story.send(Wake(1))
    assert len(story.events) == written


def test_taken_events_leave_silently_when_their_time_is_past() -> None:
    """They need no wake-up; the next event makes room."""
    story = Story()
    story.arrives("signed", at_us=0)
    story.send(subscribe(SALE, "signed"))
    story.send(subscribe(SALE, closed=["w"], taken=[2]))
    assert ks.wake_us(story.state) is None
    story.arrives("other", at_us=TTL_US)
    assert [k.event["type"] for k in story.kept.values()] == ["other"]


def test_a_full_key_refuses_before_anything_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Taken events make room first, the oldest before the others."""
    monkeypatch.setattr(ks, "MAILBOX_MAX", 3)
    story = Story()
    for _ in range(3):
        story.arrives("signed")
    assert ks.is_full(story.state)
    written = len(story.events)
    story.arrives("signed")
    assert story.outcome is not None
    assert story.outcome["code"] == "bound.mailbox"
    assert len(story.events) == written
    story.send(subscribe(SALE, closed=[], taken=[3]))
    story.arrives("signed")
    assert list(story.kept) == [2, 4, 6]


def test_runs_that_listen_no_more_leave_one_entry() -> None:
    """A wait that closed before the end is not told of the end: the next run takes its place."""
    story = Story()
    for run in range(1, 21):
        story.send(subscribe(commitment_id("north", "sale", "acme", run), "signed"))
        story.send(subscribe(commitment_id("north", "sale", "acme", run), closed=["w"]))
    story.send(subscribe(AUDIT, "signed"))
    assert story.state is not None
    last = commitment_id("north", "sale", "acme", 20)
    assert list(story.state.subscribers) == [str(last), str(AUDIT)]


def test_what_one_key_remembers_of_many_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest without an open wait is forgotten; who waits never is."""
    monkeypatch.setattr(ks, "IDLE_MAX", 2)
    story = Story()
    story.send(subscribe(AUDIT, "signed"))
    runs = [commitment_id("north", "sale", f"s{n}", 1) for n in range(4)]
    for number, run in enumerate(runs):
        one = subscribe(run, "signed")
        story.send(replace(one, saga_key=f"s{number}"))
        story.send(replace(one, saga_key=f"s{number}", opened=None, closed=["w"]))
    assert story.state is not None
    assert list(story.state.subscribers) == [str(AUDIT), str(runs[2]), str(runs[3])]
    assert [to for to, _ in story.arrives("signed")] == [AUDIT]


def test_who_listens_again_is_not_idle() -> None:
    """It hears what comes, and is told to be over at its end."""
    story = Story()
    story.send(subscribe(SALE, "signed"))
    story.send(subscribe(SALE, closed=["w"]))
    assert story.send(subscribe(SALE, "left", path="v")) == []
    assert len(story.arrives("left")) == 1
    story.send(subscribe(SALE, closed=["v"], ended=True))
    story.arrives("signed")
    assert list(story.kept.values())[-1].reason == "finished"


def test_closing_on_a_key_that_has_nothing_opens_no_stream() -> None:
    """There is nothing to remember."""
    story = Story()
    story.send(subscribe(SALE, closed=["w"], ended=True))
    assert story.state is None
    assert story.events == []


TYPES = st.sampled_from(["a", "b", "c"])
RUNS = st.sampled_from([SALE, SALE_2, AUDIT])
ACTIONS = st.one_of(
    st.tuples(st.just("arrive"), TYPES),
    st.tuples(st.just("open"), RUNS, TYPES, st.booleans()),
    st.tuples(st.just("take"), RUNS),
    st.tuples(st.just("end"), RUNS),
    st.tuples(st.just("wait"), st.integers(1, TTL_US)),
)


def play(actions: Iterable[tuple[Any, ...]]) -> tuple[Story, list[tuple[str, int]]]:
    """Run the actions as commitments would; returns what each saga took."""
    story, at_us, taken, live = Story(), 0, list[tuple[str, int]](), set[UUID]()
    for action in actions:
        match action:
            case ("arrive", type_):
                story.arrives(type_, at_us)
            case ("open", run, type_, transient):
                live.add(run)
                story.send(subscribe(run, type_, path=type_, transient=transient), at_us)
            case ("take", run):
                saga = "audit" if run == AUDIT else "sale"
                offers = [p for to, p in story.offers if to == run and (saga, p) not in taken]
                if run in live and offers:
                    taken.append((saga, offers[0]))
                    story.send(subscribe(run, taken=[offers[0]]), at_us)
            case ("end", run):
                live.discard(run)
                story.send(subscribe(run, ended=True), at_us)
            case (_, us):
                at_us += us
                due_us = ks.wake_us(story.state)
                if due_us is not None and due_us <= at_us:
                    story.send(Wake(due_us), at_us)
    return story, taken


@settings(max_examples=200)
@given(st.lists(ACTIONS, max_size=40))
def test_a_stream_read_back_or_restored_from_a_snapshot_is_the_same(
    actions: list[tuple[Any, ...]],
) -> None:
    """Folding what was stored, whole or from a snapshot, gives what was decided on."""
    story, _ = play(actions)
    mapper = event_mapper()
    stored = [mapper.to_stored_event(e) for e in story.events]
    state: Any = None
    for row in stored:
        event: Any = mapper.to_domain_event(row)
        state = event.mutate(state)
        snapshot: Any = mapper.to_domain_event(
            mapper.to_stored_event(KeyStreamSnapshot.take(state))
        )
        state = snapshot.mutate(None)
    if story.state is None:
        assert state is None
    else:
        assert KeyStreamSnapshot.take(state) == KeyStreamSnapshot.take(story.state)


@settings(max_examples=200)
@given(st.lists(ACTIONS, max_size=40))
def test_nothing_is_offered_again_to_a_saga_that_took_it(actions: list[tuple[Any, ...]]) -> None:
    """Each (saga, key) takes an event at most once, across waits and runs."""
    story, at_us = Story(), 0
    taken: set[tuple[str, int]] = set()
    for action in actions:
        run = action[1] if action[0] in ("open", "take", "end") else None
        saga = "audit" if run == AUDIT else "sale"
        offers: list[tuple[UUID, int]] = []
        match action:
            case ("arrive", type_):
                offers = story.arrives(type_, at_us)
            case ("open", run, type_, transient):
                offers = story.send(subscribe(run, type_, path=type_, transient=transient), at_us)
            case ("take", run):
                open_ones = [p for p, k in story.kept.items() if (saga, "acme") not in k.takers]
                taken |= {(saga, p) for p in open_ones[:1]}
                offers = story.send(subscribe(run, taken=open_ones[:1]), at_us)
            case _:
                at_us += 1
        for to, position in offers:
            assert ("audit" if to == AUDIT else "sale", position) not in taken

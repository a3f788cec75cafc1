"""The saga-key stream: all starts of one saga and key meet here."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from domain import saga_key as sk
from domain.events import Ctx, Event, RunEnded, RunOpened, SagaKeyOpened, StartHeld, StartRefused
from domain.ids import commitment_id, key_id, saga_key_id, start_digest
from domain.mapper import event_mapper
from domain.messages import (
    Arrive,
    ChildOver,
    Control,
    Message,
    Open,
    Recall,
    RunOver,
    Start,
    Wake,
    to_body,
)
from domain.saga_key import DoubleStart, SagaKey, SagaKeySnapshot

STREAM = saga_key_id("north", "sale", "acme")
CTX: Ctx = {"tenant": "north", "actor": "crm", "actor_type": "executor_system", "correlation": "e1"}
RUN_1 = commitment_id("north", "sale", "acme", 1)
RUN_2 = commitment_id("north", "sale", "acme", 2)
EVENT = {"id": "e1", "source": "urn:crm", "type": "applied", "time": "t", "data": {"big": 1}}


def start(n: int = 1, event: Any = None) -> Start:
    """A start of the sale of acme; `n` is its input."""
    return Start("north", "sale", 1, "hash", "acme", {"n": n}, start_digest("sale", 1, n), event)


class Story:
    """A saga-key stream under one policy, with what it wrote and sent."""

    def __init__(self, running: str = "refuse", finished: str = "refuse") -> None:
        self.policy = DoubleStart(running, finished)
        self.state: SagaKey | None = None
        self.events: list[Event] = []
        self.mail: list[tuple[UUID, Message]] = []

    def send(self, message: Message) -> dict[str, Any]:
        before = None if self.state is None else SagaKeySnapshot.take(self.state)
        decided = sk.decide(
            self.state, message, stream=STREAM, now_us=7, ctx=CTX, policy=self.policy
        )
        assert before == (None if self.state is None else SagaKeySnapshot.take(self.state))
        self.state = decided.state
        self.events += decided.events
        self.mail += decided.mail
        return decided.outcome or {}

    @property
    def kinds(self) -> list[type[Event]]:
        return [type(e) for e in self.events]


def test_the_first_start_opens_run_one() -> None:
    """The commitment gets its input and where it came from, without the data once more."""
    story = Story()
    assert story.send(start(event=EVENT)) == {"id": str(RUN_1), "run": 1, "created": True}
    assert story.kinds == [SagaKeyOpened, RunOpened]
    ((to, message),) = story.mail
    assert to == RUN_1
    assert isinstance(message, Open)
    assert (message.run, message.input) == (1, {"n": 1})
    assert message.start == {
        "id": "e1", "source": "urn:crm", "type": "applied", "time": "t", "correlation": "e1",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("running", "second", "expected"),
    [
        ("refuse", 1, "start.conflict"),
        ("return", 1, None),
        ("return", 2, "start.conflict"),
        ("replace", 1, "start.replaced"),
    ],
)
def test_a_start_beside_a_running_one_follows_the_policy(
    running: str, second: int, expected: str | None
) -> None:
    """Returning the running one is refused when the input differs."""
    story = Story(running=running)
    story.send(start(1))
    outcome = story.send(start(second))
    assert outcome.get("code") == expected
    if expected is None:
        assert outcome == {"id": str(RUN_1), "run": 1, "created": False}


@pytest.mark.parametrize(
    ("finished", "ended", "opens"),
    [
        ("refuse", "failed", False),
        ("after_failure", "fulfilled", False),
        ("after_failure", "failed", True),
        ("after_failure", "compensated", True),
        ("after_failure", "cancelled", True),
        ("allow", "fulfilled", True),
    ],
)
def test_a_start_after_the_end_follows_the_policy(finished: str, ended: str, opens: bool) -> None:
    """A reused key counts the next run."""
    story = Story(finished=finished)
    story.send(start())
    story.send(RunOver(1, ended))
    outcome = story.send(start())
    if opens:
        assert outcome == {"id": str(RUN_2), "run": 2, "created": True}
    else:
        assert outcome["code"] == "start.conflict"


def test_replacing_cancels_first_and_opens_at_the_end() -> None:
    """The start is held in the stream, so a crash in between loses nothing."""
    story = Story(running="replace")
    story.send(start(1))
    outcome = story.send(start(2))
    assert outcome == {"id": str(RUN_2), "run": 2, "created": False, "code": "start.replaced"}
    to, control = story.mail[-1]
    assert to == RUN_1
    assert isinstance(control, Control)
    assert control.action == "cancel"
    story.send(RunOver(1, "cancelled"))
    assert story.kinds[2:] == [StartHeld, RunEnded, RunOpened]
    to, opening = story.mail[-1]
    assert to == RUN_2
    assert isinstance(opening, Open)
    assert opening.input == {"n": 2}


def test_one_start_waits_at_most() -> None:
    """The same one again is the same answer; another is told to come back."""
    story = Story(running="replace")
    story.send(start(1))
    story.send(start(2))
    sent = len(story.mail)
    assert story.send(start(2))["code"] == "start.replaced"
    assert story.send(start(3))["code"] == "start.queue_full"
    assert len(story.mail) == sent


def test_a_refused_start_by_an_event_is_recorded() -> None:
    """The event was acknowledged; a refused request got its answer instead."""
    story = Story()
    story.send(start())
    story.send(start(2))
    assert story.kinds[-1] is RunOpened
    story.send(start(2, EVENT))
    assert story.kinds[-1] is StartRefused


def test_the_end_of_an_older_run_changes_nothing() -> None:
    """Only the latest run counts; other messages are nothing to it."""
    story = Story(finished="allow")
    story.send(start())
    story.send(RunOver(1, "fulfilled"))
    story.send(start())
    written = len(story.events)
    story.send(RunOver(1, "fulfilled"))
    story.send(Wake(1))
    assert len(story.events) == written
    assert story.state is not None
    assert story.state.running is not None


def test_a_stream_read_back_or_restored_from_a_snapshot_is_the_same() -> None:
    """After every event of a long story."""
    story = Story("replace", "allow")
    for message in (
        start(1),
        start(2, EVENT),
        RunOver(1, "cancelled"),
        RunOver(2, "failed"),
        start(3),
    ):
        story.send(message)
    mapper = event_mapper()
    state: Any = None
    for event in story.events:
        stored: Any = mapper.to_domain_event(mapper.to_stored_event(event))
        state = stored.mutate(state)
        snapshot: Any = mapper.to_domain_event(mapper.to_stored_event(SagaKeySnapshot.take(state)))
        state = snapshot.mutate(None)
    assert story.state is not None
    assert SagaKeySnapshot.take(state) == SagaKeySnapshot.take(story.state)


# --- an event that starts several sagas, each in a lane of its own -------------------------------

HOME = key_id("north", "acme")
ARRIVE = Arrive("north", "acme", EVENT, 60_000_000)
AUDIT = Start("north", "audit", 1, "hash", "acme", {"n": 1}, start_digest("audit", 1, 1), EVENT)


def carried(*others: Start, arrive: Arrive | None = ARRIVE) -> Start:
    """A start by an event, which goes on to the other starts and then to the waits of its key."""
    starts = [[str(saga_key_id(s.tenant, s.saga, s.key)), to_body(s)] for s in others]
    home = None if arrive is None else str(HOME)
    body = None if arrive is None else to_body(arrive)
    onward = {"starts": starts, "takers": [["other", "acme"]], "home": home, "arrive": body}
    return replace(start(event=EVENT), onward=onward)


def test_an_event_goes_from_saga_to_saga_and_then_to_its_key() -> None:
    """Who began with it, or will, took it: no wait of that saga may take it once more."""
    story = Story()
    story.send(carried(AUDIT))
    to, following = story.mail[-1]
    assert to == saga_key_id("north", "audit", "acme")
    assert isinstance(following, Start)
    assert following.onward == {
        "starts": [], "takers": [["other", "acme"], ["sale", "acme"]],
        "home": str(HOME), "arrive": to_body(ARRIVE),
    }  # fmt: skip
    last = Story()
    last.send(following)
    both = [["other", "acme"], ["sale", "acme"], ["audit", "acme"]]
    assert last.mail[-1] == (HOME, replace(ARRIVE, takers=both))


def test_a_start_that_is_refused_takes_no_event_and_one_that_waits_does() -> None:
    def takers(running: str, second: int) -> Any:
        story = Story(running)
        story.send(start())
        story.send(replace(carried(), input={"n": second}))
        to, arriving = story.mail[-1]
        assert to == HOME
        assert isinstance(arriving, Arrive)
        return arriving.takers

    assert takers("refuse", 2) == takers("deliver", 2) == [["other", "acme"]]
    assert takers("queue", 2) == [["other", "acme"], ["sale", "acme"]]


def test_an_event_for_which_nothing_may_wait_ends_with_its_last_start() -> None:
    story = Story()
    story.send(carried(arrive=None))
    assert [type(message) for _, message in story.mail] == [Open]


# --- starts that wait --------------------------------------------------------------------------


def test_more_starts_than_may_wait_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sk, "QUEUE_MAX", 2)
    story = Story(running="queue")
    codes = [story.send(start(n)).get("code") for n in range(4)]
    assert codes == [None, "start.queued", "start.queued", "start.queue_full"]


def test_the_child_of_a_parent_that_no_longer_wants_it_never_begins() -> None:
    """It leaves the line and its parent is told; a second word of the same changes nothing."""
    parent = {"id": str(RUN_2), "node": "kid", "ask": 1}
    story = Story(running="queue")
    story.send(start())
    story.send(replace(start(2), parent=parent))
    recall = Recall(str(RUN_2), "kid", 1)
    story.send(recall)
    assert story.state is not None
    assert story.state.waiting == ()
    assert story.mail[-1] == (RUN_2, ChildOver("kid", 1, "cancelled"))
    written, sent = len(story.events), len(story.mail)
    story.send(recall)
    assert (len(story.events), len(story.mail)) == (written, sent)


def test_a_child_that_was_to_replace_a_run_is_taken_back_and_nothing_replaces_it() -> None:
    parent = {"id": str(RUN_2), "node": "kid", "ask": 1}
    story = Story(running="replace")
    story.send(start())
    story.send(replace(start(2), parent=parent))
    story.send(Recall(str(RUN_2), "kid", 1))
    story.send(RunOver(1, "cancelled"))
    assert story.kinds.count(RunOpened) == 1

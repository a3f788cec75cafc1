"""The saga-key stream: all starts of one saga and key meet here."""

from typing import Any
from uuid import UUID

import pytest

from domain import saga_key as sk
from domain.events import Ctx, Event, RunEnded, RunOpened, SagaKeyOpened, StartHeld, StartRefused
from domain.ids import commitment_id, saga_key_id, start_digest
from domain.mapper import event_mapper
from domain.messages import Control, Message, Open, RunOver, Start, Wake
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

"""What the engine answers, as typed records. Members that a later engine adds are kept apart."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Generic

from pydantic import BaseModel, ConfigDict
from typing_extensions import TypeVar

__all__ = [
    "CurrentStep",
    "Decided",
    "HistoryEvent",
    "HistoryPage",
    "NodeState",
    "Page",
    "Registered",
    "Sent",
    "Started",
    "Steered",
    "WaitsFor",
]

ENDED = frozenset({"fulfilled", "compensated", "failed", "cancelled"})

Item = TypeVar("Item", default=dict[str, Any])


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class WaitsFor(_Answer):
    """What a node waits for: an event, a timer, an approval, a participant, a retry, ..."""

    node: str
    kind: str
    detail: str = ""
    until: datetime | None = None


class NodeState(_Answer):
    """Where one node is. `took_s` and `attempt` are known for steps."""

    model_config = ConfigDict(extra="allow", frozen=True)

    node: str
    state: str
    at: datetime | None = None
    took_s: float | None = None
    attempt: int | None = None


class CurrentStep(_Answer):
    """Which step a commitment is on, true for `position`."""

    id: str
    saga: str
    saga_version: int = 1
    definition: str = ""
    tenant: str = ""
    key: str
    run: int
    status: str
    step: str | None = None
    steps: list[str] = []
    since: datetime | None = None
    version: int
    events_taken: int = 0
    position: str
    started_at: datetime | None = None
    ended_at: datetime | None = None
    next_wakeup: datetime | None = None
    result: Any = None
    error: dict[str, Any] | None = None
    waits_for: list[WaitsFor] = []
    nodes: list[NodeState] = []
    undo: list[Any] = []
    debts: list[Any] = []
    approvals: list[Any] = []

    @property
    def ended(self) -> bool:
        """It is fulfilled, compensated, failed or cancelled."""
        return self.status in ENDED

    @property
    def ref(self) -> str:
        """How people name it: `saga/key#run`."""
        return f"{self.saga}/{self.key}#{self.run}"


class Result(_Answer):
    """What a node yielded: `status` is running, done (with `result`) or stopped.

    Stopped says that the commitment ended without it.
    """

    node: str
    status: str
    result: Any = None


class Started(_Answer):
    """A commitment that was started, or that runs already (`created` is false then).

    `until` is the node whose result the start waited for.
    """

    id: str
    key: str
    run: int
    status: str
    created: bool
    position: str | None = None
    until: Result | None = None


class Sent(_Answer):
    """An event that is durable. `follow` is where its commitment can be read."""

    event_id: str
    status: str = "accepted"
    position: str | None = None
    follow: str | None = None


class Registered(_Answer):
    """A definition as the engine keeps it; `created` is false when it was there already."""

    saga: str
    version: int
    hash: str
    created: bool


class Decided(_Answer):
    """A recorded decision. `missing` names the seats that are still wanted."""

    by: str
    actor_type: str
    digest: str
    recorded: str
    status: str
    missing: list[str] = []


class Steered(_Answer):
    """A control that was recorded."""

    status: str
    position: str | None = None


class HistoryEvent(_Answer):
    """One event of a commitment's stream, with the hashes that chain it."""

    model_config = ConfigDict(extra="allow", frozen=True)

    version: int
    type: str
    at: datetime
    node: str | None = None
    actor: str | None = None
    actor_type: str | None = None
    correlation: str | None = None
    causation: str | None = None
    trace: str | None = None
    position: str | None = None
    prev_sha256: str | None = None
    sha256: str | None = None
    text: str = ""
    data: dict[str, Any] = {}


class HistoryPage(_Answer):
    """Events in order; `next` is the version to ask after, None at the end."""

    events: list[HistoryEvent]
    next: int | None = None


class Page(_Answer, Generic[Item]):
    """A page of a list; `next` is the cursor of the next one, None at the end."""

    items: list[Item]
    next: str | int | None = None

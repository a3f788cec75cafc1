"""What store tests are made of: events, dispatches, mail and one-line transactions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol
from uuid import UUID, uuid5

from eventsourcing.persistence import StoredEvent

from domain.chain import GENESIS, event_hash
from domain.messages import Mail, Wake
from domain.ports import Dispatch, LaneBelief, LaneWrite, Store, Transaction, ViewRow

CTX: dict[str, str | None] = {"tenant": "north", "actor": "a", "actor_type": "human"}
SECOND = 1_000_000
LEASE = 30 * SECOND
_SPACE = UUID("6ba7b812-9dad-11d1-80b4-00c04fd430c8")


class World(Protocol):
    """A store of the kind under test, with what only its kind knows how to do."""

    def open(self) -> Store:
        """Open the one store of this test, again after `close`."""
        ...

    def take_over(self, lane: int) -> None:
        """Claim the lane behind the owner's back."""
        ...

    def log(self, lane: int) -> list[tuple[int, UUID, int]]:
        """Position, stream and version of every committed event, in order, read from outside."""
        ...

    def values(self, table: str, column: str) -> list[Any]:
        """The committed values of a column."""
        ...

    def doubt(self, until_us: int, restored_us: int = 0) -> None:
        """Let the store doubt until then, as one that was put back at `restored_us`."""
        ...


def stream(name: str) -> UUID:
    """A stream id that is the same in every run."""
    return uuid5(_SPACE, name)


def effect(name: str) -> str:
    """An effect id that is the same in every run."""
    return (uuid5(_SPACE, name).hex * 2)[:64]


def event(name: str, version: int, state: bytes = b"{}", topic: str = "node.done") -> StoredEvent:
    return StoredEvent(stream(name), version, topic, state)


def events(*wanted: StoredEvent, after: bytes = GENESIS) -> LaneWrite:
    """A write of events, each with the hash of its predecessor in `wanted` (or `after`)."""
    write = LaneWrite()
    last: dict[Any, bytes] = {}
    for one in wanted:
        prev = last.get(one.originator_id, after)
        key = one.originator_id.bytes if isinstance(one.originator_id, UUID) else b""
        last[one.originator_id] = event_hash(
            prev, key, one.originator_version, one.topic, one.state
        )
        write.events.append(one)
        write.prevs.append(prev)
    return write


def commit(store: Store, write: LaneWrite, *, clock_us: int = 1) -> LaneBelief:
    """One whole transaction on lane 0."""
    transaction = store.begin(store.belief(0))
    (after,) = transaction.write(write, clock_us=clock_us)
    transaction.commit()
    return after


def ask(store: Store, question: Callable[[Transaction], Any]) -> Any:
    """The answer of an open transaction, which is committed."""
    transaction = store.begin(store.belief(0))
    answer = question(transaction)
    transaction.commit()
    return answer


def dispatch(
    name: str,
    *,
    tenant: str = "north",
    participant: str = "crm",
    contract: str = "crm/create@1",
    attempt: int = 1,
    position: int = 1,
    needs_start: bool = False,
    start_by_us: int | None = None,
    timeout_us: int = 60 * SECOND,
    not_after_us: int | None = None,
    heartbeat_us: int | None = None,
) -> Dispatch:
    """An attempt of an effect named `name`, of the stream with that name."""
    beats = {} if heartbeat_us is None else {"heartbeat_us": heartbeat_us}
    return Dispatch(
        effect(name), stream(name), tenant, participant, contract, "do", attempt, position,
        {"args": {"name": name}, **beats}, needs_start, start_by_us, timeout_us, not_after_us,
    )  # fmt: skip


def mail(name: str, *, tenant: str = "north", root: int = 0, due_us: int = 5) -> Mail:
    return Mail(stream(name), tenant, Wake(due_us), CTX, 7, root)


def step_row(name: str, version: int, **changed: Any) -> ViewRow:
    """A current-step row of the commitment named `name`."""
    columns: dict[str, Any] = {
        "tenant": "north", "saga": "loan", "key": name, "run": 1, "status": "open", "step": "check",
        "version": version, "lane": 0, "position": 1, "since_us": 1, "body": {"nodes": []},
    }  # fmt: skip
    return ViewRow("current_steps", {"commitment": stream(name)}, {**columns, **changed})

"""What the engine's store wrote is read by the library's repositories and subscriptions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from eventsourcing.application import AggregateNotFoundError, Application
from eventsourcing.persistence import OperationalError

from adapters.sqlite import SqliteStore
from domain.commitment import Commitment, CommitmentSnapshot
from domain.events import CommitmentOpened, CommitmentPaused
from domain.ids import commitment_id
from domain.mapper import event_mapper
from domain.ports import StoreFailed
from tests.contract.store_world import events

COMMITMENT = commitment_id("north", "loan", "k1", 1)
MODULE = {"PERSISTENCE_MODULE": "adapters.sqlite.factory"}


class Promises(Application[UUID]):
    """An application that knows nothing of troth but its aggregate."""

    snapshot_class = CommitmentSnapshot


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'troth.db'}"


@pytest.fixture
def store(url: str) -> Iterator[SqliteStore]:
    opened = SqliteStore.open(url, now_us=1)
    yield opened
    opened.close()


@pytest.fixture
def open_application(url: str) -> Iterator[Callable[..., Promises]]:
    opened: list[Promises] = []

    def application(**env: str) -> Promises:
        opened.append(Promises({**MODULE, "STORE_URL": url, **env}))
        return opened[-1]

    yield application
    for one in opened:
        one.close()


def make(cls: Any, version: int, **members: Any) -> Any:
    at = datetime(2026, 11, 30, tzinfo=UTC)
    ctx = {"tenant": "north", "actor": "ann", "actor_type": "human"}
    return cls(COMMITMENT, version, at, ctx=ctx, **members)


OPENED = make(
    CommitmentOpened, 1, originator_topic="commitment", tenant="north", saga="loan",
    saga_version=1, definition="d", key="k1", run=1, input={"amount": 5},
)  # fmt: skip
PAUSED = make(CommitmentPaused, 2, reason="lunch")


def write(store: SqliteStore, *wanted: Any) -> bytes:
    """Append events as the engine's loop does; the answer is the hash of the stream."""
    transaction = store.begin(store.belief(0))
    found = transaction.load(COMMITMENT)
    mapper = event_mapper()
    batch = events(*map(mapper.to_stored_event, wanted), after=found.hash)
    transaction.write(batch, clock_us=1)
    transaction.commit()
    last = store.begin(store.belief(0))
    known = last.load(COMMITMENT).hash
    last.rollback()
    return known


def test_a_repository_loads_a_commitment_beside_the_engine(
    store: SqliteStore, open_application: Callable[..., Promises]
) -> None:
    write(store, OPENED, PAUSED)
    repository = open_application().repository
    found: Commitment = repository.get(COMMITMENT)
    assert (found.version, found.key, found.input) == (2, "k1", {"amount": 5})
    assert found.paused
    earlier: Commitment = repository.get(COMMITMENT, version=1)
    assert not earlier.paused
    with pytest.raises(AggregateNotFoundError):
        repository.get(commitment_id("north", "loan", "other", 1))


def test_the_log_is_followed_while_the_engine_writes(
    store: SqliteStore, open_application: Callable[..., Promises]
) -> None:
    write(store, OPENED)
    with open_application().recorder.subscribe(gt=0) as subscription:
        assert next(subscription).topic == "commitment.opened"
        # The store itself writes, so nobody wakes the subscription: it looks again.
        write(store, PAUSED)
        assert next(subscription).id == 2


def test_an_application_only_reads_unless_it_is_told_otherwise(
    store: SqliteStore, open_application: Callable[..., Promises]
) -> None:
    with pytest.raises(OperationalError):
        open_application().recorder.insert_events([])


def test_an_application_cannot_write_beside_the_engine(
    store: SqliteStore, open_application: Callable[..., Promises]
) -> None:
    with pytest.raises(StoreFailed) as failed:
        open_application(STORE_WRITABLE="yes")
    assert failed.value.alias == "store.locked"


def test_a_store_that_is_not_there_is_named(open_application: Callable[..., Promises]) -> None:
    with pytest.raises(OperationalError, match=r"troth\.db"):
        open_application()


def test_without_a_url_there_is_no_application() -> None:
    with pytest.raises(OSError, match="STORE_URL"):
        Promises(MODULE)


def test_a_snapshot_stands_for_an_event_of_the_chain(
    url: str, store: SqliteStore, open_application: Callable[..., Promises]
) -> None:
    known = write(store, OPENED, PAUSED)
    store.close()
    writing = open_application(STORE_WRITABLE="yes", IS_SNAPSHOTTING_ENABLED="yes")
    writing.take_snapshot(COMMITMENT)
    found: Commitment = writing.repository.get(COMMITMENT)
    assert found.paused
    writing.close()
    again = SqliteStore.open(url, now_us=1)
    loaded = again.begin(again.belief(0)).load(COMMITMENT)
    again.close()
    assert loaded.snapshot is not None
    assert (loaded.version, loaded.hash, list(loaded.events)) == (2, known, [])

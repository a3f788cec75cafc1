"""All engines of a world on their store: one on a file, or several that share lanes."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from adapters.sql.restoring import mark
from adapters.sqlite import SqliteStore
from consumers.limits import LaneLimits
from consumers.owned import Owned
from consumers.registry import Registry
from consumers.streams import Entry
from domain.cluster import Cluster
from domain.ports import LaneBelief, Store
from domain.requests import Request
from tests.simulation.core import Decided
from tests.simulation.dice import Dice
from tests.simulation.engine import Engine
from tests.simulation.loop import SimLoop
from tests.simulation.network import Unreachable
from tests.simulation.shared import SILENCE_MAX_US, SharedCluster, SharedDatabase, SharedStore
from tests.simulation.store import Leases
from tests.simulation.surroundings import compiled
from tests.simulation.torn import Torn, tear

__all__ = ["Fleet"]

Json = Any
NOTICE_S = SILENCE_MAX_US / 1_000_000 + 1
"""A process that fell silent is noticed by the others within this time."""
BEAT_S = 1.0
TOLD_S_MAX = 0.05
POLL_S = 1.0
_DOCUMENT = "SELECT document FROM definitions WHERE hash = ?"


class Fleet:
    """Fills `engine.Home`. `stepped` is called after every round of any engine.

    `noted` gets what an operator's log would say, `answered` every answer that leaves. `lanes` is
    None for one engine on the file `path`, else how many lanes `count` engines share.
    """

    def __init__(
        self, loop: SimLoop, dice: Dice, path: Path, limits: LaneLimits,
        *, lanes: int | None, count: int, stepped: Callable[[], None],
        noted: Callable[[str, Json], None], answered: Callable[[Request, Json], None],
    ) -> None:  # fmt: skip
        self._loop = loop
        self._dice = dice
        self._path = path
        self._stepped = stepped
        self._noted = noted
        self._answered = answered
        self.leases = Leases()
        self.decided: Decided = {}
        self.broken_until_us: dict[UUID, int] = {}
        self.unlike: str | None = None
        self.overtaken: str | None = None
        self.restores = 0
        self.is_restored = False
        self.registry = Registry(compiled)
        self._learned: set[bytes] = set()
        self._silent: dict[str, int | None] = {}
        self._database = None if lanes is None else SharedDatabase(lanes, path.read_bytes())
        self.lanes = lanes or 1
        self.engines = [
            Engine(f"engine-{n}", loop, dice, limits, self) for n in range(count if lanes else 1)
        ]

    # --- as one engine, to everybody outside -----------------------------------------------------

    @property
    def is_up(self) -> bool:
        """Whether the store can be looked at."""
        return self._database is not None or self.engines[0].is_up

    @property
    def connection(self) -> sqlite3.Connection:
        """For whoever watches."""
        if self._database is not None:
            return self._database.connection
        store: Any = self.engines[0].store
        return store.connection

    @property
    def parked(self) -> list[UUID]:
        """Streams that were set aside."""
        rows = self.connection.execute("SELECT stream FROM parked_streams ORDER BY stream")
        return [UUID(bytes=stream) for (stream,) in rows]

    @property
    def lives(self) -> int:
        """Of all engines."""
        return sum(engine.lives for engine in self.engines)

    def open(self) -> None:
        """Start every engine."""
        for engine in self.engines:
            engine.open()
        self._unrest(0.0)

    def close(self) -> None:
        """The end of the simulation."""
        self._dice.calm()
        for engine in self.engines:
            engine.close()

    async def submit(self, request: Request) -> Json:
        """Ask any of them. Raises Unreachable."""
        engine = self.engines[0] if len(self.engines) == 1 else self._dice.pick(self.engines)
        return await engine.submit(request)

    def learn(self) -> None:
        """Know every definition that is registered, for whoever watches."""
        for (hash_,) in self.connection.execute("SELECT hash FROM definitions").fetchall():
            if hash_ in self._learned:
                continue
            self._learned.add(hash_)
            if self.registry.by_hash(hash_.hex()) is None:
                document = self.connection.execute(_DOCUMENT, (hash_,)).fetchone()[0]
                self.registry.add(orjson.loads(document), hash_.hex())

    def viewing(self) -> Store:
        """A store through which a watcher reads. Raises Unreachable."""
        if self._database is not None:
            return SharedStore(self._database, "watcher", lambda _: None)
        if not self.engines[0].is_up:
            raise Unreachable("the engine is down")
        return self.engines[0].store

    def cached(self, streams: Iterable[UUID]) -> dict[UUID, Entry]:
        """What engines hold of these streams, of those that believe what is so."""
        found: dict[UUID, Entry] = {}
        for engine in self.engines:
            owned = engine.lane._owned if engine.is_up else None
            if owned is not None and self._is_so(owned):
                held = engine.lane._parts.streams._entries
                found.update((id_, held[id_]) for id_ in streams if id_ in held)
        return found

    def _is_so(self, owned: Owned) -> bool:
        rows = self.connection.execute("SELECT lane, epoch, head FROM lanes").fetchall()
        now = {lane: (epoch, head) for lane, epoch, head in rows}
        return all(now[b.lane] == (b.epoch, b.head) for b in owned.beliefs.values())

    def beliefs(self) -> list[LaneBelief]:
        """Of the only lane of a file; reading on a shared store needs none."""
        return [] if self._database is not None else [self.viewing().belief(0)]

    @contextmanager
    def put_back(
        self, copy: bytes, doubt_us: int, down_s_max: float
    ) -> Iterator[sqlite3.Connection]:
        """Every process dies, the store is as it was, and is told so; what it holds by then."""
        for engine in self.engines:
            if engine.is_up:
                usual_s, engine.down_s_max = engine.down_s_max, down_s_max
                engine.crash(None)
                engine.down_s_max = usual_s
        self.restores += 1
        if self._database is not None:
            db = self._database.connection
            # Not deserialized into it: statements that were prepared would go on with old tables.
            with closing(sqlite3.connect(":memory:")) as backup:
                backup.deserialize(copy)
                backup.backup(db)
        else:
            for end in ("-wal", "-shm"):
                Path(f"{self._path}{end}").unlink(missing_ok=True)
            self._path.write_bytes(copy)
            db = sqlite3.connect(self._path, isolation_level=None)
        now_us = self._loop.now_us()
        db.execute("BEGIN")
        mark(
            lambda sql, values: db.execute(sql, values).rowcount,
            lambda sql: int(db.execute(sql).fetchone()[0]),
            true="1", now_us=now_us, doubt_until_us=now_us + doubt_us,
        )  # fmt: skip
        db.execute("COMMIT")
        yield db
        if self._database is None:
            db.close()

    # --- around each engine ----------------------------------------------------------------------

    def open_store(self, engine: Engine) -> Store:
        """A connection of a new process."""
        if self._database is None:
            url = f"sqlite:///{self._path}"
            store: Store = SqliteStore.open(url, now_us=self._loop.now_us(), durable=False)
            return store
        shared: Any = SharedStore(self._database, engine.process, self._told)
        return shared

    def cluster(self, engine: Engine) -> Cluster | None:
        """Who owns what, as a new process sees it."""
        if self._database is None:
            return None
        return SharedCluster(self._database, engine.process, self._loop.now_us, self._silent)

    def settled(self) -> None:
        """Lanes changed hands: the others see it with their next heartbeat."""
        self._unrest(0.0)

    def crashed(self, engine: Engine, crash: BaseException | None) -> None:
        """A process is gone, and with it what was not committed."""
        if isinstance(crash, Torn) and self._database is None:
            tear(self._path, engine.store, crash, self._dice.random)
        else:
            engine.store.close()
        self._silent[engine.process] = self._loop.now_us()
        self._unrest(NOTICE_S)

    def silent(self, engine: Engine, until_s: float) -> None:
        """A process is stopped; it will go on as if nothing had been."""
        if self._database is None:
            return
        self._silent[engine.process] = self._loop.now_us()
        self._unrest(NOTICE_S)
        self._loop.call_at(until_s, self._unrest, 0.0)

    def meanwhile(self, engine: Engine) -> None:
        """While one process stands still within a transaction the others take over and go on."""
        self._silent[engine.process] = self._loop.now_us() - SILENCE_MAX_US - 1
        for other in self.engines:
            if other is not engine and other.is_up:
                other.look()
                other.round()
        self._unrest(NOTICE_S)

    def noted(self, action: str, what: Json) -> None:
        """What an operator's log would say."""
        self._noted(action, what)

    def answered(self, request: Request, answer: Json) -> None:
        """An answer leaves."""
        self._answered(request, answer)

    def stepped(self) -> None:
        """A round was committed."""
        if self._database is None or not self._database.connection.in_transaction:
            self._stepped()

    def _unrest(self, after_s: float) -> None:
        """Heartbeats show a change: every process looks at the others."""
        if self._database is None:
            return
        for engine in self.engines:
            self._loop.call_later(after_s + self._dice.between(0, 1), self._look, engine)

    def _look(self, engine: Engine) -> None:
        """A heartbeat; while a lane has nobody who serves it the next one matters too."""
        view = engine.look()
        if view is not None and any(s.owner == "" or s.is_overdue for s in view.lanes):
            self._loop.call_later(BEAT_S, self._look, engine)

    def _told(self, told: set[tuple[str, str]]) -> None:
        for kind, what in sorted(told):
            lost = self._dice.hits("notice lost")
            after_s = POLL_S if lost else self._dice.between(0, TOLD_S_MAX)
            for engine in self._whom(kind, what):
                self._loop.call_later(after_s, engine.poke, kind, what)

    def _whom(self, kind: str, what: str) -> list[Engine]:
        if kind == "answer":
            return [e for e in self.engines if e.process == what]
        if kind == "lane":
            return [e for e in self.engines if e.is_up and int(what) in e.lane.lanes] or [
                e for e in self.engines if e.is_up
            ]
        return self.engines

"""For tests of copies: sagas half way in every manner, and what any store of theirs holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson
import psycopg

from adapters.postgres import PostgresCluster, PostgresStore
from adapters.sql.copying import TABLES
from domain.chain import event_hash
from domain.ids import commitment_id, lane_of
from domain.ports import Asked
from domain.requests import (
    ControlRequest,
    DecideRequest,
    HeartbeatsRequest,
    StartsRequest,
)
from engine.offline import is_postgres, open_offline
from tests.integration.lane_places import SqlitePlace
from tests.integration.lane_world import (
    ACTIVATE,
    CREATE,
    NORTH,
    OPERATOR,
    SECOND_US,
    WORKER,
    World,
    contract,
    sale,
)

MANAGER = Asked("north", "mia", "human", ("approver",), ("manager",))
UNDO = f"{CREATE}:undo"
KEYS = ("offered", "begun", "waits", "asked", "held", "paying", "owes", "ended")
PROCESS = "p1"


def gated() -> dict[str, Any]:
    """The sale with an R2 step that a manager allows; nobody can undo or ask about it."""
    document = sale()
    command = {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]}
    step = {"node": "step", "name": "pay", "contract": ACTIVATE, "unknown": "ask",
            "args": {"id": "results.create.id"}, "irreversible": "accepted",
            "why": "money"}  # fmt: skip
    approve = {"node": "approve", "name": "boss", "level": "A1", "within": "3d", "flow": [step]}
    told = {"node": "emit", "name": "told", "type": "sale.paid", "key": "input.company",
            "data": "{'company': input.company}"}  # fmt: skip
    create, wait, end = document["flow"]
    events = {**document["events"],
              "sale.paid": {**document["events"]["signed"]}}  # fmt: skip
    pay = contract("crm", command, {}, A="A1", R="R2")
    return {
        **document, "flow": [create, wait, approve, told, end], "events": events,
        "contracts": {**document["contracts"], ACTIVATE: pay},
    }  # fmt: skip


@dataclass
class DatabasePlace:
    """A store that is there already, on PostgreSQL; this process takes every lane."""

    url: str
    lanes: int
    process: str = PROCESS

    def __post_init__(self) -> None:
        self.mine: Sequence[int] = range(self.lanes)
        self._store: Any = None
        self._cluster = PostgresCluster(
            self.url, process=PROCESS, backend=lambda: self._store.backend
        )

    def open(self, now_us: int) -> PostgresStore:
        self._store = PostgresStore.open(self.url, process=PROCESS)
        for lane in self.mine:
            assert self._cluster.claim(lane) is not None
        return self._store

    def rows(self, sql: str, values: Sequence[Any]) -> list[Any]:
        with psycopg.connect(self.url) as db:
            return db.execute(sql.replace("?", "%s").encode(), values).fetchall()

    def leave(self) -> None:
        self._cluster.leave()


@dataclass
class Deals:
    """A world with commitments of every kind, and the participant's books: acts by effect."""

    world: World
    books: Counter[str] = field(default_factory=Counter[str])
    old: dict[str, Any] = field(default_factory=dict[str, Any])
    """Claims that were given out before a copy, by key."""

    def moved_to(self, place: Any) -> Deals:
        """The same world, going on with another store; its participant remembers what it did."""
        world = World(place, now_us=self.world.now_us, sent=self.world.sent)
        return Deals(world, deepcopy(self.books), self.old)

    def close(self) -> None:
        self.world.close()
        if isinstance(self.world.place, DatabasePlace):
            self.world.place.leave()

    def claims(self) -> dict[tuple[str, str], Any]:
        """Everything that is offered, by key and contract."""
        found = self.world.claim(limit=100)
        return {(claim["key"], claim["contract"]): claim for claim in found}

    def begin(self, claim: Any) -> str:
        """Ask whether one may act."""
        item = {"effect": claim["effect"], "token": claim["token"]}
        return self.world.ask(StartsRequest(NORTH, WORKER, (item,)))["results"][0]["status"]

    def act(self, claim: Any) -> None:
        """Do it; who honours the key does a repeated effect once."""
        if not (claim["repeated"] and self.books[claim["effect"]]):
            self.books[claim["effect"]] += 1

    def perform(self, claim: Any, outcome: str = "done", **more: Any) -> str:
        if not claim["started"]:
            assert self.begin(claim) == "started"
        if outcome == "done":
            self.act(claim)
        return self.world.reply(claim, outcome, **more)["status"]

    def decide(self, key: str) -> None:
        stream = self.world.id(key)
        (approval,) = self.world.step(key)["approvals"]
        rows = self.world.rows("SELECT body FROM approvals WHERE id = ?", approval)
        digest = orjson.loads(rows[0][0])["digest"]
        request = DecideRequest(MANAGER, stream, approval, "approve", digest, "seen")
        assert self.world.ask(request)["status"] == "granted"

    def prepare(self) -> None:
        """Bring each key to where its name says, and leave events and letters lying about."""
        world = self.world
        world.register(gated())
        for key in KEYS:
            world.publish("applied", key)
        claims = self.claims()
        for key in KEYS[2:]:
            assert self.perform(claims[key, CREATE]) == "recorded"
        self.act(claims["begun", CREATE])
        self.old["begun"] = claims["begun", CREATE]
        # What is given back is offered again when its lease is over.
        self.old["offered"] = claims["offered", CREATE]
        for key in ("asked", "held", "paying", "ended"):
            world.publish("signed", key)
        for key in ("held", "paying", "ended"):
            self.decide(key)
        claims = self.claims()
        assert self.perform(claims["ended", ACTIVATE], result={}) == "recorded"
        assert self.begin(claims["paying", ACTIVATE]) == "started"
        self.act(claims["paying", ACTIVATE])
        self.old |= {key: claims[key, ACTIVATE] for key in ("held", "paying")}
        world.control("cancel", world.id("owes"))
        owed = self.claims()["owes", UNDO]
        assert self.perform(owed, "failed", code="refused") == "recorded"
        world.publish("signed", "early")
        world.publish("signed", data={"company": 7})
        assert world.step("owes")["status"] == "in_debt"
        assert (world.count("parked_events"), world.count("dead_letters")) == (1, 1)

    def settle(self, key: str, node: str, **more: Any) -> None:
        request = ControlRequest(
            OPERATOR, self.world.id(key), "settle", "seen", node, evidence={"bank": 1}, **more
        )
        answer = self.world.ask(request)
        assert "status" in answer, answer

    def finish(self) -> dict[str, Any]:
        """Go on to the end: by key the status, and how often each effect was done."""
        world, paying = self.world, self.old["paying"]
        world.later(3 * 60 * SECOND_US)
        # A lease that ran out is a moment to look again.
        world.later(10 * SECOND_US)
        assert [w["kind"] for w in world.step("paying")["waits_for"]] == ["unknown"]
        claims = self.claims()
        assert paying["effect"] not in {claim["effect"] for claim in claims.values()}
        assert set(claims) == {
            ("offered", CREATE), ("begun", CREATE), ("held", ACTIVATE),
        }  # fmt: skip
        for (_, name), claim in claims.items():
            more = {} if name == CREATE else {"result": {}}
            assert self.perform(claim, "done", **more) == "recorded"
        self.settle("paying", "boss/pay", outcome="done", result={})
        self.settle("owes", "create", outcome="done")
        world.publish("applied", "early")
        assert self.perform(self.claims()["early", CREATE]) == "recorded"
        for key in ("offered", "begun", "waits"):
            world.publish("signed", key)
        for key in ("offered", "begun", "waits", "early", "asked"):
            self.decide(key)
        for claim in self.claims().values():
            assert self.perform(claim, result={}) == "recorded"
        assert self.claims() == {}
        ends = {key: world.step(key)["status"] for key in (*KEYS, "early")}
        return {"ends": ends, "books": dict(self.books), "letters": world.count("dead_letters")}

    def old_tokens(self) -> dict[str, str]:
        """What workers of the time before hear: to heartbeats, and to a start."""
        said: dict[str, str] = {"held": self.begin(self.old["held"])}
        for key in ("begun", "paying"):
            item = {"effect": self.old[key]["effect"], "token": self.old[key]["token"]}
            beat = self.world.ask(HeartbeatsRequest(NORTH, WORKER, (item,)))
            said[key] = beat["results"][0]["status"]
        return said


def sqlite_deals(path: Any) -> Deals:
    """A file with deals half way, closed."""
    deals = Deals(World(SqlitePlace(path)))
    deals.prepare()
    deals.close()
    return deals


# --- what a store holds --------------------------------------------------------------------------

_PLACED = ("lane", "position")
_OF_ONE_KIND = ("pushed_us", "asker", "ask")


def picture(url: str) -> dict[str, Any]:
    """All that must be the same in every copy: streams by hash, and rows without their places."""
    with closing(open_offline(url)) as store:
        tables: dict[str, Any] = {"streams": _streams(store)}
        for table, key in TABLES.items():
            columns = _columns(url, table)
            if not columns:
                continue
            kept = [
                name for name in columns
                if name not in _OF_ONE_KIND and (name not in _PLACED or table == "parked_events")
            ]  # fmt: skip
            rows = store.each(f"SELECT {', '.join(kept)} FROM {table} ORDER BY {key}")
            state = kept.index("state") if table == "snapshots" else None
            tables[table] = [
                tuple(store.state(v) if n == state else v for n, v in enumerate(row))
                for row in rows
            ]
        return tables


def _columns(url: str, table: str) -> Sequence[str]:
    from adapters.postgres import tables as postgres
    from adapters.sqlite import tables as sqlite

    found = (postgres if is_postgres(url) else sqlite).metadata.tables.get(table)
    return () if found is None else sorted(column.name for column in found.columns)


def _streams(store: Any) -> dict[bytes, list[Any]]:
    """Version, topic, state and hash of every event, by stream."""
    found: dict[bytes, list[Any]] = {}
    for lane in store.lanes():
        for row in store.rows(lane.lane):
            known = event_hash(row.prev, row.stream, row.version, row.topic, row.state)
            found.setdefault(row.stream, []).append((row.version, row.topic, row.state, known))
    return found


def misplaced(url: str) -> list[str]:
    """Rows whose lane or position is not where they belong: there must be none."""
    with closing(open_offline(url)) as store:
        lanes = len(store.lanes())
        events = {
            (lane.lane, row.position): (row.stream, row.version)
            for lane in store.lanes()
            for row in store.rows(lane.lane)
        }
        wrong = [
            f"event {place}" for place, (stream, _) in events.items()
            if lane_of(UUID(bytes=stream), lanes) != place[0]
        ]  # fmt: skip
        for table in ("timers", "inbox", "snapshots", "parked_streams"):
            for lane, stream in store.each(f"SELECT lane, stream FROM {table}"):
                if lane_of(UUID(bytes=stream), lanes) != lane:
                    wrong.append(f"{table} {stream.hex()}")
        steps = store.each("SELECT lane, position, commitment, version FROM current_steps")
        wrong += [
            f"step of {stream.hex()}" for lane, position, stream, version in steps
            if events.get((lane, position)) != (stream, version)
        ]  # fmt: skip
        intents = store.each("SELECT lane, position, stream FROM dispatches")
        wrong += [
            f"dispatch of {stream.hex()}" for lane, position, stream in intents
            if events.get((lane, position), (b"",))[0] != stream
        ]  # fmt: skip
        return wrong


def id_of(key: str) -> UUID:
    return commitment_id("north", "sale", key, 1)

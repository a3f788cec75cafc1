"""Two tenants on one engine: the same keys, sagas and ids, and each pries into what is the other's.

No answer, claim, stream or view of one may show or change anything of the other's.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from adapters.sql.reader import SqlReader
from adapters.sqlite.reader import SqliteReader
from consumers.work import ANY_TENANT
from domain.commitment import Commitment
from domain.errors import Refusal
from domain.ports import Asked
from domain.requests import (
    ClaimRequest,
    ControlRequest,
    DecideRequest,
    HeartbeatsRequest,
    Publish,
    RepliesRequest,
    StartsRequest,
    UpdateRequest,
)
from tests.simulation.dice import Dice
from tests.simulation.fleet import Fleet
from tests.simulation.ledger import is_late
from tests.simulation.network import Network, Unreachable
from tests.simulation.observer import Observer, Violation
from tests.simulation.people import People

__all__ = ["Connected", "Neighbours"]

Json = Any
ROLES = ("producer", "operator", "participant", "approver", "reader")
SEATS = ("function_head", "manager", "legal", "finance", "executive", "board")
PAGE = 200
NOT_GIVEN = {"refused", "lost", "fenced"}
"""What becomes of an item of work that is the other tenant's."""
_HELD = (
    "SELECT effect, worker, attempt, kind FROM dispatches WHERE tenant = ? AND state <> 'offered'"
)


class World(Protocol):
    """What is looked at."""

    engine: Fleet
    observer: Observer
    network: Network
    crowds: dict[str, People]


@dataclass(frozen=True, slots=True)
class Connected:
    """Fills `adapters.sql.reads.Reads` on the connection of whoever watches."""

    db: sqlite3.Connection

    def rows(self, sql: str, values: Any = ()) -> list[Any]:
        return self.db.execute(sql, values).fetchall()

    def row(self, sql: str, values: Any = ()) -> Any:
        return self.db.execute(sql, values).fetchone()

    def core(self, query: Any) -> list[Any]:
        from sqlalchemy.dialects import sqlite

        dialect = sqlite.dialect(paramstyle="named")
        compiled = query.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
        return self.rows(str(compiled), dict(compiled.params))

    def id(self, stream: UUID) -> bytes:
        return stream.bytes

    def state(self, stored: bytes) -> bytes:
        return stored

    def close(self) -> None:
        """It belongs to somebody else."""


class _Reader(SqliteReader):
    """The real one, on a connection that is open."""

    def __init__(self, db: sqlite3.Connection) -> None:
        SqlReader.__init__(self, Connected(db), lambda topic, _: topic)


class Neighbours:
    """Watches the border between tenants; nothing where there is only one."""

    def __init__(self, tenants: Sequence[str], dice: Dice, world: World) -> None:
        self._tenants = tenants if len(tenants) > 1 else ()
        self._dice = dice
        self._world = world
        self._given: list[tuple[str, str]] = []

    def machines(self) -> list[str]:
        """Whose work each machine does: its tenant's, perhaps one more for all of them."""
        shared = [ANY_TENANT] if self._tenants and self._dice.chance(0.4) else []
        return [*self._tenants, *shared]

    def pry(self, pace: float) -> Iterator[Coroutine[Any, Any, None]]:
        """What the people of each tenant do that means no good."""
        for mine, other in zip(self._tenants, reversed(self._tenants), strict=True):
            yield self._pry(mine, other, pace)

    async def _pry(self, mine: str, other: str, pace: float) -> None:
        dice = self._dice
        asked = Asked(mine, "mallory", "human", ROLES, SEATS)
        actions = [self._work, self._work, self._steer, self._decide, self._send, self._read]
        while not dice.is_calm:
            await asyncio.sleep(dice.between(3, 60) * pace)
            if self._world.engine.is_up:
                await dice.pick(actions)(asked, other)

    # --- what is watched all the time ------------------------------------------------------------

    def note(self, request: Any, answer: Json) -> None:
        """An answer leaves: work is given only to who may do it."""
        if (
            not self._tenants
            or not isinstance(request, ClaimRequest)
            or isinstance(answer, Refusal)
        ):
            return
        self._given += [(request.asked.tenant, claim["commitment"]) for claim in answer["claims"]]

    def step(self) -> None:
        """Raises Violation. By now the streams are known of which work was given."""
        given, self._given = self._given, []
        for tenant, commitment in given:
            shadow = self._world.observer.streams.get(UUID(commitment))
            whose = None if shadow is None else shadow.state.tenant
            if tenant not in (ANY_TENANT, whose):
                raise Violation("tenants", f"{tenant} was given work of {whose}: {commitment}")

    def check_end(self) -> None:
        """Every event, view and letter is that of its stream's tenant. Raises Violation."""
        if not self._tenants:
            return
        for id_, shadow in self._world.observer.streams.items():
            whose = getattr(shadow.state, "tenant", None)
            for _, event in shadow.events:
                if event.ctx["tenant"] != whose:
                    told = f"{id_} of {whose} has {type(event).__name__} of {event.ctx['tenant']}"
                    raise Violation("tenants", told)
        for tenant in self._tenants:
            self._look(tenant)

    # --- what they try ---------------------------------------------------------------------------

    async def _ask(self, request: Any) -> Json:
        """The answer; None where there is none, or where it says no."""
        try:
            answer = await self._world.network.ask(request)
        except Unreachable:
            return None
        return None if isinstance(answer, Refusal) or is_late(answer) else answer

    def _wrong(self, what: str) -> None:
        next(iter(self._world.crowds.values())).wrong.append(f"tenants: {what}")

    async def _work(self, asked: Asked, other: str) -> None:
        """Start, hold or answer what a worker of the other has: with its name and its token."""
        dice, leases = self._dice, self._world.engine.leases
        rows = self._world.engine.connection.execute(_HELD, (other,)).fetchall()
        if not rows:
            return
        effect, worker, attempt, kind = dice.pick(rows)
        key = effect.hex()
        commitment = next(
            (str(c.id) for c in self._theirs(other) if key in c.effects), str(UUID(int=0))
        )
        item = {
            "effect": key, "attempt": attempt, "token": leases.current.get(key, "1.0.1.1"),
            "kind": kind, "commitment": commitment, "outcome": "failed", "code": "nope",
        }  # fmt: skip
        asks: Any = dice.pick([StartsRequest, HeartbeatsRequest, RepliesRequest])
        answer = await self._ask(asks(asked, worker or "nobody", (item,)))
        if answer is not None and answer["results"][0]["status"] not in NOT_GIVEN:
            self._wrong(f"{asked.tenant} got {answer} to {asks.__name__} of {other}'s {item}")

    async def _steer(self, asked: Asked, other: str) -> None:
        """Cancel, pause or change a commitment of the other."""
        there = self._theirs(other)
        if not there:
            return
        c = self._dice.pick(there)
        action = self._dice.pick(["cancel", "pause", "resume", "retry", "release", "update"])
        if action == "update":
            answer = await self._ask(UpdateRequest(asked, c.id, "change", "u1", {}))
        else:
            answer = await self._ask(ControlRequest(asked, c.id, action, "because"))
        if answer is not None:
            self._wrong(f"{asked.tenant} did {action} to {c.saga} {c.key} of {other}: {answer}")

    async def _decide(self, asked: Asked, other: str) -> None:
        """Grant what the other's people are asked."""
        there = self._world.crowds[other].approvals()
        if there:
            number, commitment, body = self._dice.pick(there)
            request = DecideRequest(asked, commitment, number, "approve", body["digest"])
            if (answer := await self._ask(request)) is not None:
                self._wrong(f"{asked.tenant} decided on {number} of {other}: {answer}")

    async def _send(self, asked: Asked, other: str) -> None:
        """An event in the other's name."""
        event = {
            "specversion": "1.0", "id": f"pried-{self._dice.random.random()}", "source": "urn:shop",
            "type": "sim.ordered", "tenantid": other, "data": {"number": "o0", "amount": 1},
        }  # fmt: skip
        if (answer := await self._ask(Publish(asked, event, b"{}"))) is not None:
            self._wrong(f"{asked.tenant} sent an event as {other}: {answer}")

    async def _read(self, asked: Asked, other: str) -> None:
        """Ask for one thing of the other's by its id, and for all lists of one's own."""
        reader, there = _Reader(self._world.engine.connection), self._theirs(other)
        self._look(asked.tenant)
        for c in there[:1]:
            shown = [
                reader.commitment(asked.tenant, c.id),
                reader.history(asked.tenant, c.id, after=0, limit=PAGE),
                reader.parked_stream(asked.tenant, c.id),
            ]
            if any(found is not None for found in shown):
                self._wrong(f"{asked.tenant} is shown {c.id} of {other}: {shown}")
        for number, _, _ in self._world.crowds[other].approvals()[:1]:
            if reader.approval(asked.tenant, number) is not None:
                self._wrong(f"{asked.tenant} is shown the approval {number} of {other}")

    def _theirs(self, tenant: str) -> list[Commitment]:
        states = [s.state for s in self._world.observer.streams.values()]
        return [c for c in states if isinstance(c, Commitment) and c.tenant == tenant]

    def _look(self, tenant: str) -> None:
        """What the lists of a tenant show is its own. Raises Violation."""
        # A store that was put back, or whose writer died as it committed, is ahead of the watcher.
        self._world.observer.step(self._world.engine)
        reader = _Reader(self._world.engine.connection)
        mine = {str(c.id) for c in self._theirs(tenant)}
        page: dict[str, Any] = {"status": None, "cursor": None, "limit": PAGE}
        found = {
            "search": reader.search(tenant, saga=None, step=None, key=None, **page),
            "approvals": reader.approvals(tenant, **page), "tasks": reader.tasks(tenant, **page),
            "debts": reader.debts(tenant, **page),
        }  # fmt: skip
        for name, shown in found.items():
            ids = {
                item["commitment"] if name != "search" else item["id"] for item in shown["items"]
            }
            if ids - mine:
                raise Violation("tenants", f"{name} of {tenant} shows {min(ids - mine)}")
        count = sum(reader.counts(tenant, None)["status"].values())
        if count != len(mine):
            raise Violation("tenants", f"{tenant} has {len(mine)} commitments, counted {count}")
        sent = self._world.crowds[tenant].sent
        for item in reader.facts(tenant, after="", limit=PAGE)["items"]:
            if item.get("tenantid", tenant) != tenant:
                raise Violation("tenants", f"{tenant} is shown the fact {item}")
        for other in self._tenants:
            for number in [] if other == tenant else self._world.crowds[other].sent:
                if number not in sent and reader.applied(tenant, number) is not None:
                    raise Violation("tenants", f"{tenant} knows of {number} of {other}")

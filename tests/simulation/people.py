"""Producers, approvers, operators, and those who mean no good: everyone outside but the workers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

import orjson

from domain.commitment import Commitment
from domain.errors import Refusal
from domain.ports import Asked
from domain.requests import ControlRequest, DecideRequest, Publish, RepliesRequest, StartRequest
from tests.simulation.books import Books
from tests.simulation.dice import Dice
from tests.simulation.fleet import Fleet
from tests.simulation.ledger import is_late
from tests.simulation.network import TENANT, Network, Unreachable
from tests.simulation.observer import Observer


class Traffic(Protocol):
    """Another way than HTTP; False where this one is to be taken."""

    async def publish(self, event: Json) -> bool: ...


__all__ = ["People", "Person"]

Json = Any
ABROAD = "west"
"""A tenant that nobody has."""
_PASSING = ("store.", "engine.", "http.too_many", "bound.mailbox", "lane.silent", "internal.fault")
BUSY_S_MAX = 120.0
_RETRIED = ("undo", "forward")
"""Debts of which the half is tried once more; all others are settled."""
_OPEN = """
SELECT id, commitment, body FROM approvals WHERE status = 'open' AND tenant = ? ORDER BY id
"""


def _is_passing(answer: Any) -> bool:
    """Whether to ask again: for now it cannot be done, or its outcome is not known yet."""
    if isinstance(answer, Refusal):
        return answer.alias.startswith(_PASSING)
    return is_late(answer)


def _is_busy(c: Commitment) -> bool:
    """Whether something is under way of which a reply will come."""
    return not c.paused and any(e.state == "started" for e in c.effects.values())


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who decides, and the levels they are asked for."""

    name: str
    seats: tuple[str, ...]
    levels: tuple[str, ...]

    def asked(self, tenant: str, actor_type: str = "human") -> Asked:
        return Asked(tenant, self.name, actor_type, ("approver",), self.seats)


PERSONS = (
    Person("ann", ("function_head", "manager"), ("A1", "A2")),
    Person("bob", ("legal",), ("A2",)),
    Person("cyd", ("finance", "function_head"), ("A2",)),
    Person("eve", ("executive", "board"), ("A3",)),
)


def _is_asked(person: Person, body: Json) -> bool:
    """By the level, or because it was escalated to a seat of theirs."""
    return body["level"] in person.levels or bool({*body["escalated"]} & {*person.seats})


class People:
    """All of a tenant, over the network. `wrong` collects answers that nobody should have got."""

    def __init__(
        self, dice: Dice, network: Network, engine: Fleet, observer: Observer, books: Books,
        tenant: str = TENANT,
    ) -> None:  # fmt: skip
        self.tenant = tenant
        self._producer = Asked(tenant, "shop", "executor_system", ("producer",))
        self._operator = Asked(tenant, "olga", "human", ("operator",))
        self._dice = dice
        self._network = network
        self._engine = engine
        self._observer = observer
        self._books = books
        self._count = 0
        self.sent: dict[str, Json] = {}
        self.traffic: Traffic | None = None
        self.wrong: list[str] = []

    # --- producers -----------------------------------------------------------------------------

    async def publish(self, type_: str, data: Json) -> None:
        """Send an event until it is acknowledged; sometimes once more, sometimes altered."""
        if not self._engine.registry.knows(type_):
            return
        self._count += 1
        event = {
            "specversion": "1.0", "id": f"e{self._count}", "source": "urn:shop", "type": type_,
            "data": data,
        }  # fmt: skip
        self.sent[event["id"]] = event
        if self.traffic is not None and await self.traffic.publish(event):
            return
        answer = await self.insist(Publish(self._producer, event, orjson.dumps(event)))
        if isinstance(answer, Refusal):
            self.wrong.append(f"event {event['id']} was refused: {answer}")
            return
        restores = self._engine.restores
        if self._dice.chance(0.1):
            again = await self.insist(Publish(self._producer, dict(event), orjson.dumps(event)))
            is_same = not isinstance(again, Refusal) and again["root"] == answer["root"]
            if not is_same and restores == self._engine.restores:
                self.wrong.append(f"event {event['id']} got two answers: {again}")
        if self._dice.chance(0.05) and not self._engine.is_restored:
            other = {**event, "data": {**data, "number": "other"}}
            await self._expect_no(Publish(self._producer, other, orjson.dumps(other)))

    async def send_again(self, number: str) -> None:
        """Send an event once more, whose acknowledgement counts no more."""
        event = self.sent[number]
        answer = await self.insist(Publish(self._producer, dict(event), orjson.dumps(event)))
        if isinstance(answer, Refusal):
            self.wrong.append(f"event {number} was refused when it came again: {answer}")

    async def insist(self, request: Any) -> Any:
        """Ask until there is an answer that stays."""
        while True:
            try:
                answer = await self._network.ask(request)
            except Unreachable:
                await asyncio.sleep(self._dice.between(0.1, 5))
                continue
            if _is_passing(answer):
                await asyncio.sleep(self._dice.between(0.1, 5))
                continue
            return answer

    async def _once(self, request: Any) -> Json:
        """Ask once; None where no answer came."""
        try:
            return await self._network.ask(request)
        except Unreachable:
            return None

    async def _expect_no(self, request: Any) -> None:
        answer = await self._once(request)
        if answer is None or isinstance(answer, Refusal) or is_late(answer):
            return
        if answer.get("status") == "deferred":
            return  # paused: it is judged at the resume
        self.wrong.append(f"{request} was answered with {answer}")

    async def start(self, saga: str, input_: Json, key: str) -> None:
        """Start by request, with an idempotency key; again gives the same commitment."""
        request = StartRequest(self._producer, saga, input_, None, key)
        restores = self._engine.restores
        first = await self.insist(request)
        again = await self.insist(request)
        if isinstance(first, Refusal) or isinstance(again, Refusal):
            return
        if first["id"] != again["id"] and restores == self._engine.restores:
            self.wrong.append(f"start {key} gave {first['id']} and {again['id']}")

    def asked(self, name: str, *seats: str) -> Asked:
        """As somebody of this tenant."""
        return Asked(self.tenant, name, "human", ("approver",), seats)

    # --- approvers -----------------------------------------------------------------------------

    def approvals(self) -> list[tuple[str, UUID, Json]]:
        """What is open, as the inbox shows it; nothing while the engine is down."""
        return self.rows(_OPEN)

    def rows(self, sql: str) -> list[tuple[str, UUID, Json]]:
        """Rows of a view of this tenant: number, commitment, body."""
        if not self._engine.is_up:
            return []
        rows = self._engine.connection.execute(sql, (self.tenant,)).fetchall()
        return [(number, UUID(bytes=c), orjson.loads(body)) for number, c, body in rows]

    async def decide_now_and_then(self, person: Person, pace: float) -> None:
        """One person at work, well-behaved most of the time."""
        dice = self._dice
        while not dice.is_calm:
            await asyncio.sleep(dice.between(2, 120) * pace)
            mine = [a for a in self.approvals() if _is_asked(person, a[2])]
            if mine:
                await self._decide(person, *dice.pick(mine))

    async def _decide(self, person: Person, number: str, commitment: UUID, body: Json) -> None:
        dice, digest = self._dice, body["digest"]
        asked = person.asked(self.tenant)
        draw = dice.random.random()
        if draw < 0.03:
            wrong = DecideRequest(asked, commitment, number, "approve", "0" * 64)
            await self._expect_no(wrong)
        elif draw < 0.06:
            agent = person.asked(self.tenant, actor_type="recommender_agent")
            await self._expect_no(DecideRequest(agent, commitment, number, "approve", digest))
        elif draw < 0.08:
            foreign = person.asked(ABROAD)
            await self._expect_no(DecideRequest(foreign, commitment, number, "approve", digest))
        elif draw < 0.16:
            reject = DecideRequest(asked, commitment, number, "reject", digest, "no")
            await self._once(reject)
        else:
            await self._once(DecideRequest(asked, commitment, number, "approve", digest))

    async def approve_all(self) -> None:
        """Everybody grants what is open; who finds a stream set aside comes again later."""
        for number, commitment, body in self.approvals():
            for person in PERSONS:
                if body["level"] in person.levels:
                    asked = person.asked(self.tenant)
                    await self._once(
                        DecideRequest(asked, commitment, number, "approve", body["digest"])
                    )

    # --- operators -----------------------------------------------------------------------------

    def open_commitments(self) -> list[Commitment]:
        """Those that are not over, or left a debt."""
        found = [s.state for s in self._observer.streams.values()]
        mine = [c for c in found if isinstance(c, Commitment) and c.tenant == self.tenant]
        return [c for c in mine if not c.is_over or c.debts]

    async def operate_now_and_then(self, pace: float) -> None:
        """Cancel, pause, resume, retry and settle at random moments."""
        dice = self._dice
        while not dice.is_calm:
            await asyncio.sleep(dice.between(5, 400) * pace)
            there = self.open_commitments()
            if there:
                c = dice.pick(there)
                action = dice.pick(["cancel", "pause", "resume", "resume", "fix", "fix", "fix"])
                if action == "fix":
                    await self.fix(c)
                else:
                    await self._once(ControlRequest(self._operator, c.id, action, "because"))
            await self.release_parked()

    async def pause_now_and_then(self, pace: float) -> None:
        """Pause one whose effects are under way, so that replies come meanwhile; resume most."""
        dice = self._dice
        while not dice.is_calm:
            await asyncio.sleep(dice.between(20, 400) * pace)
            busy = await self._busy()
            if not busy:
                continue
            c = dice.pick(busy)
            await self._once(ControlRequest(self._operator, c.id, "pause", "because"))
            if dice.chance(0.7):
                await asyncio.sleep(dice.between(5, 60))
                await self._once(ControlRequest(self._operator, c.id, "resume", "because"))

    async def _busy(self) -> list[Commitment]:
        """Those with an effect under way, as soon as there are some; none where it takes long."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + BUSY_S_MAX
        while True:
            busy = [c for c in self.open_commitments() if _is_busy(c)]
            left_s = until_s - loop.time()
            if busy or self._dice.is_calm or left_s <= 0:
                return busy
            await self._observer.moved(left_s)

    async def fix(self, c: Commitment) -> None:
        """Do for one commitment what only a person can do."""
        if c.paused:
            await self._control(c, "resume")
        elif c.held is not None:
            await self._control(c, "retry" if self._dice.chance(0.5) else "cancel")
        elif c.debts:
            number, debt = next(iter(c.debts.items()))
            if debt.kind in _RETRIED and self._dice.chance(0.5):
                await self._control(c, "retry", node=number)
            else:
                result = self._truth(debt.effect, {"id": "by hand"})
                await self._control(c, "settle", node=number, outcome="done", result=result)
        else:
            for key, effect in c.effects.items():
                if effect.state == "unknown" and effect.next == "ask":
                    outcome = "done" if key in self._books.acts else "not_done"
                    result = self._truth(key, None)
                    await self._control(
                        c, "settle", node=effect.node, outcome=outcome, result=result
                    )
                    return

    def _truth(self, key: str | None, otherwise: Json) -> Json:
        act = self._books.acts.get(key or "")
        return otherwise if act is None else act.answer

    async def _control(self, c: Commitment, action: str, **more: Json) -> None:
        evidence = [{"source": "urn:books"}] if action == "settle" else None
        await self._once(
            ControlRequest(self._operator, c.id, action, "because", evidence=evidence, **more)
        )

    async def release_parked(self) -> None:
        """Let streams go on that were set aside because the engine died over them."""
        if self._engine.is_up:
            for stream in self._engine.parked:
                await self._once(ControlRequest(self._operator, stream, "release", "because"))

    # --- hostile input ---------------------------------------------------------------------------

    async def annoy_now_and_then(self, pace: float) -> None:
        """Events that are none, replies with tokens of others, work of another tenant."""
        dice = self._dice
        while not dice.is_calm:
            await asyncio.sleep(dice.between(10, 200) * pace)
            await dice.pick([self._bad_event, self._bad_reply, self._bad_control])()

    async def _bad_event(self) -> None:
        event: Json = {"specversion": "1.0", "id": "bad", "source": "urn:x", "type": "sim.paid",
                       "data": {"number": "o1", "amount": 1}}  # fmt: skip
        spoiled = self._dice.pick([
            [], {**event, "type": "sim.none"}, {**event, "data": {"number": 7}},
            {**event, "extra": {}}, {**event, "schemaversion": "9"}, {**event, "tenantid": ABROAD},
            {**event, "time": "yesterday"}, {**event, "source": "<start>"},
        ])  # fmt: skip
        await self._expect_no(Publish(self._producer, spoiled, orjson.dumps(spoiled)))

    async def _bad_reply(self) -> None:
        """A reply for a lease that its sender never had may move nothing."""
        tokens = self._engine.leases.tokens
        if not tokens:
            return
        claim = self._dice.pick(tokens[-20:])
        if not self._engine.is_up or claim.dispatch.stream in self._engine.parked:
            return  # what comes for it is held, and judged later
        incarnation, lane, position, reservation = claim.token.split(".")
        wrong = self._dice.pick([
            f"{incarnation}.{lane}.{position}.{int(reservation) + 7}",
            f"9.{lane}.{position}.{reservation}",
            f"{incarnation}.{lane}.{int(position) + 1}.{reservation}",
        ])  # fmt: skip
        item = {
            "effect": claim.dispatch.effect, "attempt": claim.dispatch.attempt, "token": wrong,
            "kind": claim.dispatch.kind, "commitment": claim.dispatch.body["commitment"],
            "outcome": self._dice.pick(["failed", "transient", "not_done"]), "code": "nope",
        }  # fmt: skip
        asked = Asked(self.tenant, "mallory", "executor_system", ("participant",))
        answer = await self._once(RepliesRequest(asked, "mallory", (item,)))
        is_taken = isinstance(answer, dict) and answer["results"][0]["status"] == "recorded"
        is_seen = self._engine.is_up and claim.dispatch.stream not in self._engine.parked
        if is_taken and is_seen:
            self.wrong.append(f"a reply with the wrong token was recorded: {item}")

    async def _bad_control(self) -> None:
        there = self.open_commitments()
        if there:
            asked = Asked(ABROAD, "shop-2", "executor_system", ("producer", "operator"))
            foreign = ControlRequest(asked, self._dice.pick(there).id, "cancel", "because")
            await self._expect_no(foreign)

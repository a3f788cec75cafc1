"""A pool of contracts of every kind, for random sagas, and the systems behind all participants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from pydantic import BaseModel

from sagas.catalogue import partner_activation as partner
from sagas.catalogue import signature as sign
from tests.simulation.sdk import Process, process_here
from troth import (
    A0,
    A2,
    A3,
    R0,
    R1,
    R2,
    R3,
    S1,
    Accepted,
    App,
    Calendar,
    CannotTell,
    Effect,
    NotDone,
    Participant,
    Pivot,
    Refused,
    Retry,
    Throttle,
    event,
)
from troth._lease import current

__all__ = [
    "DESK", "EFFECTS", "GATED", "SHIFTS", "Noted", "Ordered", "Paid", "Ref", "Withdrawn", "app_of",
    "look",
]  # fmt: skip

Json = Any
LATE_S_MAX = 12.0
STAYS = "cannot-undo"
DESK = Throttle("desk", max=3, per="5m")
# Open for the first forty minutes of every hour.
SHIFTS = Calendar(
    "shifts", zone="Europe/Berlin",
    hours={"mon-sun": [f"{hour:02}:00-{hour:02}:40" for hour in range(24)]},
)  # fmt: skip
RETRY = Retry(attempts=4, first="1s", cap="30s")
UNDO_RETRY = Retry(attempts=3, first="1s", cap="20s")
PATIENT = Retry(attempts=6, first="4s", cap="30s")
TWICE = Retry(attempts=2, first="2s")
OFTEN = 0.6
"""How often is not done, while there are faults, what often is not."""


@event("sim.ordered", version=1, key="number")
class Ordered(BaseModel):
    """Somebody orders; starts every random saga."""

    number: str
    amount: int


@event("sim.paid", version=1, key="number")
class Paid(BaseModel):
    number: str
    amount: int


@event("sim.withdrawn", version=1, key="number")
class Withdrawn(BaseModel):
    number: str


@event("sim.noted", version=1, key="number")
class Noted(BaseModel):
    number: str
    text: str


class Ref(BaseModel):
    """What every step of the pool gives."""

    id: str


class Systems:
    """What stands outside, as one worker process reaches it."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._dice = process.machine.dice
        self._books = process.machine.books

    async def act(
        self, answer: Json, *, refuses: str | None = None, told: bool = True, repeated: bool = True,
        often: Exception | None = None,
    ) -> Json:  # fmt: skip
        """Do what the running claim asks for, once for its key; or fail before, or after.

        `often` is what it fails with more often than not.
        """
        lease = current.get()
        assert lease is not None
        loop = self._process.machine.loop
        self._books.called(lease, loop.now_us(), told, repeated)
        await self._process.work()
        if lease.effect not in self._books.acts:
            if often is not None and not self._dice.is_calm and self._dice.chance(OFTEN):
                raise often
            self._may_fail(lease.kind, refuses)
        late = not lease.holds(loop.time())
        given = self._books.do(lease, answer, loop.now_us(), self._process.name, late=late)
        await self._process.gate()
        if self._dice.hits("answer lost"):
            raise TimeoutError("the answer was lost")
        return given

    def _may_fail(self, kind: str, refuses: str | None) -> None:
        if self._dice.hits("handler failed"):
            raise ConnectionError("not reachable")
        if self._dice.hits("not done"):
            raise NotDone("surely not")
        if (kind == "undo" or refuses == STAYS) and self._dice.hits("undo refused"):
            raise Refused(STAYS, "somebody uses it")
        if refuses not in (None, STAYS) and self._dice.hits("handler refused"):
            raise Refused(refuses, "no")

    async def find(self) -> Json:
        """What a probe finds, or None."""
        lease = current.get()
        assert lease is not None
        await self._process.work()
        if self._dice.hits("probe cannot tell"):
            raise CannotTell("ask somebody else")
        act = self._books.acts.get(lease.effect)
        if act is None:
            self._books.absent.add(lease.effect)
        return None if act is None else act.answer

    def lateness_s(self) -> float:
        """How long an answer takes that is often too late."""
        return self._dice.between(0, LATE_S_MAX)

    # --- as the catalogue's sagas want them ------------------------------------------------------

    def look_up(self, company: str) -> partner.Company:
        risk = 80 if company.endswith("7") else 20
        return partner.Company(name=company, risk=risk)

    def signers(self, company: str) -> list[str]:
        return [f"ceo@{company}.example"]

    async def create(self, key: str, company: str) -> partner.Account:
        return partner.Account.model_validate(
            await self.act({"account_id": f"{key[:8]}/{company}"})
        )

    async def delete(self, key: str, account: partner.Account) -> None:
        await self.act(None)

    async def activate(self, key: str, account: partner.Account, signed_by: str) -> partner.Account:
        return partner.Account.model_validate(await self.act(account.model_dump()))

    async def activated(self, key: str) -> partner.Account | None:
        found = await self.find()
        return None if found is None else partner.Account.model_validate(found)

    async def deactivate(self, key: str, account: partner.Account) -> None:
        await self.act(None)

    def write(self, contract: str, terms: str) -> sign.Draft:
        return sign.Draft(document_id=contract, sha256=f"{len(terms):064x}")

    async def send(
        self, key: str, contract: str, draft: sign.Draft, to: list[str]
    ) -> sign.Envelope:
        return sign.Envelope.model_validate(await self.act({"envelope_id": key[:8]}))

    async def void(self, key: str, envelope: sign.Envelope) -> None:
        await self.act(None)

    async def remind(self, key: str, envelope: sign.Envelope, who: list[str]) -> None:
        await self.act(None)

    async def countersign(self, key: str, envelope: sign.Envelope) -> sign.Signature:
        return sign.Signature.model_validate(await self.act({"signature_id": key[:8]}))

    async def countersigned(self, key: str) -> sign.Signature | None:
        found = await self.find()
        return None if found is None else sign.Signature.model_validate(found)

    async def file(
        self, key: str, envelope: sign.Envelope, signature: sign.Signature
    ) -> sign.Filed:
        return sign.Filed.model_validate(await self.act({"archive_id": key[:8]}))


@asynccontextmanager
async def systems() -> AsyncIterator[Systems]:
    """`deps` of every participant: bound to the process that asks for them."""
    yield Systems(process_here())


alpha = Participant("alpha", deps=systems)
beta = Participant("beta", deps=systems)

Fx = Effect[Systems]


async def _do(fx: Fx, refuses: str | None = None, often: Exception | None = None) -> Ref:
    told = fx.repeated or fx.attempt > 1
    answer = await fx.deps.act(
        {"id": fx.key[:8]}, refuses=refuses, told=told, repeated=fx.repeated, often=often
    )
    return Ref.model_validate(answer)


async def _undo(fx: Fx) -> None:
    told = fx.repeated or fx.attempt > 1
    await fx.deps.act(None, told=told, repeated=fx.repeated)


@alpha.step("look", refuses=["nope"], retry=RETRY)
async def look(ref: str, amount: int) -> Ref:
    return Ref(id=f"{ref[:8]}.{amount}")


@alpha.effect("make", A0, R0, S1, refuses=["nope"], timeout="20s", retry=RETRY)
async def make(fx: Fx, ref: str) -> Ref:
    return await _do(fx, "nope")


@make.undo(retry=UNDO_RETRY)
async def unmake(fx: Fx, made: Ref) -> None:
    await _undo(fx)


@beta.effect("build", A0, R1, S1, refuses=["nope"], timeout="1m", retry=RETRY)
async def build(fx: Fx, ref: str) -> Ref:
    return await _do(fx, "nope")


@build.undo(retry=UNDO_RETRY)
async def unbuild(fx: Fx, built: Ref) -> None:
    await _undo(fx)


@alpha.effect("grab", A0, R1, S1, refuses=["nope"], timeout="45s", retry=RETRY)
async def grab(fx: Fx, ref: str) -> Ref:
    return await _do(fx, "nope")


@grab.undo(when="attempted", retry=UNDO_RETRY)
async def ungrab(fx: Fx, ref: str) -> None:
    await _undo(fx)


@alpha.effect("dawdle", A0, R1, S1, timeout="4s", retry=Retry(attempts=1))
async def dawdle(fx: Fx, ref: str) -> Ref:
    """Often done when nobody waits for it any more."""
    made = await _do(fx)
    await asyncio.sleep(fx.deps.lateness_s())
    return made


@dawdle.undo(when="attempted", retry=UNDO_RETRY)
async def undawdle(fx: Fx, ref: str) -> None:
    await _undo(fx)


@beta.effect("post", A0, R1, S1, retry=RETRY, irreversible=Accepted("a message was read"))
async def post(fx: Fx, ref: str) -> Ref:
    return await _do(fx)


@beta.effect("amend", A0, R1, S1, refuses=[STAYS], retry=RETRY, irreversible=Accepted("a favour"))
async def amend(fx: Fx, ref: str) -> Ref:
    """What an undo_flow does; as an undo, it cannot always be done."""
    return await _do(fx, STAYS)


@alpha.effect("file", A2, R1, S1, refuses=["nope"], timeout="1m", retry=RETRY)
async def file(fx: Fx, ref: str) -> Ref:
    return await _do(fx, "nope")


@file.undo(retry=UNDO_RETRY)
async def unfile(fx: Fx, filed: Ref) -> None:
    await _undo(fx)


@beta.effect("charge", A2, R2, S1, unknown="probe", refuses=["nope"], timeout="1m", retry=RETRY)
async def charge(fx: Fx, ref: str) -> Ref:
    return await _do(fx, "nope")


@charge.probe
async def charged(fx: Fx, ref: str) -> Ref | None:
    found = await fx.deps.find()
    return None if found is None else Ref.model_validate(found)


@charge.undo(retry=UNDO_RETRY)
async def refund(fx: Fx, charged: Ref) -> None:
    await _undo(fx)


@alpha.effect("wire", A2, R2, S1, unknown="ask", refuses=["nope"], timeout="40s", retry=RETRY)
async def wire(fx: Fx, ref: str) -> Ref:
    return await _do(fx, "nope")


@wire.undo(retry=UNDO_RETRY)
async def unwire(fx: Fx, wired: Ref) -> None:
    await _undo(fx)


@beta.effect(
    "bind", A3, R3, S1, unknown="ask", refuses=["nope"], timeout="40s", retry=RETRY,
    irreversible=Pivot("it binds"),
)  # fmt: skip
async def bind(fx: Fx, ref: str) -> Ref:
    return await _do(fx, "nope")


@alpha.effect(
    "coax", A2, R2, S1, unknown="probe", timeout="1m", retry=PATIENT,
    irreversible=Accepted("a favour"),
)  # fmt: skip
async def coax(fx: Fx, ref: str) -> Ref:
    """What is often surely not done, and may be tried again."""
    return await _do(fx, often=NotDone("not now"))


@coax.probe
async def coaxed(fx: Fx, ref: str) -> Ref | None:
    found = await fx.deps.find()
    return None if found is None else Ref.model_validate(found)


@beta.effect("balk", A0, R1, S1, retry=TWICE, irreversible=Accepted("a favour"))
async def balk(fx: Fx, ref: str) -> Ref:
    """What often is not done at all, until a person has it tried once more."""
    return await _do(fx, often=NotDone("not now"))


EFFECTS = (make, build, grab, post)
GATED = (file, charge, wire)


def app_of(
    *, with_partner: bool, with_signature: bool, more: Sequence[Participant[Any]] = ()
) -> App:
    """What the workers of a world serve. Others may have connected the catalogue elsewhere."""
    partner.connect(systems, systems)
    sign.connect(systems, systems, systems)
    found: list[Participant[Any]] = [alpha, beta, *more]
    if with_partner:
        found += [partner.registry, partner.crm]
    if with_signature:
        found += [sign.drafts, sign.esign, sign.archive]
    return App(participants=found)

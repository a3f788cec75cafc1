"""Participants as users write them, for the tests of the worker."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from troth._app import App
from troth._classes import A0, A2, R1, R2, S2
from troth._contracts import Participant
from troth._effect import Effect
from troth._errors import CannotTell, NotDone, Refused, RetryAfter

R1_CLASSES = {"A": "A0", "R": "R1", "S": "S2"}
R2_CLASSES = {"A": "A2", "R": "R2", "S": "S2"}


class Company(BaseModel):
    name: str
    risk: int = 0


class Account(BaseModel):
    account_id: str


@dataclass
class World:
    """The outside: what was called, what it answers, and gates that hold handlers."""

    calls: Counter[str] = field(default_factory=Counter)
    effects: list[Effect[Any]] = field(default_factory=list)
    raises: BaseException | None = None
    there: Account | None = None
    entered: int = 0
    left: int = 0
    stopped: list[str] = field(default_factory=list)
    reached: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)

    def call(self, name: str, fx: Effect[Any] | None = None) -> None:
        self.calls[name] += 1
        if fx is not None:
            self.effects.append(fx)
        self.reached.set()
        if self.raises is not None:
            raise self.raises


def app_of(world: World) -> App:
    """registry with plain steps, crm with effects of R1 and R2."""
    registry, crm = Participant("registry"), Participant("crm", deps=lambda: _deps(world))
    _registry(registry, world)
    _crm(crm, world)
    return App(participants=[registry, crm])


@asynccontextmanager
async def _deps(world: World) -> AsyncIterator[World]:
    world.entered += 1
    yield world
    world.left += 1


def _registry(registry: Participant[None], world: World) -> None:
    @registry.step("check-company", refuses=["struck-off"])
    def check_company(company: Company) -> Company:
        world.call("check-company")
        if company.name.startswith("x"):
            raise Refused("struck-off", "left the register")
        return Company(name=company.name, risk=20)

    @registry.step("busy")
    async def busy(seconds: str) -> str:
        world.call("busy")
        raise RetryAfter(seconds, "come back")

    @registry.step("hold")
    def hold(fx: Effect, name: str) -> str:
        world.call("hold", fx)
        assert world.release.wait(10)
        return name

    @registry.step("long")
    async def long(fx: Effect, name: str) -> str:
        world.call("long", fx)
        await fx.heartbeat("40 %")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            world.stopped.append(name)
            raise
        return name

    @registry.step("anything")
    async def anything(value: Any) -> Any:
        world.call("anything")
        return value


def _crm(crm: Participant[World], world: World) -> None:
    @crm.effect("create-account", A0, R1, S2)
    async def create_account(fx: Effect[World], company: Company) -> Account:
        world.call("create-account", fx)
        await fx.evidence("urn:crm", "created")
        return Account(account_id=company.name)

    @create_account.undo
    async def delete_account(fx: Effect[World], account: Account) -> None:
        world.call("delete-account", fx)

    @crm.effect("activate", A2, R2, S2, unknown="probe")
    async def activate(fx: Effect[World], account: Account) -> Account:
        world.call("activate", fx)
        return account

    @activate.probe
    def is_active(fx: Effect[World], account: Account) -> Account | None:
        world.call("is-active", fx)
        return world.there

    @activate.undo
    def deactivate(fx: Effect[World], account: Account) -> None:
        world.call("deactivate", fx)

    @crm.effect("reserve", A0, R1, S2)
    async def reserve(fx: Effect[World], company: Company) -> Account:
        world.call("reserve", fx)
        return Account(account_id=company.name)

    @reserve.undo(when="attempted")
    async def unreserve(fx: Effect[World], company: Company) -> None:
        world.call("unreserve", fx)


__all__ = [
    "R1_CLASSES",
    "R2_CLASSES",
    "Account",
    "App",
    "CannotTell",
    "Company",
    "NotDone",
    "Refused",
    "World",
    "app_of",
]  # fmt: skip

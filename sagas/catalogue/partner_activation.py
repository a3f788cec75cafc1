"""Partner activation: check the company, provision, wait for the signature, decide, activate.

What was provisioned is undone when nobody signs within 14 days, legal says no, or it is cancelled.
The systems behind the participants are other people's: `connect` says which; a service that runs
this saga gives its own.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from pydantic import BaseModel

from troth import (
    A0,
    A2,
    R1,
    R2,
    S2,
    App,
    Effect,
    Participant,
    approve,
    event,
    fail,
    parallel,
    saga,
    wait_for,
    when,
)

__all__ = [
    "Account",
    "Company",
    "Crm",
    "PartnerApplied",
    "PartnerSigned",
    "Registry",
    "activation",
    "app",
    "connect",
]


@event("partner.applied", version=1, key="company")
class PartnerApplied(BaseModel):
    """A company wants to become a partner."""

    company: str


@event("partner.signed", version=1, key="company")
class PartnerSigned(BaseModel):
    """The agreement came back signed."""

    company: str
    signed_by: str


class Company(BaseModel):
    """What the register says of a company; risk from 0 to 100."""

    name: str
    risk: int


class Account(BaseModel):
    """An account at the CRM."""

    account_id: str


class Registry(Protocol):
    """The register of companies."""

    def look_up(self, company: str) -> Company:
        """The company as it is registered. Raises Refused("struck-off")."""
        ...

    def signers(self, company: str) -> list[str]:
        """Who may sign for it."""
        ...


class Crm(Protocol):
    """The system that holds accounts. `key` is the idempotency key of the effect."""

    async def create(self, key: str, company: str) -> Account: ...
    async def delete(self, key: str, account: Account) -> None: ...
    async def activate(self, key: str, account: Account, signed_by: str) -> Account: ...
    async def activated(self, key: str) -> Account | None: ...
    async def deactivate(self, key: str, account: Account) -> None: ...


_systems: dict[str, Callable[[], AbstractAsyncContextManager[object]]] = {}


def connect(
    registry: Callable[[], AbstractAsyncContextManager[Registry]],
    crm: Callable[[], AbstractAsyncContextManager[Crm]],
) -> None:
    """Say which systems stand behind the participants, before a worker starts."""
    _systems.update(registry=registry, crm=crm)


def _registry() -> AbstractAsyncContextManager[Registry]:
    return _systems["registry"]()  # pyright: ignore[reportReturnType]  # put there by connect


def _crm() -> AbstractAsyncContextManager[Crm]:
    return _systems["crm"]()  # pyright: ignore[reportReturnType]  # put there by connect


registry = Participant("registry", deps=_registry)
crm = Participant("crm", deps=_crm)


@registry.step("check-company", refuses=["struck-off"])
def check_company(fx: Effect[Registry], applied: PartnerApplied) -> Company:
    return fx.deps.look_up(applied.company)


@registry.step("list-signers")
def list_signers(fx: Effect[Registry], company: Company) -> list[str]:
    return fx.deps.signers(company.name)


@crm.effect("create-account", A0, R1, S2, timeout="2m")
async def create_account(fx: Effect[Crm], company: Company) -> Account:
    return await fx.deps.create(fx.key, company.name)


@create_account.undo
async def delete_account(fx: Effect[Crm], account: Account) -> None:
    await fx.deps.delete(fx.key, account)


@crm.effect("activate", A2, R2, S2, unknown="probe")
async def activate(fx: Effect[Crm], account: Account, signed: PartnerSigned) -> Account:
    return await fx.deps.activate(fx.key, account, signed.signed_by)


@activate.probe
async def is_active(fx: Effect[Crm], account: Account, signed: PartnerSigned) -> Account | None:
    del account, signed  # the key says enough
    return await fx.deps.activated(fx.key)


@activate.undo
async def deactivate(fx: Effect[Crm], account: Account) -> None:
    await fx.deps.deactivate(fx.key, account)


@saga("partner-activation", version=1, starts_on=PartnerApplied)
def activation(applied: PartnerApplied) -> Account:
    """Traced once into `partner-activation.v1.json`; never run by the engine."""
    company = check_company(applied)
    with when("risky", company.risk > 60):
        fail("too-risky")
    with parallel("provision"):
        account = create_account(company)
        signers = list_signers(company)
    signed = wait_for(PartnerSigned, applied.company, within="14d")
    with approve("legal", level=A2, evidence=[company, signers, signed], within="3d"):
        return activate(account, signed)


app = App(sagas=[activation], participants=[registry, crm])

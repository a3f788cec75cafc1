"""The partner activation as users are shown it; it must type-check strictly and trace."""

import httpx
from pydantic import BaseModel

from troth import (
    A0,
    A2,
    R1,
    R2,
    S2,
    App,
    Effect,
    NotDone,
    Participant,
    Refused,
    approve,
    event,
    fail,
    parallel,
    saga,
    wait_for,
    when,
)


@event("partner.applied", version=1, key="company")
class PartnerApplied(BaseModel):
    company: str


@event("partner.signed", version=1, key="company")
class PartnerSigned(BaseModel):
    company: str
    signed_by: str


class Company(BaseModel):
    name: str
    risk: int


class Account(BaseModel):
    account_id: str


Http = httpx.AsyncClient
registry = Participant("registry")
crm = Participant("crm", deps=lambda: Http(base_url="https://crm.example"))


@registry.step("check-company", refuses=["struck-off"])
def check_company(applied: PartnerApplied) -> Company:
    if applied.company.startswith("x"):
        raise Refused("struck-off", "left the register")
    return Company(name=applied.company, risk=20)


@registry.step("list-signers")
def list_signers(company: Company) -> list[str]:
    return [f"ceo@{company.name}.example"]


@crm.effect("create-account", A0, R1, S2, timeout="2m")
async def create_account(fx: Effect[Http], company: Company) -> Account:
    headers = {"Idempotency-Key": fx.key}
    reply = await fx.deps.post("/accounts", json=company.model_dump(), headers=headers)
    return Account.model_validate_json(reply.raise_for_status().content)


@create_account.undo
async def delete_account(fx: Effect[Http], account: Account) -> None:
    headers = {"Idempotency-Key": fx.key}
    await fx.deps.delete(f"/accounts/{account.account_id}", headers=headers)


@crm.effect("activate", A2, R2, S2, unknown="probe")
async def activate(fx: Effect[Http], account: Account, signed: PartnerSigned) -> Account:
    headers = {"Idempotency-Key": fx.key, "Signed-By": signed.signed_by}
    try:
        await fx.deps.post(f"/accounts/{account.account_id}/activate", headers=headers)
    except httpx.ConnectError as error:
        raise NotDone("no connection") from error
    return account


@activate.probe
async def is_active(fx: Effect[Http], account: Account, signed: PartnerSigned) -> Account | None:
    reply = await fx.deps.get(f"/effects/{fx.key}", params={"by": signed.signed_by})
    return account if reply.status_code == 200 else None


@activate.undo
async def deactivate(fx: Effect[Http], account: Account) -> None:
    headers = {"Idempotency-Key": fx.key}
    await fx.deps.post(f"/accounts/{account.account_id}/deactivate", headers=headers)


@saga("partner-activation", version=1, starts_on=PartnerApplied)
def activation(applied: PartnerApplied) -> Account:
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

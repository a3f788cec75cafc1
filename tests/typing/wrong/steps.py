"""Lines that an editor must find are marked; every other line is right. Never imported."""

import httpx
from pydantic import BaseModel

from tests.typing.right.partner import Account, Company, PartnerSigned, activate, create_account
from troth import A0, A1, R0, R1, R2, R3, S1, Collect, Effect, Participant, new, set_, var, wait_for

shop = Participant("shop")
web = Participant("web", deps=lambda: httpx.AsyncClient())
value = Participant("value", deps="text")


@shop.effect("a", A0, R1)  # wrong: no sensitivity
def no_class(fx: Effect) -> None: ...


@shop.effect("b", R1, A0, S1)  # wrong: swapped
def swapped(fx: Effect) -> None: ...


@shop.effect("c", A0, R2, S1)  # wrong: R2 does not say what unknown means
def silent(fx: Effect) -> None: ...


@shop.effect("d", A1, R3, S1, unknown="ask", irreversible="final")
def said(fx: Effect, company: Company) -> str:
    return company.name


@shop.effect("e", A0, R0, S1, unknown="probe")
def probed(fx: Effect) -> str:
    return fx.key


@shop.effect("f", A0, R0, S1)  # wrong: an effect takes an Effect first
def no_effect(company: Company) -> str:
    return company.name


@web.effect("g", A0, R0, S1)  # wrong: other deps than the participant has
def other_deps(fx: Effect[str]) -> str:
    return fx.deps


@web.effect("h", A0, R0, S1)
async def deps_of_a_manager(fx: Effect[httpx.AsyncClient]) -> None:
    await fx.deps.get("/")


@value.effect("i", A0, R0, S1)
def deps_of_a_value(fx: Effect[str], company: Company) -> str:
    return fx.deps.upper() + company.name


@shop.step("j", refuses=["no"])
def plain(company: Company, limit: int = 3) -> int:
    return len(company.name) + limit


@shop.step("k")
async def with_effect(fx: Effect, company: Company) -> list[int]:
    return [fx.attempt, len(company.name)]


@said.undo  # wrong: the result is text
def undo_of_another(fx: Effect, result: int) -> None: ...


@said.undo
async def undo_with_arguments(fx: Effect, result: str, company: Company) -> None: ...


@deps_of_a_value.undo(when="attempted")  # wrong: an attempted undo has no result
def undo_attempted(fx: Effect[str], result: str) -> None: ...


@probed.probe  # wrong: a probe gives the result or None
def probe_of_another(fx: Effect) -> int | None: ...


@deps_of_a_manager.probe
async def probe_of_nothing(fx: Effect[httpx.AsyncClient]) -> bool: ...


@probed.probe
async def probe_of_it(fx: Effect) -> str | None: ...


class Order(BaseModel):
    number: str


def flow(company: Company, account: Account) -> None:
    plain(company, limit="3")  # wrong: a text for a number
    plain(company).upper()  # wrong: a number has no such method
    with_effect(company)[0] + 1
    create_account.named("again")(account)  # wrong: an account for a company
    create_account.within("2d")(company).account_id
    signed_twice = Collect[PartnerSigned](until=lambda so_far: so_far[1].signed_by != "")
    bids = wait_for(PartnerSigned, "k", within=None, collect=signed_twice)
    activate(account, bids)  # wrong: a list for one
    activate(account, bids[0])
    counter = var("counter", int, "0")
    set_(counter=counter + 1)  # wrong: the var began as a text
    new(Order, nr="a")  # wrong: no such field
    new(Order, number=company.name).number
    either = wait_for((PartnerSigned, Order), "k", within="1d")
    print(either.number)  # wrong: only one of them has it

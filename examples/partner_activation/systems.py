"""The register and the CRM of the example: they keep books, and fail on purpose now and then.

Whether a call fails is a digest of (seed, what, which call), so a run can be repeated.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from examples.partner_activation.books import ERROR, LOST_REPLY, Books
from sagas.catalogue.partner_activation import Account, Company
from troth import NotDone, Refused

__all__ = ["ExampleCrm", "ExampleRegistry", "Faults", "crm", "registry"]


@dataclass(frozen=True, slots=True)
class Faults:
    """How often what goes wrong, as shares of one.

    `errors`: calls that fail before anything happened; `lost_replies`: after it did; `struck_off`
    and `risky`: of companies; `invoiced`: accounts that cannot be deleted.
    """

    seed: int = 7
    errors: float = 0.10
    lost_replies: float = 0.04
    struck_off: float = 0.05
    risky: float = 0.03
    invoiced: float = 0.08

    def share(self, *what: object) -> float:
        """A number from 0 up to 1 that depends on the seed and `what` alone."""
        text = "\n".join(str(part) for part in (self.seed, *what))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) / 2**64

    def is_struck_off(self, company: str) -> bool:
        """It left the register: a business no."""
        return self.share("struck-off", company) < self.struck_off

    def is_risky(self, company: str) -> bool:
        """Its risk is above the saga's limit."""
        return self.share("risk", company) < self.risky

    def has_invoices(self, company: str) -> bool:
        """Its account cannot be deleted."""
        return self.share("invoiced", company) < self.invoiced

    def of_call(self, kind: str, company: str, call: int) -> str:
        """How the call with this number (from 1) goes: ERROR, LOST_REPLY or empty for well."""
        share = self.share("call", kind, company, call)
        if share < self.errors:
            return ERROR
        return LOST_REPLY if share < self.errors + self.lost_replies else ""


class ExampleRegistry:
    """Looks companies up; it touches nothing, so it needs no key and keeps no books."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def look_up(self, company: str) -> Company:
        if self._faults.is_struck_off(company):
            raise Refused("struck-off", f"{company} left the register")
        return Company(name=company, risk=80 if self._faults.is_risky(company) else 20)

    def signers(self, company: str) -> list[str]:
        return [f"ceo@{company}.example"]


class ExampleCrm:
    """Holds accounts in its books; the key makes every call safe to repeat."""

    def __init__(self, books: Books, faults: Faults) -> None:
        self._books = books
        self._faults = faults

    async def create(self, key: str, company: str) -> Account:
        number = f"acc-{key[:8]}/{company}"
        return Account(account_id=await self._do(key, "create-account", company, number))

    async def delete(self, key: str, account: Account) -> None:
        company = account.account_id.partition("/")[2]
        if self._faults.has_invoices(company):
            raise Refused("has-invoices", f"account {account.account_id} has invoices")
        await self._do(key, "undo create-account", company, "deleted")

    async def activate(self, key: str, account: Account, signed_by: str) -> Account:
        company = account.account_id.partition("/")[2]
        text = f"{account.account_id} signed by {signed_by}"
        try:
            given = await self._do(key, "activate", company, text)
        except ConnectionError as error:
            # Surely nothing happened. Of a lost reply nobody can say that: it stays unknown.
            raise NotDone(str(error)) from error
        return Account(account_id=given.partition(" ")[0])

    async def activated(self, key: str) -> Account | None:
        """Whether the effect with this key happened."""
        done = await asyncio.to_thread(self._books.answer_of, key)
        return None if done is None else Account(account_id=done.partition(" ")[0])

    async def deactivate(self, key: str, account: Account) -> None:
        await self._do(key, "undo activate", account.account_id.partition("/")[2], "deactivated")

    async def _do(self, key: str, kind: str, company: str, answer: str) -> str:
        return await asyncio.to_thread(self._do_now, key, kind, company, answer)

    def _do_now(self, key: str, kind: str, company: str, answer: str) -> str:
        fault = self._faults.of_call(kind, company, self._books.calls_of(key) + 1)
        self._books.called(key, fault)
        if fault == ERROR:
            raise ConnectionError("the CRM is not reachable")
        given = self._books.do(key, kind, company, answer)
        if fault == LOST_REPLY:
            raise TimeoutError("the reply of the CRM was lost")
        return given


def registry(faults: Faults) -> Callable[[], AbstractAsyncContextManager[ExampleRegistry]]:
    """What `connect` wants for the register."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[ExampleRegistry]:
        yield ExampleRegistry(faults)

    return opened


def crm(path: Path, faults: Faults) -> Callable[[], AbstractAsyncContextManager[ExampleCrm]]:
    """What `connect` wants for the CRM; its books are the file at `path`."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[ExampleCrm]:
        books = Books(path)
        try:
            yield ExampleCrm(books, faults)
        finally:
            books.close()

    return opened

"""Research, the ways to reach people, and the CRM of the example; what they did is in their books.

Nobody is written to: what would go out is a line in the books.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from examples.keeper import Keeper, kept
from sagas.catalogue.prospecting import Called, Ended, LeadFound, Profile, Texts
from troth import Refused

__all__ = ["ExampleCrm", "ExampleOutreach", "ExampleResearch", "crm", "outreach", "research"]

UNFIT = "competitor"


class ExampleResearch:
    """Knows companies by their names; the same lead gets the same words."""

    def qualify(self, lead: LeadFound) -> Profile:
        if UNFIT in lead.company.lower():
            raise Refused("unfit", f"{lead.company} would not buy")
        return Profile(company=lead.company, fit=70)

    def write(self, lead: LeadFound, profile: Profile) -> Texts:
        about = f"{profile.company} and us"
        return Texts(message=about, mail=about, touch=about, script=f"{lead.lead}: {about}")


class ExampleOutreach(Keeper):
    """Reaches whoever has an address; nobody picks up the phone."""

    async def message(self, key: str, lead: LeadFound, text: str) -> None:
        await self._reach(key, "whatsapp", lead, lead.phone, text)

    async def mail(self, key: str, lead: LeadFound, text: str) -> None:
        await self._reach(key, "mail", lead, lead.email, text)

    async def touch(self, key: str, lead: LeadFound, text: str) -> None:
        await self._reach(key, "linkedin", lead, lead.company, text)

    async def call(self, key: str, lead: LeadFound, script: str) -> Called:
        await self._reach(key, "voice", lead, lead.phone, script)
        return Called(answered=False)

    async def _reach(self, key: str, way: str, lead: LeadFound, address: str, text: str) -> None:
        if not address:
            raise Refused("unreachable", f"{lead.lead} has no {way}")
        await self._do(key, way, lead.lead, text)


class ExampleCrm(Keeper):
    """Remembers how it ended, and whom nobody may write to."""

    async def suppress(self, key: str, lead: LeadFound) -> None:
        await self._do(key, "suppress", lead.lead, "suppressed")

    async def sync(self, key: str, lead: LeadFound, ended: Ended, touches: int) -> None:
        await self._do(key, "sync", lead.lead, f"{ended.value} after {touches}")


@asynccontextmanager
async def research() -> AsyncIterator[ExampleResearch]:
    """What `connect` wants for research."""
    yield ExampleResearch()


def outreach(
    path: Path, lost_once: frozenset[str] = frozenset()
) -> Callable[[], AbstractAsyncContextManager[ExampleOutreach]]:
    """What `connect` wants for outreach; its books are the file at `path`."""
    return kept(ExampleOutreach, path, lost_once)


def crm(
    path: Path, lost_once: frozenset[str] = frozenset()
) -> Callable[[], AbstractAsyncContextManager[ExampleCrm]]:
    """What `connect` wants for the CRM; its books are the file at `path`."""
    return kept(ExampleCrm, path, lost_once)

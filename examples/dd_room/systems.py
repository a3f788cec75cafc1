"""The provider of rooms and the archive of the example; what they did is in their books."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from examples.keeper import Keeper, kept
from sagas.catalogue.dd_room import (
    AccessReported,
    Archived,
    Document,
    Grant,
    Label,
    Opening,
    Party,
    Room,
)
from troth import Refused

__all__ = ["ExampleArchive", "ExampleRooms", "archive", "rooms"]


class ExampleRooms(Keeper):
    """Holds rooms and who has access, in its books."""

    async def create(self, key: str, deal: str) -> Room:
        return Room(room_id=await self._do(key, "create-room", deal, f"room-{deal}"))

    async def delete(self, key: str, room: Room) -> None:
        await self._do(key, "delete-room", room.room_id, "deleted")

    async def load(self, key: str, room: Room, document: Document) -> str:
        loaded = f"{room.room_id}/{document.document_id}"
        return await self._do(key, "load", document.document_id, loaded)

    async def unload(self, key: str, loaded: str) -> None:
        await self._do(key, "unload", loaded.rpartition("/")[2], "unloaded")

    async def open(self, key: str, room: Room) -> Opening:
        return Opening(opening_id=await self._do(key, "open", room.room_id, f"open-{room.room_id}"))

    async def opened(self, key: str) -> Opening | None:
        """Whether the effect with this key happened."""
        done = await self._done(key)
        return None if done is None else Opening(opening_id=done)

    async def close(self, key: str, opening: Opening) -> None:
        await self._do(key, "close", opening.opening_id, "closed")

    async def grant(self, key: str, room: Room, party: Party) -> Grant:
        text = f"{room.room_id}/{party.person}"
        return Grant(grant_id=await self._do(key, "grant", party.person, text))

    async def revoke(self, key: str, grant: Grant) -> None:
        await self._do(key, "revoke", grant.grant_id.rpartition("/")[2], "revoked")


class ExampleArchive(Keeper):
    """Classifies by name; keeps reports and records."""

    def classify(self, document: Document) -> Label:
        kind = document.document_id.partition("-")[0]
        if kind == "advice":
            raise Refused("privileged", f"{document.document_id} is a lawyer's advice")
        return Label(document_id=document.document_id, label=kind)

    async def log(self, key: str, report: AccessReported) -> None:
        await self._do(key, "log", report.person, str(report.documents))

    async def file(self, key: str, room: Room, admitted: list[str]) -> Archived:
        text = f"{room.room_id}: {', '.join(admitted)}"
        return Archived(archive_id=await self._do(key, "file", room.room_id, text))


def rooms(
    path: Path, lost_once: frozenset[str] = frozenset()
) -> Callable[[], AbstractAsyncContextManager[ExampleRooms]]:
    """What `connect` wants for the rooms; their books are the file at `path`."""
    return kept(ExampleRooms, path, lost_once)


def archive(
    path: Path, lost_once: frozenset[str] = frozenset()
) -> Callable[[], AbstractAsyncContextManager[ExampleArchive]]:
    """What `connect` wants for the archive; its books are the file at `path`."""
    return kept(ExampleArchive, path, lost_once)

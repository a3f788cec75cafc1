"""Due-diligence room: create it, load and classify documents, let people in, log, close, revoke.

The room opens only when the board said so. Everybody is let in on a decision of their own, also
people who are named later; who leaves, or whose decision is no, has no access left. Closing
revokes all access and then closes the room; 90 days without it, or a cancel, undo it all, and so
does a log of access that cannot be kept.
The systems behind the participants are other people's: `connect` says which.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Protocol

from pydantic import BaseModel, Field

from troth import (
    A0,
    A2,
    A3,
    R0,
    R1,
    R2,
    S2,
    S3,
    Accepted,
    App,
    Effect,
    Items,
    Participant,
    Retry,
    Rule,
    approve,
    await_,
    branch,
    cancel,
    cel,
    each,
    event,
    fail,
    is_in,
    new,
    not_,
    on,
    out,
    race,
    saga,
    scope,
    set_,
    undo,
    update,
    var,
)

__all__ = [
    "DOCUMENTS_MAX",
    "PARTIES_MAX",
    "AccessReported",
    "Archive",
    "Archived",
    "BuyerLeft",
    "Close",
    "Document",
    "Grant",
    "Invite",
    "Label",
    "Opening",
    "Outcome",
    "Party",
    "Room",
    "RoomRequested",
    "Rooms",
    "app",
    "connect",
    "dd_room",
]

DOCUMENTS_MAX = 500
PARTIES_MAX = 200
REPORTS_MAX = 1_000
"""Reports of access that are logged; one a day is far below."""
LOADED_BESIDE = 8
BOARD_WITHIN = "30d"
ADMITTED_WITHIN = "5d"
OPEN_FOR = "90d"
FILED_WITHIN = "30d"
REVIEW = "data-room-policy"
"""The policy review that lets personal and board data into the room and the archive."""

PATIENT = Retry(attempts=100, cap="1h")
"""A log or an archive that is away for days is no reason to close a room."""


class Document(BaseModel):
    """A document as the seller names it; where it lies is confidential in itself."""

    document_id: str
    path: Annotated[str, S3]


class Party(BaseModel):
    """A person of the buyer; `person` is how they are known everywhere."""

    person: str
    email: Annotated[str, S3]
    group: str


@event("room.requested", version=1, key="deal")
class RoomRequested(BaseModel):
    """A deal needs a room with these documents, for these people."""

    deal: str
    documents: Annotated[list[Document], Field(min_length=1, max_length=DOCUMENTS_MAX)]
    parties: Annotated[list[Party], Field(max_length=PARTIES_MAX)]


@event("room.access-reported", version=1, key="deal")
class AccessReported(BaseModel):
    """The room's daily report: who opened how many documents."""

    deal: str
    day: str
    person: str
    documents: int


@event("room.buyer-left", version=1, key="deal")
class BuyerLeft(BaseModel):
    """The buyer walks away: nobody of theirs may see anything from now on."""

    deal: str
    reason: str


class Invite(BaseModel):
    """One more person."""

    party: Party


class Dismiss(BaseModel):
    """Somebody shall have no access any more."""

    person: str


class Close(BaseModel):
    """The room closes."""

    reason: str


class Room(BaseModel):
    """The room, empty and closed at first."""

    room_id: str


class Label(BaseModel):
    """What a document is; the room shows it by that."""

    document_id: str
    label: str


class Opening(BaseModel):
    """The room is open to those who are let in."""

    opening_id: str


class Grant(BaseModel):
    """Somebody's access."""

    grant_id: str


class Archived(BaseModel):
    """Where the record of the room lies."""

    archive_id: str


class Outcome(BaseModel):
    """Who was let in, by person; who was not; and the record."""

    archive_id: str
    admitted: list[str]


class Rooms(Protocol):
    """The provider of rooms. `key` is the idempotency key of the effect."""

    async def create(self, key: str, deal: str) -> Room: ...
    async def delete(self, key: str, room: Room) -> None: ...
    async def load(self, key: str, room: Room, document: Document) -> str: ...
    async def unload(self, key: str, loaded: str) -> None: ...
    async def open(self, key: str, room: Room) -> Opening: ...
    async def opened(self, key: str) -> Opening | None: ...
    async def close(self, key: str, opening: Opening) -> None: ...
    async def grant(self, key: str, room: Room, party: Party) -> Grant: ...
    async def revoke(self, key: str, grant: Grant) -> None: ...


class Archive(Protocol):
    """Classifies documents, and keeps what was seen by whom."""

    def classify(self, document: Document) -> Label:
        """What it is. Raises Refused("privileged"): that may be in no room."""
        ...

    async def log(self, key: str, report: AccessReported) -> None: ...
    async def file(self, key: str, room: Room, admitted: list[str]) -> Archived: ...


_systems: dict[str, Callable[[], AbstractAsyncContextManager[object]]] = {}


def connect(
    rooms: Callable[[], AbstractAsyncContextManager[Rooms]],
    archive: Callable[[], AbstractAsyncContextManager[Archive]],
) -> None:
    """Say which systems stand behind the participants, before a worker starts."""
    _systems.update(rooms=rooms, archive=archive)


def _rooms() -> AbstractAsyncContextManager[Rooms]:
    return _systems["rooms"]()  # pyright: ignore[reportReturnType]  # put there by connect


def _archive() -> AbstractAsyncContextManager[Archive]:
    return _systems["archive"]()  # pyright: ignore[reportReturnType]  # put there by connect


rooms = Participant("rooms", deps=_rooms)
archive = Participant("archive", deps=_archive)


@rooms.effect("create-room", A0, R1, S2)
async def create_room(fx: Effect[Rooms], deal: str) -> Room:
    return await fx.deps.create(fx.key, deal)


@create_room.undo
async def delete_room(fx: Effect[Rooms], room: Room) -> None:
    await fx.deps.delete(fx.key, room)


@archive.step("classify", refuses=["privileged"], review=REVIEW)
def classify(fx: Effect[Archive], document: Document) -> Label:
    return fx.deps.classify(document)


@rooms.effect("load", A0, R1, S3, review=REVIEW)
async def load(fx: Effect[Rooms], room: Room, document: Document) -> str:
    return await fx.deps.load(fx.key, room, document)


@load.undo
async def unload(fx: Effect[Rooms], loaded: str) -> None:
    await fx.deps.unload(fx.key, loaded)


@rooms.effect("open", A3, R2, S3, unknown="probe", review=REVIEW)
async def open_room(fx: Effect[Rooms], room: Room) -> Opening:
    return await fx.deps.open(fx.key, room)


@open_room.probe
async def is_open(fx: Effect[Rooms], room: Room) -> Opening | None:
    del room  # the key says enough
    return await fx.deps.opened(fx.key)


@open_room.undo
async def close_room(fx: Effect[Rooms], opening: Opening) -> None:
    await fx.deps.close(fx.key, opening)


@rooms.effect("grant", A2, R1, S3, review=REVIEW)
async def grant(fx: Effect[Rooms], room: Room, party: Party) -> Grant:
    return await fx.deps.grant(fx.key, room, party)


@grant.undo
async def revoke(fx: Effect[Rooms], given: Grant) -> None:
    await fx.deps.revoke(fx.key, given)


@archive.effect(
    "log-access",
    A0,
    R0,
    S3,
    retry=PATIENT,
    irreversible=Accepted("a log is kept"),
    review=REVIEW,
)
async def log_access(fx: Effect[Archive], report: AccessReported) -> None:
    await fx.deps.log(fx.key, report)


@archive.effect(
    "file-room",
    A0,
    R1,
    S3,
    retry=PATIENT,
    irreversible=Accepted("a record is kept"),
    review=REVIEW,
)
async def file_room(fx: Effect[Archive], room: Room, admitted: list[str]) -> Archived:
    return await fx.deps.file(fx.key, room, admitted)


def let_in(parties: Items[Party], room: Room, admitted: list[str], closing: bool) -> None:
    """Everybody has access from a decision of their own until the room closes."""
    for party in parties:
        with race("entry"):
            ask = approve("admit", level=A2, subject=party, edit=False, within=ADMITTED_WITHIN)
            with branch("asked", ask):
                granted = grant(room, party)
                set_(admitted=admitted + [party.person])
                await_("until_closed", closing, within=None)
                undo(granted)
            with branch("too_late", await_("closed_before", closing, within=None)):
                pass


@saga("dd-room", version=1, starts_on=RoomRequested)
def dd_room(request: RoomRequested) -> Outcome:
    """Traced once into `dd_room.v1.json`; never run by the engine."""
    known = var("known", list[str], [])
    admitted = var("admitted", list[str], [])
    closing = var("closing", bool, False)
    set_(known=cel("input.parties.map(p, p.person)", list[str]))
    room = create_room(request.deal)
    documents = each(
        "documents", request.documents, key=lambda document: document.document_id,
        at_most=DOCUMENTS_MAX, width=LOADED_BESIDE,
    )  # fmt: skip
    for document in documents:
        label = classify(document)
        load(room, document)
        out(label)
    with approve("board", level=A3, evidence=[room, documents], within=BOARD_WITHIN):
        opening = open_room(room)
    with scope("diligence", deadline=OPEN_FOR):
        parties = each(
            "parties", request.parties, key=lambda party: party.person,
            at_most=PARTIES_MAX, on_item="collect", open=True,
        )  # fmt: skip
        let_in(parties, room, admitted, closing)
        with update(
            "invite", Invite,
            refuse=[Rule(lambda i: is_in(i.party.person, known), "known", "named already")],
            set=lambda i: {"known": known + [i.party.person]},
            to=parties, add=lambda i: [i.party],
        ):  # fmt: skip
            pass
        with update(
            "dismiss", Dismiss,
            refuse=[Rule(lambda d: not_(is_in(d.person, known)), "unknown", "nobody of that name")],
        ) as dismiss:  # fmt: skip
            cancel(parties, item=dismiss.person)
        with update("close", Close, set=lambda _: {"closing": True}, to=parties, close=True):
            pass
        with on("access", AccessReported, request.deal, max=REPORTS_MAX) as report:
            log_access(report)
        with on("walked_away", BuyerLeft, request.deal, interrupt=True):
            fail("buyer-left")
    undo(opening)
    filed = file_room.within(FILED_WITHIN)(room, admitted)
    return new(Outcome, archive_id=filed.archive_id, admitted=admitted)


app = App(sagas=[dd_room], participants=[rooms, archive])

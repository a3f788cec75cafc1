"""A due diligence room: each party gets its own key, also those that come later."""

from __future__ import annotations

from pydantic import BaseModel

from troth import A0, R1, S1, App, Effect, Participant, add, each, event, on, out, saga


class Party(BaseModel):
    id: str
    after: list[str] = []


@event("room.asked", version=1, key="room")
class Asked(BaseModel):
    room: str
    parties: list[Party]


@event("room.joined", version=1, key="room")
class Joined(BaseModel):
    room: str
    party: Party
    last: bool = False


rooms = Participant("rooms")


@rooms.effect("grant", A0, R1, S1)
def grant(fx: Effect, party: str) -> str:
    return f"key of {party}, {fx.key}"


@grant.undo
def take_back(fx: Effect, key: str) -> None:
    print("taken back:", key, fx.key)  # noqa: T201  # it is an example


@saga("open-room", version=1, starts_on=Asked)
def open_room(asked: Asked) -> dict[str, list[str]]:
    parties = each(
        "parties", asked.parties, key=lambda party: party.id, after=lambda party: party.after,
        at_most=50, width=5, on_item="collect", open=True, within="30d",
    )  # fmt: skip
    for party in parties:
        key = grant(party.id)
        out(key)
    with on("joining", Joined, asked.room) as joined:
        add(parties, [joined.party], close=joined.last)
    return {"done": parties.done, "failed": parties.failed}


app = App(sagas=[open_room], participants=[rooms])

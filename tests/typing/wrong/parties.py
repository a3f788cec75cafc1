"""Lines that an editor must find are marked; every other line is right. Never imported."""

from tests.typing.right.parties import Asked, Joined, grant
from troth import add, each, on, saga


@saga("wrong-room", version=1, starts_on=Asked)
def wrong_room(asked: Asked) -> int:
    parties = each("parties", asked.parties, key=lambda one: one.name, at_most=9)  # wrong: no name
    for party in parties:
        grant(party)  # wrong: a Party, not its id
    for _ in each("rooms", asked.room, key=lambda room: room.id, at_most=9):  # wrong: no id
        pass
    for _ in each("more", asked.parties, join="some", at_most=9):  # wrong: no such join
        pass
    for _ in each("least", asked.parties):  # wrong: how many at most
        pass
    with on("joining", Joined, asked.room) as joined:
        add(parties, [joined.room])  # wrong: a text in a list of parties
        add("parties", [joined.party])  # wrong: a list, not its name
    return parties.done  # wrong: keys

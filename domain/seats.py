"""Who must decide at which level: the seats of an approval and the roles that can take them."""

from __future__ import annotations

from domain.state import Asked

__all__ = [
    "LEVELS", "SEATS", "free_seat", "may_stand_in", "missing_seats", "seat_text", "seats_of",
]  # fmt: skip

# A level wants all of its seats; a seat may have more than one role that can take it (domain.md).
LEVELS: dict[str, tuple[tuple[str, ...], ...]] = {
    "A0": (),
    "A1": (("manager",),),
    "A2": (("function_head",), ("legal", "finance")),
    "A3": (("executive", "board"),),
}
# How high a seat stands: it stands in for those of a lower level, once it was called.
SEATS: dict[str, int] = {
    "manager": 1, "function_head": 2, "legal": 2, "finance": 2, "executive": 3, "board": 3,
}  # fmt: skip
_RANKS = {"A0": 0, "A1": 1, "A2": 2, "A3": 3}
_ANYONE = "anyone"


def seats_of(asked: Asked) -> list[tuple[str, ...]]:
    """Every seat that the question wants, as the roles that can take it."""
    return [*LEVELS[asked.level], *((role,) for role in asked.needs)] or [(_ANYONE,)]


def missing_seats(asked: Asked) -> list[str]:
    """The seats that nobody has taken yet, as people read them: `legal or finance`."""
    names = [_name(i, roles) for i, roles in enumerate(seats_of(asked))]
    return [seat_text(name) for name in names if name not in asked.seats]


def seat_text(name: str) -> str:
    """A seat as people read it: `legal or finance` for `2:legal|finance`."""
    return name.partition(":")[2].replace("|", " or ")


def may_stand_in(role: str, level: str) -> bool:
    """Whether who has this seat, once called, may take any seat of the level: only from above it.

    So no escalation makes a level less than it is.
    """
    return SEATS.get(role, 0) > _RANKS[level]


def free_seat(asked: Asked, held: tuple[str, ...]) -> tuple[str, str | None] | None:
    """The first seat still free that one of the held roles can take, and who stands in for it.

    A seat of one's own comes first. A role that the question was escalated to stands in for the
    seats beyond the level, and for those of the level if it is above it.
    """
    free = [
        (index, roles, name) for index, roles in enumerate(seats_of(asked))
        if (name := _name(index, roles)) not in asked.seats
    ]  # fmt: skip
    for _, roles, name in free:
        if _ANYONE in roles or any(role in roles for role in held):
            return name, None
    called = [role for role in asked.escalated if role in held]
    of_level = len(LEVELS[asked.level])
    for index, _, name in free:
        for role in called:
            if index >= of_level or may_stand_in(role, asked.level):
                return name, role
    return None


def _name(index: int, roles: tuple[str, ...]) -> str:
    return f"{index + 1}:{'|'.join(roles)}"

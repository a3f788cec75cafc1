"""Who must decide at which level: the seats of an approval and the roles that can take them."""

from __future__ import annotations

from domain.state import Asked

__all__ = ["LEVELS", "free_seat", "missing_seats", "seat_text", "seats_of"]

# A level wants all of its seats; a seat may have more than one role that can take it (domain.md).
LEVELS: dict[str, tuple[tuple[str, ...], ...]] = {
    "A0": (),
    "A1": (("manager",),),
    "A2": (("function_head",), ("legal", "finance")),
    "A3": (("executive", "board"),),
}
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


def free_seat(asked: Asked, held: tuple[str, ...]) -> str | None:
    """The first seat still free that one of the held roles can take."""
    for index, roles in enumerate(seats_of(asked)):
        name = _name(index, roles)
        fits = _ANYONE in roles or any(role in roles for role in held)
        if name not in asked.seats and fits:
            return name
    return None


def _name(index: int, roles: tuple[str, ...]) -> str:
    return f"{index + 1}:{'|'.join(roles)}"

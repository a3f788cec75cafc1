"""Who must decide at which level: the seats of an approval and the roles that can take them."""

from __future__ import annotations

from domain.state import Asked

__all__ = ["LEVELS", "free_seat", "missing_seats", "seats_of"]

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
    """Names of the seats that nobody has taken yet, such as `2:legal|finance`."""
    names = [_name(i, roles) for i, roles in enumerate(seats_of(asked))]
    return [name for name in names if name not in asked.seats]


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

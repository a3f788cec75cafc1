"""The messages between a step that waits for its turn and the stream of its throttle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

__all__ = ["DropTurn", "NoTurn", "TakeTurn", "YourTurn"]


@dataclass(frozen=True, slots=True)
class TakeTurn:
    """To the stream of a throttle: a step wants to be dispatched, at most `max` in any `per_us`.

    `ask` is the version at which the commitment asked.
    """

    KIND: ClassVar[str] = "take_turn"
    tenant: str
    throttle: str
    key: str
    commitment: str
    node: str
    ask: int
    max: int
    per_us: int


@dataclass(frozen=True, slots=True)
class DropTurn:
    """To the stream of a throttle: the step waits no longer."""

    KIND: ClassVar[str] = "drop_turn"
    commitment: str
    node: str
    ask: int


@dataclass(frozen=True, slots=True)
class YourTurn:
    """To a commitment: the step may be dispatched now."""

    KIND: ClassVar[str] = "your_turn"
    node: str
    ask: int


@dataclass(frozen=True, slots=True)
class NoTurn:
    """To a commitment: too many wait in the throttle."""

    KIND: ClassVar[str] = "no_turn"
    node: str
    ask: int

"""The views: the tables that a ViewRow may name, alike in every database."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["VIEWS", "ViewTable"]


@dataclass(frozen=True, slots=True)
class ViewTable:
    """The key columns of a table that a ViewRow may name, and the type of every column."""

    keys: tuple[str, ...]
    kinds: dict[str, str]

    @property
    def stream(self) -> str:
        """The column that names the stream a row was folded from."""
        return "stream" if "stream" in self.kinds else "commitment"


def _kinds(words: str) -> dict[str, str]:
    """`kind: names; ...` as the kind of each name."""
    groups = [group.split(":") for group in words.split(";")]
    return {name: kind.strip() for kind, names in groups for name in names.split()}


VIEWS = {
    "current_steps": ViewTable(
        ("commitment",),
        _kinds("uuid: commitment; text: tenant saga key status step; integer: run version lane;"
               "bigint: position since_us; bytea: body"),
    ),
    "approvals": ViewTable(
        ("id",),
        _kinds("text: id tenant status; uuid: commitment; bigint: asked_us; integer: version;"
               "bytea: body"),
    ),
    "tasks": ViewTable(
        ("id",),
        _kinds("text: id tenant status; uuid: commitment; bigint: offered_us; integer: version;"
               "bytea: body"),
    ),
    "debts": ViewTable(
        ("id",),
        _kinds("text: id tenant status; uuid: commitment; bigint: opened_us; integer: version;"
               "bytea: body"),
    ),
    "parked_events": ViewTable(
        ("stream", "position"),
        _kinds("uuid: stream; bigint: position kept_us expires_us; text: tenant key type event_id"
               " reason; bytea: body"),
    ),
}  # fmt: skip
"""A test compares them with the tables."""

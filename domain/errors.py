"""Every code of the product, in one table: its number, alias, HTTP status, title and remedy.

A code is stable: it is never renumbered or reused. `Refusal` is a "no" as a value; it is raised
only at the edges. Faults of our own are other exceptions and end as TR999.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from domain.error_table import TABLE

__all__ = ["CODES", "Code", "Refusal", "code_of", "refusal"]


@dataclass(frozen=True, slots=True)
class Code:
    """One line of the table. `do` says what to write or run instead."""

    number: str
    alias: str
    status: int
    title: str
    do: str


def _table(text: str) -> tuple[Code, ...]:
    """Pairs of lines: number, alias, status and title; below it what to do."""
    lines = text.strip().splitlines()
    codes: list[Code] = []
    for first, second in zip(lines[::2], lines[1::2], strict=True):
        number, alias, status, title = first.split(maxsplit=3)
        codes.append(Code(number, alias, int(status), title, second.strip()))
    return tuple(codes)


ALL = _table(TABLE)

CODES: dict[str, Code] = {c.alias: c for c in ALL} | {c.number: c for c in ALL}


def code_of(name: str) -> Code:
    """The line of the table for an alias or a number; an unknown one is a bug of ours (TR999)."""
    return CODES.get(name) or CODES["TR999"]


@dataclass(eq=False)
class Refusal(Exception):
    """A "no" with its code. `errors` lists single faults, each a JSON object with `code`."""

    alias: str
    detail: str
    errors: tuple[dict[str, object], ...] = field(default=())

    @property
    def code(self) -> Code:
        return code_of(self.alias)

    def __str__(self) -> str:
        return f"{self.code.number} {self.alias}: {self.detail}"


def refusal(alias: str, detail: str) -> Refusal:
    """A refusal of a code in the table; an alias that is not there is a fault of ours."""
    if alias not in CODES:
        raise KeyError(alias)
    return Refusal(alias, detail)

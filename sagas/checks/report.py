"""Faults of a definition: what is wrong, where, and what to write instead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, cast

from domain.errors import code_of

__all__ = ["Fault", "Report", "Where"]

FAULTS_MAX = 200
"""Faults told of one document; a reader mends the first ones anyway."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. `node` is the path of a node or handler, empty for the document itself.

    `alias` and `number` are its code (def.no_undo, TR202); `do` says what to write instead.
    `line` and `file` are where it was written, as far as the document's `source` says.
    """

    alias: str
    number: str
    node: str
    message: str
    do: str
    line: int | None = None
    file: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The fault as answers carry it; `code` is the number."""
        return {
            "code": self.number, "alias": self.alias, "node": self.node, "message": self.message,
            "do": self.do, "line": self.line, "file": self.file,
        }  # fmt: skip


class Where(Protocol):
    """A node or handler: its path and its place in document order."""

    @property
    def template(self) -> str: ...
    @property
    def order(self) -> int: ...


class Report:
    """Collects faults; `faults` gives them in document order, each once."""

    def __init__(self, document: dict[str, Any]) -> None:
        source = _object(document.get("source"))
        file = source.get("file")
        self._file = file if isinstance(file, str) else None
        self._lines = _object(source.get("lines"))
        self._found: dict[Fault, int] = {}

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, alias: str, at: Where | None, message: str, do: str | None = None) -> None:
        """Add a fault of the code `alias`; `at` is None for the document itself."""
        where, order = ("", 0) if at is None else (at.template, at.order)
        self.add_at(alias, where, order, message, do)

    def add_at(
        self, alias: str, where: str, order: int, message: str, do: str | None = None
    ) -> None:
        """The same with a path and a place in the order."""
        code = code_of(alias)
        line = self._line(where)
        file = self._file if line is not None else None
        fault = Fault(alias, code.number, where, message, do or code.do, line, file)
        self._found.setdefault(fault, order)

    def faults(self) -> list[Fault]:
        """All faults in document order, at most FAULTS_MAX."""
        ordered = sorted(self._found, key=self._found.__getitem__)
        return ordered[:FAULTS_MAX]

    def _line(self, where: str) -> int | None:
        """The line of the node, or of the nearest part around it that has one."""
        while where:
            line = self._lines.get(where)
            if isinstance(line, int):
                return line
            where = where.rpartition("/")[0]
        return None


def _object(value: object) -> dict[str, Any]:
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}

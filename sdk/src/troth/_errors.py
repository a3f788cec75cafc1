"""What handlers raise to say how an effect ended, and the one error of the authoring side."""

from __future__ import annotations

import linecache
from dataclasses import dataclass
from pathlib import Path

__all__ = ["CannotTell", "NotDone", "Refused", "RetryAfter", "TrothError", "shown_file"]


class Refused(Exception):
    """A business "no": recorded, never retried unless the step's `Retry(on=[...])` names the code.

    `code` is one of the step's `refuses`; it means that nothing happened outside.
    """

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" if self.message else self.code


class NotDone(Exception):
    """Surely nothing happened outside (no connection, for example): tried again, same key."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.message = message


class RetryAfter(Exception):
    """Surely nothing happened, and the other side says when to try again: `RetryAfter("30s")`."""

    def __init__(self, delay: str, message: str = "") -> None:
        super().__init__(delay, message)
        self.delay = delay
        self.message = message

    def __str__(self) -> str:
        return f"after {self.delay}: {self.message}" if self.message else f"after {self.delay}"


class CannotTell(Exception):
    """Raised by a probe that cannot say whether the effect happened: a person is asked."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.message = message


@dataclass(eq=False)
class TrothError(Exception):
    """A saga, step or event is written wrongly.

    `str()` gives the screen: code and what happened, where, the source line, what to write.

    Args:
        code: a number of the product's table of codes, such as `TR121`.
        message: what happened, one sentence without a full stop.
        file, line, column: where; the column counts from 1.
        do: what to write instead.
        where: the saga and node, such as `partner-activation v1 / activate`.
    """

    code: str
    message: str
    file: str | None = None
    line: int | None = None
    column: int | None = None
    do: str | None = None
    where: str | None = None

    def __post_init__(self) -> None:
        super().__init__(self.code, self.message)

    def __str__(self) -> str:
        rows = [f"error {self.code}: {self.message}"]
        if self.file is not None:
            place = [shown_file(self.file)]
            place += [str(part) for part in (self.line, self.column) if part is not None]
            source = linecache.getline(self.file, self.line or 0).strip()
            row = "  " + ":".join(place)
            if self.where:
                row += f"   {self.where}"
            rows.append(f"{row}   | {source}" if source else row)
        elif self.where:
            rows.append(f"  {self.where}")
        if self.do:
            rows.append(f"  write  {self.do}")
        return "\n".join(rows)


def shown_file(file: str) -> str:
    """The path of a source file as people of the project know it: from its pyproject.toml on.

    It is the same on every machine, so it may be stored; outside a project it is the bare name.
    """
    path = Path(file)
    for folder in path.parents:
        if (folder / "pyproject.toml").is_file():
            return path.relative_to(folder).as_posix()
    return path.name

"""What blocks and approvals give, as a type checker sees it. Nobody makes instances of these."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Literal, Protocol

from typing_extensions import TypeVar

__all__ = ["Chosen", "Collect", "Decision", "Failure", "Joined", "Round", "Scoped"]

S_co = TypeVar("S_co", covariant=True)
E = TypeVar("E")


class Decision(Protocol[S_co]):
    """`with approve(...) as legal:`, what people decided."""

    @property
    def subject(self) -> S_co:
        """The subject, as it was edited."""
        ...

    @property
    def decision(self) -> Literal["approve", "edit", "reject"]: ...

    @property
    def payload(self) -> Any:
        """What the edit gave; only where `decision` is "edit"."""
        ...

    @property
    def by(self) -> str:
        """Who took the seats, joined by commas."""
        ...

    @property
    def at(self) -> datetime: ...

    @property
    def reason(self) -> str: ...


class Chosen(Protocol):
    """`with choose(...) as x:`, `with race(...) as x:`, `with when(...) as x:`, afterwards."""

    @property
    def branch(self) -> str:
        """The name of the branch that ran."""
        ...

    @property
    def out(self) -> Any:
        """What the branch gave by `out(...)`."""
        ...


class Joined(Protocol):
    """`with parallel(...) as x:`, afterwards: branches by name."""

    @property
    def out(self) -> dict[str, Any]: ...

    @property
    def failed(self) -> list[str]: ...

    @property
    def skipped(self) -> list[str]: ...


class Round(Protocol):
    """`with repeat(...) as round:`; `number` inside (from 1), the others afterwards."""

    @property
    def number(self) -> int: ...

    @property
    def rounds(self) -> int: ...

    @property
    def out(self) -> Any: ...


class Scoped(Protocol):
    """`with scope(...) as x:`, afterwards."""

    @property
    def out(self) -> Any: ...


class Failure(Protocol):
    """`with on_failure(...) as error:`, what went wrong; `kind` is its class."""

    @property
    def kind(self) -> str: ...

    @property
    def code(self) -> str: ...

    @property
    def message(self) -> str: ...

    @property
    def node(self) -> str: ...


@dataclass(frozen=True)  # no slots: `Collect[Model](...)` must work
class Collect(Generic[E]):
    """A wait that takes a list of events.

    Args:
        until: ends it, over the list so far: `lambda bids: size(bids) >= 3`.
        max: ends it after so many.
        quiet: ends it after so long without one, `"1h"`.
    """

    until: Callable[[list[E]], bool] | None = None
    max: int | None = None
    quiet: str | None = None

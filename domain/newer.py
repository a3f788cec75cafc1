"""What a later release wrote and this one cannot read: it is told apart from damage, and waits.

Reading such a thing as if it were known would decide on half of the truth. Its stream is set aside
under a code of its own, and goes on with the first process that can read it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from domain.errors import Refusal, refusal

__all__ = ["NEWER", "Unread", "is_newer", "newer", "only_known"]

NEWER = "store.newer"


@dataclass(frozen=True, slots=True)
class Unread:
    """A message or request of a kind, or with a member, that this release does not know."""

    KIND: ClassVar[str] = ""
    kind: str


def newer(what: str) -> Refusal:
    """The refusal of something that only a later release understands."""
    return refusal(NEWER, f"{what}: a later release wrote it")


def is_newer(fault: BaseException) -> bool:
    """Whether a fault says that a later release wrote what was read."""
    return isinstance(fault, Refusal) and fault.alias == NEWER


def only_known(values: Mapping[str, Any], known: Collection[str], what: str) -> dict[str, Any]:
    """The known members. What is not known may be there as long as it says nothing.

    Raises Refusal (store.newer).
    """
    told = sorted(name for name, value in values.items() if name not in known and value)
    if told:
        raise newer(f"{what} has {', '.join(told)}")
    return {name: value for name, value in values.items() if name in known}

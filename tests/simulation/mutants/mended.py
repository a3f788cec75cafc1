"""Faults that worlds once found, put back: each was mended, and must be seen if it returns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from adapters.sqlite import writes
from consumers import batch
from consumers.line import Line
from domain import saga_key
from domain.messages import ChildStarted
from sagas.decide import effects
from tests.simulation.kinds import Kinds
from tests.simulation.mutants.harness import mutant, replaced, wrapped

Json = Any


class _Hasty(Line):
    """Mail that waits for nothing."""

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, False if name == "is_behind" else value)

    def awaits(self, rows: Any) -> None:
        """Older mail for a stream does not matter."""


@mutant()
def lets_mail_overtake() -> Iterator[None]:
    """What is sent in a transaction is applied before older mail of the inbox."""
    with replaced(batch, "Line", _Hasty):
        yield


@mutant(promise=5)
def says_early_that_a_child_runs() -> Iterator[None]:
    """The parent is told before the child is there: what it asks of it may come first."""

    def open_run(real: Any, self: Any, start: Any, *queued: Any) -> Json:
        opened = real(self, start, *queued)
        if start.parent is not None:
            told = ChildStarted(
                start.parent["node"], start.parent["ask"], opened["id"], opened["run"],
                start.saga_version,
            )  # fmt: skip
            self.mail.append((UUID(start.parent["id"]), told))
        return opened

    with wrapped(saga_key._Draft, "open_run", open_run):
        yield


@mutant(promise=7)
def commands_again_with_other_arguments() -> Iterator[None]:
    """What is commanded anew reads its arguments anew, under the key of before."""
    with replaced(effects, "_kept_args", lambda *_: None):
        yield


@mutant(promise=5)
def reads_what_is_forgotten() -> Iterator[None]:
    """The undo of a late done is read where its item or round is over."""
    with replaced(effects, "_is_forgotten", lambda *_, **__: False):
        yield


def _is_restored(kinds: Kinds) -> bool:
    return kinds.is_restored


@mutant(promise=14, seen=_is_restored)
def believes_what_the_copy_heard() -> Iterator[None]:
    """A next attempt for which the copy waits is given out, though the lost time made it."""
    with replaced(writes, "DOUBT", "SELECT doubt_until_us, 0 FROM store"):
        yield

"""What a round asks the store for, and in how many questions."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest

from consumers.batch import Batch
from consumers.line import Line, Lot
from consumers.registry import Registry
from consumers.round import Round
from domain.messages import Mail
from domain.ports import InboxRow
from tests.contract.store_world import mail, stream


@dataclass
class Read:
    """A transaction that notes which streams it was told to expect."""

    foresees: bool
    foreseen: list[UUID] = field(default_factory=list[UUID])

    def foresee(self, *, streams: Collection[UUID], **_: object) -> None:
        self.foreseen += streams


@pytest.mark.parametrize("foresees", [True, False])
def test_what_lay_in_a_lane_taken_over_is_read_in_one_question(foresees: bool) -> None:
    """An owner that died leaves thousands of replies: one question for each took seconds."""
    rows = [InboxRow(n, mail(f"s{n}"), 0) for n in range(3)]
    tx, taken = Read(foresees), list[Mail]()
    batch: Any = SimpleNamespace(
        tx=tx, parts=SimpleNamespace(streams={}), accept_us=0, is_full=False,
        line=Line(), owns=lambda _: True, take=lambda _, item: taken.append(item),
    )  # fmt: skip
    given: Any = {"has_mail": False, "takes_due": False, "sweeps": False, "lot": Lot(rows)}
    Round({}, Registry(), [], [], **given).take(cast(Batch, batch))
    assert taken == [row.item for row in rows]
    assert tx.foreseen == ([stream(f"s{n}") for n in range(3)] if foresees else [])

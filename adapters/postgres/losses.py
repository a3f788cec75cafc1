"""Accepting that records of a log outside are gone: a decision, kept with its reason."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.postgres.faults import FAULTS, store_failed
from adapters.postgres.link import Db, connect, where
from adapters.postgres.writes import write_dead_letter
from domain.ports import Cursor, DeadLetter, StoreFailed

__all__ = ["NOT_READ", "LossLedger"]

NOT_READ = bytes(32)
"""The digest of a cursor before whose offset nothing is left."""
LOCK_TIMEOUT_MS = 10_000
ANY_TENANT = "*"
CODE = "bus.input_lost"

# A new epoch: whoever owns the lane loses what it believes of the cursor, and reads it again.
_HOLD = "UPDATE lanes SET epoch = epoch + 1 WHERE lane = mod(%s, (SELECT lanes FROM store))"
_CURSOR = "SELECT topic_id, next_offset FROM cursors WHERE topic = %s AND partition = %s FOR UPDATE"
_MOVE = "UPDATE cursors SET next_offset = %s, digest = %s WHERE topic = %s AND partition = %s"
_NOW = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"


@dataclass(frozen=True, slots=True)
class LossLedger:
    """Moves cursors behind records that were deleted before they were read."""

    url: str

    def accept(self, left: Cursor, who: str, reason: str) -> int | None:
        """Go on at `left`, the earliest record there is; the offset from which records are lost.

        None, and nothing is changed, where nothing before it is missing. A dead letter keeps who
        accepted the loss and why. Raises StoreFailed.
        """
        path = where(self.url)
        try:
            settings = f"-c lock_timeout={LOCK_TIMEOUT_MS}"
            with connect(self.url, "troth accept-loss", settings) as db, db.transaction():
                return _accepted(db, left, who, reason)
        except FAULTS as error:
            failed = store_failed(error, path)
            if not isinstance(failed, StoreFailed):
                failed = StoreFailed("store.failed", str(failed))
            raise failed from error


def _accepted(db: Db, left: Cursor, who: str, reason: str) -> int | None:
    place = (left.topic, left.partition)
    db.execute(_HOLD, (left.partition,), binary=True)
    row = db.execute(_CURSOR, place, binary=True).fetchone()
    if row is None or row[0] != left.topic_id or row[1] >= left.offset:
        return None
    lost = row[1]
    db.execute(_MOVE, (left.offset, left.digest, *place), binary=True)
    now = db.execute(_NOW).fetchone()
    name = f"{left.topic}/{left.partition}"
    detail = (
        f"{name}: records {lost} to {left.offset - 1} were deleted before they were read;"
        f" accepted by {who}: {reason}"
    )
    at_us = 0 if now is None else now[0]
    letter = DeadLetter(
        ANY_TENANT,
        left.topic,
        f"{left.partition}/{lost}-{left.offset - 1}",
        CODE,
        detail,
        b"",
        at_us,
    )
    write_dead_letter(db, letter)
    return lost

"""What the relay reads of the store on PostgreSQL, and its cursors: a connection of its own."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import orjson

from adapters.postgres.arrays import Bytes, bytes_, ints, longs
from adapters.postgres.faults import guarded
from adapters.postgres.link import Link
from adapters.postgres.states import unpack
from domain.outbox import Letter, Offer, Relayed, Row
from domain.ports import StoreFailed

__all__ = ["PostgresOutbox"]

T = TypeVar("T")
US_PER_S = 1_000_000
RELAY = "kafka"
LETTERS = "kafka-dead-letters"
LETTERS_LANE = 0
"""Letters belong to no lane; whoever owns this one publishes them."""

_POSITIONS = "SELECT lane, position FROM relays WHERE name = %s AND lane = ANY(%s)"
_READ = """
SELECT log.* FROM unnest(%s::integer[], %s::bigint[]) AS l (lane, after), LATERAL (
  SELECT lane, position, stream, version, topic,
    CASE WHEN topic NOT LIKE 'key.%%' AND topic NOT LIKE 'sagakey.%%'
      AND topic NOT LIKE 'locks.%%' THEN state END
  FROM events WHERE lane = l.lane AND position > l.after ORDER BY position LIMIT %s) log
"""
_OFFER = "lane, position, effect, stream, participant, contract, needs_start, body"
_OFFERS = f"""
SELECT {_OFFER} FROM dispatches WHERE effect = ANY(%s) AND state = 'offered' AND NOT cancelled
"""  # noqa: S608 - names of our own
_PUSHED = """
UPDATE dispatches SET pushed_us = %s
WHERE effect = ANY(%s) AND state = 'offered' AND reservation = 0 RETURNING effect
"""
_PASSED = """
INSERT INTO relays (name, lane, position) SELECT %s, lane, position
FROM unnest(%s::integer[], %s::bigint[]) AS moved (lane, position)
ON CONFLICT (name, lane) DO UPDATE SET position = excluded.position
WHERE relays.position < excluded.position
"""
# Published again after as long as it has been offered: the pauses double.
_UNANSWERED = f"""
SELECT {_OFFER} FROM dispatches WHERE state = 'offered' AND pushed_us IS NOT NULL
AND reservation = 0 AND NOT cancelled AND lane = ANY(%s)
AND pushed_us + least(greatest(%s, pushed_us - offered_us), %s) <= %s
ORDER BY lane, position LIMIT %s
"""  # noqa: S608 - names of our own
_LETTERS = """
SELECT id, at_us, tenant, source, event_id, code, detail, raw FROM dead_letters
WHERE id > %s AND id <> ALL(%s::bigint[]) ORDER BY id LIMIT %s
"""


class PostgresOutbox:
    """Implements `domain.outbox.Outbox` on a thread of its own."""

    def __init__(self, url: str, name: str = "troth relay") -> None:
        # What a crash of the server loses of it is published again, or offered over HTTP again.
        self._link = Link(url, name, settings="-c synchronous_commit=off")
        self.path = self._link.path
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="relay")

    async def positions(self, lanes: Sequence[int]) -> Mapping[int, int]:
        return dict(await self._rows(_POSITIONS, RELAY, ints(lanes)))

    async def read(self, after: Mapping[int, int], limit: int) -> Sequence[Row]:
        rows = await self._rows(_READ, ints(list(after)), longs(list(after.values())), limit)
        return [self._row(row) for row in rows]

    async def offers(self, effects: Sequence[str]) -> Sequence[Offer]:
        rows = await self._rows(_OFFERS, _bytes(effects))
        return [_offer(row) for row in rows]

    async def pushed(self, effects: Sequence[str], now_us: int) -> Collection[str]:
        rows = await self._rows(_PUSHED, now_us, _bytes(effects))
        return {bytes(effect).hex() for (effect,) in rows}

    async def passed(self, positions: Mapping[int, int]) -> None:
        lanes, at = ints(list(positions)), longs(list(positions.values()))
        await self._done(_PASSED, RELAY, lanes, at)

    async def unanswered(self, due: Relayed, limit: int) -> Sequence[Offer]:
        first_us, cap_us = int(due.first_s * US_PER_S), int(due.cap_s * US_PER_S)
        rows = await self._rows(
            _UNANSWERED, ints(list(due.lanes)), first_us, cap_us, due.now_us, limit
        )  # fmt: skip
        return [_offer(row) for row in rows]

    async def letters(self, after: int, but: Sequence[int], limit: int) -> Sequence[Letter]:
        return [Letter(*row) for row in await self._rows(_LETTERS, after, longs(but), limit)]

    async def letters_position(self) -> int:
        found = dict(await self._rows(_POSITIONS, LETTERS, ints([LETTERS_LANE])))
        return found.get(LETTERS_LANE, 0)

    async def letters_passed(self, id: int) -> None:
        await self._done(_PASSED, LETTERS, ints([LETTERS_LANE]), longs([id]))

    async def close(self) -> None:
        await self._call(self._link.drop)
        self._thread.shutdown(wait=False)

    def _row(self, row: Sequence[Any]) -> Row:
        lane, position, stream, version, topic, stored = row
        try:
            state = None if stored is None else unpack(stored)
        except (ValueError, zlib.error) as error:
            raise StoreFailed(
                "store.corrupt", f"{self.path}: a state of events: {error}"
            ) from error
        return Row(lane, position, stream, version, topic, state)

    # --- on the thread -------------------------------------------------------------------------

    async def _rows(self, query: str, *values: Any) -> list[Any]:
        return await self._call(lambda: self._fetch(query, values))

    async def _done(self, query: str, *values: Any) -> None:
        await self._call(lambda: self._execute(query, values))

    @guarded
    def _fetch(self, query: str, values: Sequence[Any]) -> list[Any]:
        # The queries are texts of this module.
        text: Any = query
        return self._link.db().execute(text, values, binary=True).fetchall()

    @guarded
    def _execute(self, query: str, values: Sequence[Any]) -> None:
        text: Any = query
        self._link.db().execute(text, values, binary=True)

    async def _call(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)


def _bytes(effects: Sequence[str]) -> Bytes:
    return bytes_([bytes.fromhex(effect) for effect in effects])


def _offer(row: Sequence[Any]) -> Offer:
    lane, position, effect, stream, participant, contract, needs_start, body = row
    return Offer(
        lane, position, bytes(effect).hex(), stream, participant, contract, needs_start,
        orjson.loads(body),
    )  # fmt: skip

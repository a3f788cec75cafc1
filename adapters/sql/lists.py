"""Lists in pages, as SQLAlchemy Core queries over the reader's connections.

A cursor is the place of the last item in the order of its list: opaque to readers, good as long as
they like, and no page is read twice for another item that came or went.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias
from uuid import UUID

import orjson
from sqlalchemy import (
    ColumnElement,
    Integer,
    MetaData,
    Select,
    String,
    Table,
    and_,
    func,
    literal,
    or_,
    select,
    tuple_,
)

from adapters.sql.reads import Reads
from adapters.sql.rows import letter, owner_of, parked, parked_stream, with_version
from domain.errors import refusal

__all__ = ["Lists", "page_of"]

Json = Any
Query: TypeAlias = Select[*tuple[Any, ...]]
Columns: TypeAlias = tuple[ColumnElement[Any], ...]
Order: TypeAlias = Sequence[ColumnElement[Any]]

ID_BYTES = 16
_STATE = 5
"""Where a parked stream's row has the state of its first event."""
_NOT_OF_THIS = "the cursor is not one of this list"


def page_of(
    reads: Reads,
    query: Query,
    order: Order,
    item: Callable[..., Json],
    *,
    cursor: str | None,
    limit: int,
) -> Json:
    """One page: {"items", "next"}. `item` gets the selected columns without those of the order.

    An item that is None is left out: such a page holds fewer than there was room for. Raises
    Refusal (http.body) for a cursor that is not one of this list.
    """
    ordered = query.add_columns(*order).order_by(*order).limit(limit + 1)
    if cursor is not None:
        place = zip(_place(cursor, len(order)), order, strict=True)
        values = [_value(reads, value, column) for value, column in place]
        ordered = ordered.where(tuple_(*order) > tuple_(*values))
    rows = reads.core(ordered)
    width = len(query.selected_columns)
    places = [row[width:] for row in rows]
    more = len(rows) > limit
    items = [item(*row[:width]) for row in rows[:limit]]
    return {
        "items": [one for one in items if one is not None],
        "next": _cursor(places[limit - 1]) if more else None,
    }


def _value(reads: Reads, value: Any, column: ColumnElement[Any]) -> Any:
    """A value of a cursor, if it is of the column's kind; bytes are stream ids."""
    kind = column.type
    if isinstance(kind, String | Integer):
        fits = type(value) is (str if isinstance(kind, String) else int)
    else:
        fits = isinstance(value, bytes) and len(value) == ID_BYTES
    if not fits:
        raise refusal("http.body", _NOT_OF_THIS)
    return literal(reads.id(UUID(bytes=value)) if isinstance(value, bytes) else value, kind)


def _cursor(place: Sequence[Any]) -> str:
    plain = [value.hex() if isinstance(value, bytes) else value for value in place]
    kinds = "".join("b" if isinstance(value, bytes) else "v" for value in place)
    return urlsafe_b64encode(orjson.dumps([kinds, *plain])).decode().rstrip("=")


def _place(cursor: str, width: int) -> list[Any]:
    try:
        kinds, *plain = orjson.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if len(plain) != width or len(kinds) != width:
            raise ValueError(width)
        return [
            bytes.fromhex(v) if k == "b" else _plain(v) for k, v in zip(kinds, plain, strict=True)
        ]
    except (ValueError, TypeError, binascii.Error) as error:
        raise refusal("http.body", _NOT_OF_THIS) from error


def _plain(value: Any) -> Any:
    if isinstance(value, str | int):
        return value
    raise ValueError(value)


class Lists:
    """The lists of `domain.requests.Reader`."""

    def __init__(self, reads: Reads, tables: MetaData, by_status: Order | None = None) -> None:
        """`by_status`: the order of current steps of one status, where an index has one."""
        self._reads = reads
        self._tables = tables.tables
        self._by_status = by_status

    def search(
        self,
        tenant: str,
        *,
        saga: str | None,
        status: str | None,
        step: str | None,
        key: str | None,
        cursor: str | None,
        limit: int,
        item: Callable[..., Json],
    ) -> Json:
        """Current steps by saga, key and run, unless there is an order for a status."""
        t = self._tables["current_steps"]
        wanted = {"saga": saga, "status": status, "step": step, "key": key}
        query = _of(t, (t.c.body, t.c.lane, t.c.position), tenant, **wanted)
        # Each order is that of an index: a page costs what it shows, not what there is.
        by_name = [t.c.saga, t.c.key, t.c.run]
        order = (self._by_status if status is not None else None) or by_name
        return page_of(self._reads, query, order, item, cursor=cursor, limit=limit)

    def approvals(
        self, tenant: str, *, status: str | None, cursor: str | None, limit: int,
        escalated: str | None = None,
    ) -> Json:  # fmt: skip
        """Longest asked first; with `escalated` those that this seat was called to."""
        t = self._tables["approvals"]
        query = _of(t, (t.c.body, t.c.version), tenant, status=status)
        order = [t.c.asked_us, t.c.id]
        item = _called(escalated)
        return page_of(self._reads, query, order, item, cursor=cursor, limit=limit)

    def tasks(
        self, tenant: str, *, status: str | None, cursor: str | None, limit: int,
        escalated: str | None = None,
    ) -> Json:  # fmt: skip
        """Longest offered first; with `escalated` those that this seat was called to."""
        t = self._tables["tasks"]
        query = _of(t, (t.c.body, t.c.version), tenant, status=status)
        order = [t.c.offered_us, t.c.id]
        item = _called(escalated)
        return page_of(self._reads, query, order, item, cursor=cursor, limit=limit)

    def debts(self, tenant: str, *, status: str | None, cursor: str | None, limit: int) -> Json:
        """Longest open first."""
        t = self._tables["debts"]
        query = _of(t, (t.c.body, t.c.version), tenant, status=status)
        order = [t.c.opened_us, t.c.id]
        return page_of(self._reads, query, order, with_version, cursor=cursor, limit=limit)

    def parked(self, tenant: str, *, reason: str | None, cursor: str | None, limit: int) -> Json:
        """Longest kept first."""
        t = self._tables["parked_events"]
        columns = (
            t.c.key, t.c.type, t.c.event_id, t.c.reason, t.c.kept_us, t.c.expires_us, t.c.body
        )  # fmt: skip
        query = _of(t, columns, tenant, reason=reason)
        order = [t.c.kept_us, t.c.stream, t.c.position]
        return page_of(self._reads, query, order, parked, cursor=cursor, limit=limit)

    def parked_streams(
        self, tenant: str, *, cursor: str | None, limit: int, stream: UUID | None = None
    ) -> Json:
        """Longest parked first. Where nobody knew whose one is, its first event says."""
        t, first = self._tables["parked_streams"], self._tables["events"]
        mail = self._tables["inbox"]
        held = select(func.count()).select_from(mail).where(mail.c.stream == t.c.stream)
        query: Query = (
            select(
                t.c.tenant, t.c.stream, t.c.reason, t.c.detail, t.c.since_us, first.c.topic,
                first.c.state, held.scalar_subquery(),
            )
            .select_from(
                t.outerjoin(first, and_(first.c.stream == t.c.stream, first.c.version == 1))
            )
            .where(or_(t.c.tenant == tenant, t.c.tenant == ""))
        )  # fmt: skip
        if stream is not None:
            query = query.where(t.c.stream == literal(self._reads.id(stream), t.c.stream.type))
        order = [t.c.since_us, t.c.stream]

        def item(named: str, *row: Any) -> Json:
            """Of a stream that nobody knew whose it is, the state decides."""
            stored = row[_STATE]
            state = None if stored is None else self._reads.state(stored)
            is_ours = named == tenant or owner_of(state) == tenant
            return parked_stream(*row[:_STATE], state=state, held=row[-1]) if is_ours else None

        return page_of(self._reads, query, order, item, cursor=cursor, limit=limit)

    def dead_letters(
        self, tenant: str, *, status: str | None, cursor: str | None, limit: int
    ) -> Json:
        """In the order they came, without the bytes."""
        t = self._tables["dead_letters"]
        columns = (
            t.c.id, t.c.source, t.c.event_id, t.c.code, t.c.detail, t.c.at_us, t.c.seen,
            t.c.status, t.c.remedy,
        )  # fmt: skip
        query = _of(t, columns, tenant, status=status)
        return page_of(self._reads, query, [t.c.id], letter, cursor=cursor, limit=limit)


def _called(seat: str | None) -> Callable[..., Json]:
    """The item of a row; None for what the seat was not called to."""
    if seat is None:
        return with_version

    def item(*row: Any) -> Json:
        found = with_version(*row)
        return found if seat in found.get("escalated", ()) else None

    return item


def _of(table: Table, columns: Columns, tenant: str, **wanted: str | None) -> Query:
    """Columns of a tenant's rows, of those that have what is wanted."""
    query: Query = select(*columns).where(table.c.tenant == tenant)
    for name, value in wanted.items():
        if value is not None:
            query = query.where(table.c[name] == value)
    return query

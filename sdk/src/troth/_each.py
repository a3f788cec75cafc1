"""`for x in each(...)`: a flow for every item of a list, and `add` to one that is open."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, Literal, cast

from typing_extensions import TypeVar

from ._expressions import Expr
from ._parts import Part
from ._symbols import about, expression, is_symbol
from ._text import check_duration
from ._tracer import Block, NodeValue, Tracer, current
from ._types import item_type

__all__ = ["Items", "add", "each"]

T = TypeVar("T")
_FIELDS: dict[str, Any] = {
    "done": list[str], "failed": list[str], "skipped": list[str], "out": dict[str, Any],
}  # fmt: skip


class Items(NodeValue, Generic[T]):
    """What `each(...)` gives: loop over it once; afterwards it says what became of the items.

    Attributes:
        key: the key of the item, inside the loop.
        index: its place, from 0, inside the loop.
        done: the keys of those that are done; also `failed` and `skipped`.
        out: what they gave by `out(...)`, by key.
    """

    key: str
    index: int
    done: list[str]
    failed: list[str]
    skipped: list[str]
    out: dict[str, Any]

    def __init__(self, tracer: Tracer, part: Part, item: T, closing: Callable[[], None]) -> None:
        name = part.name or ""
        self._tracer = tracer
        self._name = name
        self._item = item
        self._looped = False
        self._block: Block[Any] = Block(
            "each", part, part.flow(), None, tracer, closing, out_of=part
        )
        tracer.open(self._block)
        for field, type_ in _FIELDS.items():
            value = tracer.value(Expr(f"results.{name}.{field}"), type_, name)
            setattr(self, field, value)
        self.key = tracer.value(Expr(f"each.{name}.key"), str)
        self.index = tracer.value(Expr(f"each.{name}.index"), int)

    def __iter__(self) -> Iterator[T]:
        """The body is traced once, for whatever items there will be."""
        if self._looped:
            raise self._tracer.wrong("TR123", f"`{self._name}` is looped over twice", "one loop")
        self._looped = True
        with self._block:
            yield self._item

    @property
    def name(self) -> str:
        """The name of the node."""
        return self._name


def each(
    name: str,
    items: Sequence[T],
    *,
    at_most: int,
    key: Callable[[T], str | int] | None = None,
    after: Callable[[T], Sequence[str | int]] | None = None,
    width: int | None = None,
    join: Literal["all", "any"] | int | Callable[[Items[T]], bool] | None = None,
    on_item: Literal["fail", "collect"] | None = None,
    losers: Literal["undo", "keep", "run_on"] | None = None,
    undo_order: Literal["reverse"] | None = None,
    keep: bool | None = None,
    open: bool | None = None,
    close_when: Callable[[], bool] | bool | None = None,
    within: str | None = None,
    on_expiry: Literal["fail", "continue"] | None = None,
) -> Items[T]:
    """Loop over a list of the saga: the body runs for every item, beside each other.

    `for party in each("parties", xs, key=lambda party: party.id, at_most=50): grant(party)`

    Args:
        name: of the node.
        items: a list; it is copied when the loop begins.
        at_most: items, 1 to 10,000.
        key: of an item, `lambda party: party.id`; unique. Without it the place of the item.
        after: the keys of the items that must be done before, `lambda party: party.after`.
        width: how many items run beside each other, at most 1,000.
        join: "all" (the default), "any", how many must be done, or until what holds:
            `lambda parties: size(parties.done) > 1`, read whenever an item is over.
        on_item: "fail" (the default) stops the others; "collect" undoes that item and goes on.
        losers: what becomes of those that were not needed: "undo" (the default), "keep", or
            "run_on": they go on, and the scope around ends only when they are over.
        undo_order: "reverse" undoes all inside in one line, the last completed first.
        keep: True drops the undo entries inside once it is done.
        open: True lets `add` append items until the list is closed.
        close_when: closes an open list when it is true; read after every move.
        within: the longest time for all of it, `"30d"`.
        on_expiry: "continue" goes on when the time is over.
    """
    tracer = current("each")
    if type(at_most) is not int or at_most < 1:
        raise tracer.wrong("TR212", f"each {name} has at_most={at_most!r}", "at_most=1 or more")
    text = tracer.text(items)
    part = tracer.node("for_each", name)
    item = tracer.value(Expr(f"each.{name}.item"), _type_of(tracer, name, items), name)
    until = join if callable(join) else None
    part.give(
        items=text,
        key=None if key is None else tracer.text(key(item)),
        after=None if after is None else tracer.text(after(item)),
        max_items=at_most, width=width, join=None if until else join,
        on_item=on_item, losers=losers, undo_order=undo_order, keep=keep, open=open,
        within=None if within is None else check_duration(within, "within="),
        on_expiry=on_expiry,
    )  # fmt: skip

    def close() -> None:
        if close_when is not None:
            read = not is_symbol(close_when) and callable(close_when)
            value = cast(Callable[[], bool], close_when)() if read else close_when
            part.members["close_when"] = tracer.text(value)
        if until is not None:
            part.members["join"] = {"until": tracer.text(until(made))}

    made = Items(tracer, part, cast(T, item), close)
    return made


def _type_of(tracer: Tracer, name: str, items: object) -> Any:
    """The type of one item."""
    if not is_symbol(items):
        plain = cast("Sequence[object]", items)
        types = {type(value) for value in plain if not is_symbol(value)}
        return types.pop() if len(types) == 1 and all(not is_symbol(v) for v in plain) else Any
    found = item_type(about(items).type_, 0)
    if found is None:
        raise tracer.wrong("TR209", f"each {name} is for lists", "a list of items")
    return found


def add(
    to: Items[T],
    items: Sequence[T] | None = None,
    *,
    close: bool | None = None,
    name: str | None = None,
) -> None:
    """Append items to an open list, from a handler or a branch beside it: `add(parties, [new])`.

    Args:
        to: what `each(..., open=True)` gave.
        items: a list of further items.
        close: True, or what will be true: the list takes no more.
        name: of the node; by default `add_` and the list's.
    """
    tracer = current("add")
    if not isinstance(cast(object, to), Items):
        raise tracer.wrong("TR124", "add takes what each(...) gave", "add(parties, [party])")
    part = tracer.node("add", name or f"add_{to.name}")
    part.give(
        to=to.name,
        items=None if items is None else expression(items, tracer).text,
        close=None if close is None else tracer.text(close),
    )

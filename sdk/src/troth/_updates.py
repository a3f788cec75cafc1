"""`with update(...)`: what clients may change while a scope's main flow runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Literal, cast

from pydantic import BaseModel
from typing_extensions import TypeVar

from ._each import Items
from ._expressions import Expr
from ._handling import scope_here
from ._symbols import expression, timestamp
from ._text import check_node_name, check_stored_name
from ._tracer import Block, Tracer, current

__all__ = ["Rule", "update"]

A = TypeVar("A", bound=BaseModel)
T = TypeVar("T")


@dataclass(frozen=True)  # no slots: `Rule[Model](...)` must work
class Rule(Generic[A]):
    """A rule that refuses an update.

    Args:
        when: true refuses: `lambda extend: extend.days > 30`.
        code: for the client, such as "days-out-of-range".
        message: for a person.
    """

    when: Callable[[A], bool]
    code: str
    message: str


def update(
    name: str,
    args: type[A],
    *,
    when: Callable[[A], bool] | None = None,
    refuse: Sequence[Rule[A]] = (),
    set: Callable[[A], Mapping[str, object]] | None = None,
    move: Callable[[A], Mapping[str, datetime]] | None = None,
    to: Items[T] | None = None,
    add: Callable[[A], Sequence[T]] | None = None,
    close: Callable[[A], bool] | bool | None = None,
    answer: Callable[[A], object] | None = None,
    answer_when: Literal["accepted", "done"] | None = None,
) -> Block[A]:
    """An update of the scope it stands in, or of the whole saga; what stands inside runs beside.

    A refused update leaves no trace. An accepted one is applied whole.

    Args:
        name: by which clients ask for it.
        args: the model of what they send.
        when: it is closed while this is false.
        refuse: rules, the first one that is true refuses.
        set: vars and their new values: `lambda e: {"counter": counter + e.days}`.
        move: names of nodes and the new due times of their within, deadline or sleep.
        to: an open list, what `each(..., open=True)` gave; the update stands after its loop.
        add: further items for it: `lambda invite: [invite.buyer]`. Closed lists take none: the
            update is closed too.
        close: True, or when it is true: the list takes no more.
        answer: what the client is answered; it reads the state after the update.
        answer_when: "done" answers when what stands inside is done; then `answer` may read the
            values that are made there.
    """
    tracer = current("update")
    scope = scope_here(tracer, f"update {name}")
    check_node_name(name)
    sent = cast(A, tracer.value(Expr("args"), args))
    part = tracer.part("handler", name).give(
        name=name,
        schema=tracer.schemas.of(args),
        when=None if when is None else tracer.text(when(sent)),
        validate=[_rule(tracer, rule, sent) for rule in refuse] or None,
        set=None if set is None else _sets(tracer, set(sent)),
        move=None if move is None else _moves(tracer, move(sent)),
        add=_adds(tracer, name, sent, to, add, close),
        answer_when=answer_when,
    )
    scope.part.flow("updates").append(part)

    def read_answer() -> None:
        part.members["answer"] = tracer.text(cast(Callable[[A], object], answer)(sent))

    if answer is not None and answer_when != "done":
        read_answer()
    late = read_answer if answer is not None and answer_when == "done" else None
    return tracer.open(Block("on", part, part.flow(), sent, tracer, late))


def _rule(tracer: Tracer, rule: Rule[A], sent: A) -> dict[str, str]:
    check_stored_name(rule.code, "a code")
    return {"if": tracer.text(rule.when(sent)), "code": rule.code, "message": rule.message}


def _sets(tracer: Tracer, values: Mapping[str, object]) -> dict[str, str]:
    for written in values:
        if written not in tracer.variables:
            known = ", ".join(tracer.variables) or "none yet"
            raise tracer.wrong(
                "TR205", f"`{written}` is no var (known: {known})", f'var("{written}", int, 0)'
            )
    return {written: tracer.text(value) for written, value in values.items()}


def _moves(tracer: Tracer, times: Mapping[str, datetime]) -> list[Any]:
    return [{"timer": name, "to": timestamp(to, tracer).text} for name, to in times.items()]


def _adds(
    tracer: Tracer,
    name: str,
    sent: A,
    to: Items[T] | None,
    add: Callable[[A], Sequence[T]] | None,
    close: Callable[[A], bool] | bool | None,
) -> dict[str, str] | None:
    if (to is None) is not (add is None and close is None):
        raise tracer.wrong(
            "TR124",
            f"update {name} says {'what is added' if to is None else 'where to'} only",
            f"update({name!r}, Model, to=parties, add=lambda sent: [sent.party])",
        )
    if to is None:
        return None
    closing = close(sent) if callable(close) else close
    texts = {
        "items": None if add is None else expression(add(sent), tracer).text,
        "close": None if closing is None else tracer.text(closing),
    }
    return {"to": to.name, **{member: text for member, text in texts.items() if text is not None}}

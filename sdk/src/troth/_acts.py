"""Milestones, work for people, and calls that act on other parts of the saga."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Generic, Literal, Protocol, cast, overload

from typing_extensions import TypeVar

from ._expressions import Expr
from ._symbols import About, about, is_symbol, symbol, timestamp
from ._text import check_duration, check_stored_name
from ._tracer import Tracer, current

__all__ = [
    "TaskDone",
    "active",
    "await_",
    "cancel",
    "deadline",
    "done",
    "finish",
    "move",
    "now",
    "task",
    "undo",
]

T_co = TypeVar("T_co", covariant=True)
F = TypeVar("F")

OnExpiry = Literal["fail", "continue"]


class TaskDone(Protocol, Generic[T_co]):
    """What `task(...)` gives: who did it, when, and what was handed in."""

    @property
    def payload(self) -> T_co: ...

    @property
    def by(self) -> str: ...

    @property
    def at(self) -> str:
        """RFC 3339."""
        ...


class Milestone(Protocol):
    """What `await_(...)` gives; `expired(...)` may be asked of it."""


def await_(
    name: str, until: bool, *, within: str | None, on_expiry: OnExpiry | None = None
) -> Milestone:
    """Rest until a condition holds; it is read after every move: `await_("ready", done("a"), ...)`.

    Args:
        name: of the node.
        until: over vars, and what `done(...)` and `active(...)` say of nodes.
        within: the longest rest, `"3d"`; None leaves it to the deadline of a scope.
        on_expiry: "continue" goes on when its time is over; ask `expired(value)`.
    """
    tracer = current("await_")
    text = tracer.text(until)
    limit = None if within is None else check_duration(within, "within=")
    tracer.node("await", name).give(until=text, within=limit, on_expiry=on_expiry)
    return cast(Milestone, tracer.record(Expr(f"results.{name}"), name, {}))


@overload
def task(
    name: str,
    form: type[F],
    *,
    roles: Sequence[str],
    within: str | None,
    subject: object = ...,
    claim_lease: str | None = ...,
    not_by: Sequence[object] = ...,
    escalate: Sequence[tuple[str, str]] = ...,
    on_expiry: OnExpiry | None = ...,
) -> TaskDone[F]: ...
@overload
def task(
    name: str,
    *,
    roles: Sequence[str],
    within: str | None,
    subject: object = ...,
    claim_lease: str | None = ...,
    not_by: Sequence[object] = ...,
    escalate: Sequence[tuple[str, str]] = ...,
    on_expiry: OnExpiry | None = ...,
) -> TaskDone[Any]: ...
def task(
    name: str,
    form: type[Any] | None = None,
    *,
    roles: Sequence[str],
    within: str | None,
    subject: object = None,
    claim_lease: str | None = None,
    not_by: Sequence[object] = (),
    escalate: Sequence[tuple[str, str]] = (),
    on_expiry: OnExpiry | None = None,
) -> Any:
    """Work for a person: claimed by one of the seats `roles`, done with a `form`.

    Args:
        name: of the node.
        form: the type of what is handed in; `value.payload` has it.
        roles: seats of which one is enough.
        within: the longest it may take, `"3d"`; None leaves it to the deadline of a scope.
        subject: what it is about; shown to whoever does it.
        claim_lease: how long a claim holds, `"1d"` by default.
        not_by: approvals and tasks whose people may not do it.
        escalate: `(after, seat)` pairs: from then on that seat may do it too.
        on_expiry: "continue" goes on when its time is over; ask `expired(value)`.
    """
    tracer = current("task")
    for role in (*roles, *(to for _, to in escalate)):
        check_stored_name(role, "a seat")
    members: dict[str, Any] = {
        "roles": [*roles],
        "subject": None if subject is None else tracer.text(subject),
        "form": None if form is None else tracer.schemas.of(form),
        "claim_lease": None if claim_lease is None else check_duration(claim_lease, "claim_lease="),
        "not_by": [tracer.root_of(value, "not_by=") for value in not_by] or None,
        "within": None if within is None else check_duration(within, "within="),
        "on_expiry": on_expiry,
        "escalate": [
            {"after": check_duration(after, "escalate="), "to": to} for after, to in escalate
        ]
        or None,
    }
    tracer.node("task", name).give(**members)
    path = f"results.{name}"
    fields: dict[str, tuple[Expr, Any]] = {
        "payload": (Expr(f"{path}.payload"), Any if form is None else form),
        "by": (Expr(f"{path}.by"), str),
        "at": (Expr(f"{path}.at"), str),
    }
    return tracer.record(Expr(path), name, fields)


# --- acting on other parts -----------------------------------------------------------------------


def cancel(target: object, *, item: object = None, name: str | None = None) -> None:
    """Stop and undo an open block, or an item of a list; its parent goes on as after a skip.

    `target` is the name of a node, or what its block or call gave.
    """
    tracer = current("cancel")
    found = _named(tracer, target)
    key = None if item is None else tracer.text(item)
    tracer.node("cancel", name or f"cancel_{found}").give(target=found, item=key)


def finish(
    target: object, *, evidence: object, item: object = None, name: str | None = None
) -> None:
    """Stop an open block, or an item of a list, and keep what is done in it: it is complete."""
    tracer = current("finish")
    found = _named(tracer, target)
    members = {"item": None if item is None else tracer.text(item)}
    members["evidence"] = tracer.text(evidence)
    tracer.node("finish", name or f"finish_{found}").give(target=found, **members)


def undo(of: object, *, name: str | None = None) -> None:
    """Undo a node that is done, or what is done in a block around this call; then go on."""
    tracer = current("undo")
    found = _named(tracer, of)
    tracer.node("undo", name or f"undo_{found}").give(of=found)


def move(timer: object, to: datetime, *, name: str | None = None) -> None:
    """Give the running time of a node another due time: `move(pause, deadline(pause) + DAY)`."""
    tracer = current("move")
    found = _named(tracer, timer)
    tracer.node("move", name or f"move_{found}").give(timer=found, to=timestamp(to, tracer).text)


# --- asking about nodes --------------------------------------------------------------------------


def done(node: object) -> bool:
    """Whether a node is done, by its name or its value."""
    return cast(bool, _asked("done", node, bool))


def active(node: object) -> bool:
    """Whether a node is active now, by its name or its value."""
    return cast(bool, _asked("active", node, bool))


def deadline(node: object) -> datetime:
    """When the time of an active node is over: of its within, its deadline or its sleep."""
    return cast(datetime, _asked("deadline", node, datetime))


def now() -> datetime:
    """When what is handled was accepted.

    `sleep("pause", until=add_open_days(OFFICE, now(), 2))`.
    """
    return cast(datetime, symbol(About(Expr("meta.now"), datetime, current("now"), native=True)))


def _asked(function: str, node: object, type_: Any) -> Any:
    tracer = current(function)
    text = f"{function}('{_named(tracer, node)}')"
    return symbol(About(Expr(text), type_, tracer, native=type_ is datetime))


def _named(tracer: Tracer, node: object) -> str:
    """The name of a node: as text, or of the value that it gave."""
    if isinstance(node, str) and not is_symbol(node):
        return node
    root = about(node).root if is_symbol(node) else None
    return root if root is not None else tracer.root_of(node, "this")

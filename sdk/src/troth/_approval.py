"""`with approve(...)`: a decision of people, around what it allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, cast, overload

from typing_extensions import TypeVar

from ._classes import ApprovalClass
from ._expressions import Expr, Level
from ._schema import Json
from ._symbols import about, expression, is_symbol
from ._text import check_duration, check_stored_name
from ._tracer import Block, Tracer, current
from ._values import Decision

__all__ = ["ApprovalBlock", "approve"]

S = TypeVar("S")


class ApprovalBlock(Block[Decision[S]]):
    """The block of an approve; without `with` it may be the trigger of a race."""


@overload
def approve(
    name: str,
    *,
    level: ApprovalClass,
    within: str | None,
    subject: S,
    evidence: Sequence[object] = ...,
    edit: type[Any] | bool | None = ...,
    needs: Mapping[str, int] | None = ...,
    not_by: Sequence[object] = ...,
    escalate: Sequence[tuple[str, str]] = ...,
    on_reject: Literal["fail", "continue"] | None = ...,
    on_expiry: Literal["fail", "continue"] | None = ...,
    valid: str | None = ...,
    uses: int | None = ...,
) -> ApprovalBlock[S]: ...
@overload
def approve(
    name: str,
    *,
    level: ApprovalClass,
    within: str | None,
    evidence: Sequence[object] = ...,
    needs: Mapping[str, int] | None = ...,
    not_by: Sequence[object] = ...,
    escalate: Sequence[tuple[str, str]] = ...,
    on_reject: Literal["fail", "continue"] | None = ...,
    on_expiry: Literal["fail", "continue"] | None = ...,
    valid: str | None = ...,
    uses: int | None = ...,
) -> ApprovalBlock[None]: ...
def approve(
    name: str,
    *,
    level: ApprovalClass,
    within: str | None,
    subject: Any = None,
    evidence: Sequence[object] = (),
    edit: type[Any] | bool | None = None,
    needs: Mapping[str, int] | None = None,
    not_by: Sequence[object] = (),
    escalate: Sequence[tuple[str, str]] = (),
    on_reject: Literal["fail", "continue"] | None = None,
    on_expiry: Literal["fail", "continue"] | None = None,
    valid: str | None = None,
    uses: int | None = None,
) -> Any:
    """Ask people; what stands inside runs once they granted it, bound to exactly these actions.

    Args:
        name: of the node.
        level: A1 a manager; A2 function head and legal or finance; A3 executive or board.
        within: the longest wait, `"3d"`; None leaves it to the deadline of a scope.
        subject: what is decided on; it may be edited, `as legal` gives `legal.subject` back.
        evidence: values of nodes that are shown.
        edit: the type of an edited subject; by default that of the subject, False for none.
        needs: further seats, role to count.
        not_by: approvals whose people may not decide here.
        escalate: `(after, seat)` pairs: nobody decided by then, so that seat is called. It stands
            in for a free seat of `needs`, and for those of a level below its own.
        on_reject: "continue" goes on behind the block instead of failing.
        on_expiry: "continue" goes on behind the block when nobody decided in time.
        valid: how long the decision holds, `"7d"`.
        uses: for how many instances of each step.
    """
    tracer = current("approve")
    for _, to in escalate:
        check_stored_name(to, "a seat")
    edited = _edited_type(tracer, edit, subject)
    members: dict[str, Any] = {
        "level": level.value,
        "subject": None if subject is None else tracer.text(subject),
        "evidence": [tracer.root_of(value, "evidence=") for value in evidence] or None,
        "needs": _needs(needs),
        "not_by": [tracer.root_of(value, "not_by=") for value in not_by] or None,
        "edit": None if edited is None else tracer.schemas.of(edited),
        "within": None if within is None else check_duration(within, "within="),
        "on_expiry": on_expiry,
        "escalate": [
            {"after": check_duration(after, "escalate="), "to": to} for after, to in escalate
        ]
        or None,
        "on_reject": on_reject,
        "valid": None if valid is None else check_duration(valid, "valid="),
        "uses": uses,
    }
    part = tracer.node("approve", name).give(**members)
    value = cast(Decision[Any], _decision(tracer, name, subject, edited))
    return tracer.open(ApprovalBlock("approve", part, None, value, tracer))


def _needs(needs: Mapping[str, int] | None) -> list[Json] | None:
    return None if needs is None else [{"role": r, "count": n} for r, n in needs.items()]


def _edited_type(tracer: Tracer, edit: Any, subject: object) -> Any | None:
    """The type of an edited subject, None if it cannot be edited."""
    if edit is None:
        edit = is_symbol(subject)
    if edit is False:
        return None
    if edit is not True:
        return edit
    if not is_symbol(subject):
        raise tracer.wrong("TR124", "edit=True needs a subject to edit", "edit=Model")
    return about(subject).type_


def _decision(tracer: Tracer, name: str, subject: Any, edited: Any | None) -> Any:
    path = f"decisions.{name}"
    fields: dict[str, tuple[Expr, Any]] = {
        "decision": (Expr(f"{path}.decision"), str),
        "by": (Expr(f"{path}.by"), str),
        "at": (Expr(f"{path}.at"), datetime),
        "reason": (Expr(f"{path}.reason"), str),
    }
    payload = Expr(f"{path}.payload")
    if edited is not None:
        fields["payload"] = (payload, edited)
    if subject is not None:
        plain = expression(subject, tracer)
        type_ = about(subject).type_ if is_symbol(subject) else cast(Any, type(subject))
        fields["subject"] = (plain, type_)
        if edited is type_:
            text = f"{path}.decision == 'edit' ? {payload.text} : {plain.inside(Level.OR)}"
            fields["subject"] = (Expr(text, Level.CHOICE), type_)
    return tracer.record(Expr(path), name, fields)

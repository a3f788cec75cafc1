"""Sagas that a flow starts as its children."""

from __future__ import annotations

from typing import Any, Literal, overload

from pydantic import BaseModel
from typing_extensions import TypeVar

from ._expressions import Expr
from ._saga import Saga
from ._schema import JsonObject
from ._steps import Step
from ._text import check_duration, node_name_of
from ._tracer import Tracer, current

__all__ = ["child"]

I = TypeVar("I", bound=BaseModel)  # noqa: E741  # the input of the child; shown to users as such
O = TypeVar("O")  # noqa: E741  # what it gives

OnExpiry = Literal["fail", "continue"]
Undo = Literal["revoke", "none"] | Step[Any, Any]


@overload
def child(
    saga: Saga[I, O],
    input: I,
    *,
    on_undo: Undo = ...,
    wait: Literal[True] = ...,
    key: object = ...,
    version: int | None = ...,
    within: str | None = ...,
    on_expiry: OnExpiry | None = ...,
    on_stop: Literal["cancel", "leave"] | None = ...,
    name: str | None = ...,
) -> O: ...
@overload
def child(
    saga: Saga[I, Any],
    input: I,
    *,
    on_undo: Undo = ...,
    wait: Literal[False],
    key: object = ...,
    version: int | None = ...,
    within: str | None = ...,
    on_expiry: OnExpiry | None = ...,
    on_stop: Literal["cancel", "leave"] | None = ...,
    name: str | None = ...,
) -> str: ...
def child(
    saga: Saga[Any, Any],
    input: Any,
    *,
    on_undo: Undo = "revoke",
    wait: bool = True,
    key: object = None,
    version: int | None = None,
    within: str | None = None,
    on_expiry: OnExpiry | None = None,
    on_stop: Literal["cancel", "leave"] | None = None,
    name: str | None = None,
) -> Any:
    """Start another saga; the value is what it gives.

    The node fails as `business:` and the code of the error that the child ended with:
    `account = child(activation, new(PartnerApplied, company=name))`.

    Args:
        saga: what to start.
        input: of its input model.
        on_undo: what undoes a child that was fulfilled: it does so itself ("revoke"), a step that
            takes its result, or nothing ("none").
        wait: False goes on at once; the value is then the child's id.
        key: of the child; by default what its saga takes from the input.
        version: a fixed one; by default the latest when it starts.
        within: the longest time it may take.
        on_expiry: "continue" goes on when it took longer; ask `expired(value)`.
        on_stop: "leave" leaves it alone when this part stops; by default it is cancelled.
        name: of the node; by default that of the saga.
    """
    tracer = current("child")
    given = tracer.text(input)
    named = tracer.text(saga.key_of(input) if key is None else key)
    takes = tracer.schemas.of(saga.input)
    part = tracer.node("child", name or node_name_of(saga.name))
    gives_none = saga.result is None or saga.result is type(None)
    part.give(
        saga=saga.name,
        version=version,
        key=named,
        input=given,
        wait=None if wait else False,
        within=None if within is None else check_duration(within, "within="),
        on_expiry=on_expiry,
        on_stop=on_stop,
        takes=takes,
        result=None if gives_none or not wait else tracer.schemas.of(saga.result),
        **_undo(tracer, on_undo, part.name or ""),
    )
    type_: Any = saga.result if wait else str
    return tracer.value(Expr(f"results.{part.name}"), type_, part.name)


def _undo(tracer: Tracer, on_undo: Undo, name: str) -> JsonObject:
    """The members that say what undoes it; a step takes the child's result as its argument."""
    if on_undo in ("revoke", "none"):
        return {} if on_undo == "revoke" else {"on_undo": "none"}
    contract = on_undo.contract
    parameters = list(contract.run.parameters)
    needed = [n for n, p in contract.run.parameters.items() if p.required]
    if not parameters or len(needed) > 1:
        raise tracer.wrong(
            "TR205",
            f"{contract.name} takes {len(needed)} arguments; the undo of child {name} has one",
            "a step that takes the result of the child",
        )
    undo: JsonObject = {
        "contract": tracer.use_contract(contract),
        "args": {(needed or parameters)[0]: "result"},
    }
    return {"on_undo": "contract", "undo": undo}

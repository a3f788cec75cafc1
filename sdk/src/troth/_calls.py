"""A step called in a flow becomes a node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ._calendars import Calendar, Throttle
from ._contract import Contract
from ._expressions import Expr
from ._parts import Part
from ._schema import JsonObject
from ._symbols import expression
from ._text import node_name_of
from ._tracer import Tracer, current

__all__ = ["StepCall", "add_step"]


@dataclass(frozen=True, slots=True)
class StepCall:
    """A contract and what `.named()`, `.within()` and the like said of this call."""

    contract: Contract
    name: str | None = None
    within: str | None = None
    on_expiry: str | None = None
    calendar: Calendar | None = None
    throttle: Throttle | None = None
    throttle_key: object = None

    @property
    def node_name(self) -> str:
        """The name given, or that of the step."""
        step = self.contract.name.split("/", 1)[1].rsplit("@", 1)[0]
        return self.name or node_name_of(step)


def add_step(call: StepCall, args: Sequence[object], kwargs: Mapping[str, object]) -> Any:
    """Append the node of a call; the symbol stands for its result."""
    tracer = current(f"step {call.contract.name}")
    given = _bound(tracer, call, args, kwargs)
    contract = call.contract
    part = tracer.node("step", call.node_name)
    part.members |= {
        "contract": tracer.use_contract(contract),
        "args": {name: value.text for name, value in given.items()},
        **contract.options.document(),
    }
    calendar = None if call.calendar is None else tracer.use_calendar(call.calendar)
    part.give(within=call.within, on_expiry=call.on_expiry, calendar=calendar)
    if call.throttle is not None:
        key = None if call.throttle_key is None else tracer.text(call.throttle_key)
        part.give(throttle=call.throttle.document(key))
    part.give(undo=_undo(contract, given))
    if contract.gated:
        for approve in _approves_around(tracer):
            approve.members.setdefault("for", []).append(call.node_name)
    return tracer.value(Expr(f"results.{call.node_name}"), contract.run.result, call.node_name)


def _approves_around(tracer: Tracer) -> Iterator[Part]:
    """The decisions that the call stands behind: blocks, and triggers of branches of a race."""
    for block in tracer.blocks:
        found = block.part.members.get("on") if block.kind == "branch" else block.part
        if isinstance(found, Part) and found.members.get("node") == "approve":
            yield found


def _bound(
    tracer: Tracer, call: StepCall, args: Sequence[object], kwargs: Mapping[str, object]
) -> dict[str, Expr]:
    """The arguments by parameter name; what has a default may be missing."""
    parameters = call.contract.run.parameters
    names = list(parameters)
    if len(args) > len(names):
        raise tracer.wrong(
            "TR205", f"{call.node_name} takes {len(names)} arguments and is given {len(args)}"
        )
    given = dict(zip(names, args, strict=False))
    for name, value in kwargs.items():
        if name not in parameters or name in given:
            again = "is given twice" if name in given else "is no argument"
            raise tracer.wrong("TR205", f"{call.node_name}: `{name}` {again}")
        given[name] = value
    for name, parameter in parameters.items():
        if name not in given and parameter.required:
            raise tracer.wrong(
                "TR205",
                f"{call.node_name}: argument `{name}` is bound to nothing",
                f"{name}= a value that is known before this node",
            )
    return {n: expression(given[n], tracer) for n in names if n in given}


def _undo(contract: Contract, given: Mapping[str, Expr]) -> JsonObject | None:
    """The member `undo`: the result first (unless only attempted), then arguments by name."""
    if contract.undo is None:
        return None
    args: JsonObject = {}
    names = list(contract.undo.run.parameters)
    if contract.undo_rule.when != "attempted":
        args[names.pop(0)] = "result"
    for name in names:
        # An argument the flow leaves out has the default of the step also when it is undone.
        default = contract.run.parameters[name].default
        args[name] = (given[name] if name in given else expression(default)).text
    return {
        "contract": contract.undo.name,
        "args": args,
        **contract.undo_rule.document(),
    }

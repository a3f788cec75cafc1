"""What stands beside the main flow of a scope: handlers of events, clauses for failures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, cast

from pydantic import BaseModel
from typing_extensions import TypeVar

from ._expressions import Expr
from ._forms import events_of, guard_over_event
from ._parts import Part
from ._text import check_stored_name
from ._tracer import Block, Tracer, current
from ._types import union_of
from ._values import Failure

__all__ = ["on", "on_failure", "refused", "scope_here", "undo_flow"]

E = TypeVar("E", bound=BaseModel)

CLASSES = (
    "business", "transient", "timeout", "rejected", "deadline", "cancelled", "contradicted",
    "internal",
)  # fmt: skip


def on(
    name: str,
    event: type[E] | tuple[type[E], ...],
    key: object,
    *,
    when: Callable[[E], bool] | None = None,
    interrupt: bool = False,
    undo: Literal["none", "all"] | None = None,
    early: Literal["keep", "transient"] | None = None,
    after_pivot: bool | None = None,
    width: int | None = None,
    max: int | None = None,
) -> Block[E]:
    """A handler of the scope it stands in, or of the whole saga; `as` gives the event's data.

    Args:
        name: of the handler.
        event: a model, or several as a tuple.
        key: the value of the event's key.
        when: a guard over the event's data.
        interrupt: stops the main flow, runs this one, and the scope is done; else it runs beside.
        undo: "all" undoes the scope before an interrupt runs.
        early: "transient" does not see what came before the scope opened.
        after_pivot: True may interrupt even after a step that cannot be undone.
        width: runs beside each other.
        max: runs in all.
    """
    tracer = current("on")
    scope = scope_here(tracer, f"handler {name}")
    types = events_of(event)
    model = union_of([found.model for found in types])
    key_text = tracer.text(key)
    guard = guard_over_event(tracer, when, model)
    part = tracer.part("handler", name).give(
        name=name,
        events=[tracer.use_event(found) for found in types],
        key=key_text,
        when=guard,
        early=early,
        mode="interrupt" if interrupt else None,
        undo=undo,
        after_pivot=after_pivot,
        width=width,
        max=max,
    )
    scope.part.flow("handlers").append(part)
    data = cast(E, tracer.value(Expr("event.data"), model))
    return tracer.open(Block("on", part, part.flow(), data, tracer))


def on_failure(
    *patterns: str, undo: Literal["all", "none"] | None = None, name: str | None = None
) -> Block[Failure]:
    """What the scope it stands in does about failures: `"business:*"`, `"timeout:signed"`, `"*"`.

    What was done is undone first, unless `undo="none"`; then the flow runs and the scope is done.
    """
    tracer = current("on_failure")
    scope = scope_here(tracer, "on_failure")
    if not patterns:
        raise tracer.wrong("TR124", "on_failure catches nothing", 'on_failure("business:*")')
    for pattern in patterns:
        _check_pattern(tracer, pattern)
    part = tracer.part("clause", name).give(name=name, on=[*patterns], undo=undo)
    scope.part.flow("on_failure").append(part)
    return tracer.open(Block("on_failure", part, part.flow(), _failure(tracer), tracer))


def undo_flow() -> Block[Failure]:
    """What undoes the scope it stands in once that is done, in place of the undo of its parts.

    It reads what could be read when the scope was done. Steps in it have no undo of their own and
    need no decision; what fails in it is a debt, which a person settles.
    """
    tracer = current("undo_flow")
    scope = scope_here(tracer, "undo_flow")
    if scope.kind == "root":
        raise tracer.wrong("TR123", "undo_flow stands in no scope", 'with scope("NAME"): around it')
    if "undo_flow" in scope.part.members:
        raise tracer.wrong("TR123", f"`{scope.part.name}` has two undo_flows", "one undo_flow")
    part = tracer.part("clause", None)
    block = Block("on_failure", part, scope.part.flow("undo_flow"), _failure(tracer), tracer)
    return tracer.open(block)


def _check_pattern(tracer: Tracer, pattern: str) -> None:
    if pattern != "*" and pattern.split(":", 1)[0] not in CLASSES:
        raise tracer.wrong(
            "TR124", f"{pattern!r} is no class of failures", f'"*", or one of {", ".join(CLASSES)}'
        )


def _failure(tracer: Tracer) -> Failure:
    names = {"kind": "class", "code": "code", "message": "message", "node": "node"}
    fields = {name: (Expr(f"error.{member}"), str) for name, member in names.items()}
    return cast(Failure, tracer.record(Expr("error"), None, fields))


def scope_here(tracer: Tracer, what: str) -> Block[Any]:
    """The scope that the next part belongs to."""
    block = tracer.block
    if block.kind not in ("root", "scope"):
        raise tracer.wrong(
            "TR123",
            f"{what} stands in {block.kind}, which is no scope",
            'it at the left edge of the flow, or directly in  with scope("NAME"):',
        )
    return block


def refused(value: object, code: str) -> Block[Failure]:
    """What happens instead when a step refuses with this code: right after the step.

    The step gets a scope of its own, named `<step>_refused`, with a clause `business:code`.
    """
    tracer = current("refused")
    check_stored_name(code, "a code of Refused")
    step = _step_before(tracer, tracer.root_of(value, "refused"))
    contract = tracer.contracts[step.members["contract"]]
    if code not in contract.refuses:
        known = ", ".join(contract.refuses) or "none"
        raise tracer.wrong("TR205", f"{contract.name} does not refuse {code!r} (known: {known})")
    scope = _scope_around(tracer, step)
    clause = tracer.part("clause", None).give(on=[f"business:{code}"])
    scope.flow("on_failure").append(clause)
    return tracer.open(Block("refused", clause, clause.flow(), _failure(tracer), tracer))


def _step_before(tracer: Tracer, name: str) -> Part:
    for part in tracer.block.nodes():
        for step in (part, *_wrapped(part)):
            if step.name == name and step.members["node"] == "step":
                return step
    raise tracer.wrong(
        "TR123", f"`{name}` is no step of this flow", "refused(...) on the same level as its step"
    )


def _wrapped(part: Part) -> list[Part]:
    flow = part.flow() if part.members["node"] == "scope" else []
    return flow if len(flow) == 1 and part.name == f"{flow[0].name}_refused" else []


def _scope_around(tracer: Tracer, step: Part) -> Part:
    for part in tracer.block.nodes():
        if step in _wrapped(part):
            return part
    scope = Part("node", f"{step.name}_refused", step.line)
    tracer.take(f"{step.name}_refused", step.line)
    scope.members |= {"node": "scope", "name": scope.name, "flow": [step]}
    tracer.block.replace(step, scope)
    return scope

"""The calls of a flow that are no blocks: waits, sleeps, vars, facts, ends and expressions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal, ParamSpec, cast, overload

from pydantic import BaseModel
from typing_extensions import TypeVar

from ._events import EventType, event_of
from ._expressions import Expr, Level, binary, call, member, object_of
from ._schema import Json, JsonObject, adapter_of, type_name
from ._symbols import About, about, expression, is_symbol, renamed, symbol, timestamp
from ._text import check_duration, check_node_name, check_stored_name, node_name_of, wrong
from ._tracer import Tracer, current
from ._types import field_of, kind_of, union_of
from ._values import Collect

__all__ = [
    "cel",
    "emit",
    "expired",
    "fail",
    "fulfil",
    "has",
    "is_in",
    "new",
    "not_",
    "param",
    "set_",
    "size",
    "sleep",
    "var",
    "wait_for",
]

P = ParamSpec("P")
T = TypeVar("T")
E = TypeVar("E", bound=BaseModel)

OnExpiry = Literal["fail", "continue"]
Early = Literal["keep", "transient"]


@overload
def wait_for(
    event: type[E] | tuple[type[E], ...],
    key: object,
    *,
    within: str | None,
    when: Callable[[E], bool] | None = ...,
    name: str | None = ...,
    on_expiry: OnExpiry | None = ...,
    early: Early | None = ...,
    peek: bool | None = ...,
) -> E: ...
@overload
def wait_for(
    event: type[E] | tuple[type[E], ...],
    key: object,
    *,
    within: str | None,
    collect: Collect[E],
    when: Callable[[E], bool] | None = ...,
    name: str | None = ...,
    on_expiry: OnExpiry | None = ...,
    early: Early | None = ...,
) -> list[E]: ...
def wait_for(
    event: type[Any] | tuple[type[Any], ...],
    key: object,
    *,
    within: str | None,
    collect: Collect[Any] | None = None,
    when: Callable[[Any], bool] | None = None,
    name: str | None = None,
    on_expiry: OnExpiry | None = None,
    early: Early | None = None,
    peek: bool | None = None,
) -> Any:
    """Wait for an event; the value is its data, with `collect` a list of them.

    Args:
        event: a model, or several as a tuple.
        key: the value of its key.
        within: the longest wait, `"14d"`; None leaves it to the deadline of a scope.
        collect: take a list.
        when: a guard over the event's data.
        name: of the node; by default that of the (first) event.
        on_expiry: "continue" goes on when nothing came; ask `expired(value)`.
        early: "transient" does not see what came before the wait.
        peek: looks at the event and leaves it to others; not with `collect`.
    """
    tracer = current("wait_for")
    types = events_of(event)
    key_text = tracer.text(key)
    model = union_of([found.model for found in types])
    part = tracer.node("wait_for", name or node_name_of(types[0].type))
    path = Expr(f"events.{part.name}")
    part.give(
        events=[tracer.use_event(found) for found in types],
        key=key_text,
        when=guard_over_event(tracer, when, model),
        early=early,
        peek=peek,
        within=None if within is None else check_duration(within, "within="),
        on_expiry=on_expiry,
    )
    if collect is None:
        return tracer.value(member(path, "data"), model, part.name)
    taken = renamed(tracer.value(path, list[model], part.name), envelopes=True)
    part.members["collect"] = _collect(tracer, collect, taken)
    return taken


def events_of(event: Any) -> list[EventType]:
    """The events of a wait or handler: one model or several."""
    models = cast(tuple[Any, ...], event if isinstance(event, tuple) else (event,))
    return [event_of(model) for model in models]


def guard_over_event(tracer: Tracer, when: Callable[[Any], Any] | None, model: Any) -> str | None:
    """The text of `when=lambda e: ...`, over `event.data`."""
    if when is None:
        return None
    return tracer.text(when(tracer.value(Expr("event.data"), model)))


def _collect(tracer: Tracer, collect: Collect[Any], taken: Any) -> JsonObject:
    members: JsonObject = {}
    if collect.until is not None:
        members["until"] = tracer.text(collect.until(taken))
    if collect.max is not None:
        members["max"] = collect.max
    if collect.quiet is not None:
        members["quiet"] = check_duration(collect.quiet, "quiet=")
    return members


def sleep(name: str, duration: str | None = None, *, until: datetime | None = None) -> None:
    """Rest for a duration, or until a point in time: `sleep("pause", "3d")`."""
    tracer = current("sleep")
    if (duration is None) == (until is None):
        raise tracer.wrong("TR124", f"sleep {name}: say how long, or until when, not both")
    point = None if until is None else timestamp(until, tracer).text
    length = None if duration is None else check_duration(duration, "a sleep")
    tracer.node("sleep", name).give(**{"for": length, "until": point})


def var(name: str, type: type[T], initial: T) -> T:
    """A variable of the saga: its type and first value; written by `set_`."""
    tracer = current("var")
    if name == "name":
        raise tracer.wrong("TR122", "no var is called `name`: set_ has that for its node", "label")
    tracer.take(name, tracer.line())
    start = _plain(tracer, type, initial, f"var {name}")
    tracer.variables[name] = {"schema": tracer.schemas.of(type), "initial": start}
    return cast(T, tracer.value(Expr(f"vars.{name}"), type))


def set_(*, name: str | None = None, **values: object) -> None:
    """Write vars, all at once: `set_(counter=counter + 1)`."""
    tracer = current("set_")
    for written in values:
        if written not in tracer.variables:
            known = ", ".join(tracer.variables) or "none yet"
            raise tracer.wrong(
                "TR205", f"`{written}` is no var (known: {known})", f'var("{written}", int, 0)'
            )
    if not values:
        raise tracer.wrong("TR124", "set_ sets nothing", "set_(counter=counter + 1)")
    texts = {written: tracer.text(value) for written, value in values.items()}
    tracer.node("set", name or "set_" + "_".join(values)).give(values=texts)


def emit(name: str, event: type[E], data: E, *, key: object = None) -> None:
    """Publish a fact as a CloudEvent; its key is the event's key field unless said."""
    tracer = current("emit")
    found = event_of(event)
    data_text = tracer.text(data)
    key_text = tracer.text(getattr(data, found.attribute) if key is None else key)
    tracer.node("emit", name).give(type=tracer.use_event(found), key=key_text, data=data_text)


def fail(code: str, message: str | None = None, *, name: str | None = None) -> None:
    """End this part as a business failure: `fail("too-risky")` fails as `business:too-risky`."""
    tracer = current("fail")
    check_stored_name(code, "a code")
    text = None if message is None else tracer.text(message)
    tracer.node("fail", name or node_name_of(code)).give(code=code, message=text)


def fulfil(result: object = None, *, name: str = "fulfil") -> None:
    """End the commitment as fulfilled, from wherever this stands."""
    tracer = current("fulfil")
    text = tracer.text(result)
    tracer.node("fulfil", name).give(result=text)


def param(name: str, default: T, type: type[T] | None = None) -> T:
    """A value that is read at the start and recorded: `param("risk_limit", 60)`."""
    tracer = current("param")
    check_node_name(name, "a param")
    kind: Any = default.__class__ if type is None else type
    start = _plain(tracer, kind, default, f"param {name}")
    made: JsonObject = {"schema": tracer.schemas.of(kind), "default": start}
    if tracer.params.setdefault(name, made) != made:
        raise tracer.wrong("TR204", f"param `{name}` has two defaults", "the same default")
    return cast(T, tracer.value(Expr(f"params.{name}"), kind))


def _plain(tracer: Tracer, type_: Any, value: object, what: str) -> Json:
    """A value that must be known now, as JSON of its type."""
    if is_symbol(value):
        raise tracer.wrong("TR124", f"{what} needs a value that is known now", "a plain value")
    try:
        adapter = adapter_of(type_)
        checked = adapter.validate_python(value, strict=True)
    except ValueError as error:
        raise tracer.wrong("TR210", f"{what}: {value!r} is no {type_name(type_)}") from error
    return adapter.dump_python(checked, mode="json", by_alias=True)


def new(model: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """An object of a model, made when the saga runs: `new(Order, number=due.number)`."""
    tracer = current("new")
    found: Any = model
    if not (isinstance(found, type) and issubclass(found, BaseModel)) or args:
        raise tracer.wrong("TR124", "new makes a pydantic model", "new(Model, field=value)")
    members: dict[str, Expr] = {}
    fields: dict[str, About] = {}
    for name, value in kwargs.items():
        field = field_of(found, name)
        if field is None:
            raise tracer.wrong("TR208", f"{found.__name__} has no field `{name}`")
        expr = expression(value, tracer)
        members[field.json_name or name] = expr
        fields[name] = About(expr, field.type_, tracer)
    required = [n for n, f in found.model_fields.items() if f.is_required() and n not in kwargs]
    if required:
        raise tracer.wrong("TR205", f"{found.__name__} lacks {', '.join(required)}")
    # Its fields are the expressions it was made of: shorter to read than {...}.field.
    return cast(T, symbol(About(object_of(members), found, tracer, fields=fields)))


def cel(text: str, type: type[T]) -> T:
    """An expression written by hand, with the type of its value: `cel("...", bool)`."""
    tracer = current("cel")
    if is_symbol(text) or not text.strip():
        raise tracer.wrong("TR124", "cel wants the text of an expression", 'cel("...", bool)')
    return cast(T, tracer.value(Expr(text, Level.CHOICE), type))


def not_(value: bool) -> bool:
    """The opposite of a truth."""
    if not is_symbol(value):
        return not value
    of = about(value)
    if kind_of(of.type_) not in ("bool", "any"):
        raise wrong("TR209", f"not_ is for truths, `{of.expr.text}` is {type_name(of.type_)}")
    expr = Expr(f"!{of.expr.inside(Level.UNARY)}", Level.UNARY)
    return cast(bool, renamed(value, expr=expr, type_=bool, root=None, fields=None))


def size(value: list[Any] | str | dict[str, Any]) -> int:
    """The length of a list, text or dict."""
    if not is_symbol(value):
        return len(value)
    changes = {"expr": call("size", about(value).expr), "type_": int}
    return cast(int, renamed(value, **changes, root=None, fields=None, envelopes=False))


def is_in(item: object, of: list[Any] | dict[str, Any]) -> bool:
    """Whether a list has this item, or a dict this key; Python's `in` cannot be asked of a flow."""
    if not is_symbol(of):
        if not is_symbol(item):
            return item in of
        raise wrong("TR209", "is_in looks into a list or dict of the saga", "is_in(item, values)")
    found = about(of)
    expr = binary("in", expression(item, found.owner), found.expr)
    return cast(bool, renamed(of, expr=expr, type_=bool, root=None, fields=None, envelopes=False))


def has(value: object) -> bool:
    """Whether a value is there: set on only some paths, or optional in its model."""
    if not is_symbol(value):
        return value is not None
    of = about(value)
    changes = {"expr": call("has", of.expr), "type_": bool}
    return cast(bool, renamed(value, **changes, root=None, fields=None, envelopes=False))


def expired(value: object) -> bool:
    """Whether a wait or step with `on_expiry="continue"` ended without its value."""
    root = about(value).root if is_symbol(value) else None
    if root is None:
        raise wrong("TR124", "expired asks about the value of a node", "expired(signed)")
    kind = about(value).expr.text.split(".", 1)[0]
    expr = Expr(f"{kind}.{root}.expired")
    if kind != "decisions":  # a decision always says it, other values only when they expired
        expr = call("has", expr)
    changes = {"expr": expr, "type_": bool}
    return cast(bool, renamed(value, **changes, root=None, fields=None, envelopes=False))

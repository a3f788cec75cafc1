"""Sagas: a flow function under a stored name and version, traced once into a document."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypedDict, cast

from pydantic import BaseModel
from typing_extensions import TypeVar

from ._contract import Contract
from ._errors import TrothError, shown_file
from ._events import event_of, input_field, is_event, key_field
from ._expressions import Expr, member
from ._handlers import signature_of
from ._parts import document_of, lines_of
from ._schema import Json, JsonObject
from ._symbols import About, is_symbol, symbol
from ._syntax import Source, check_returns, check_syntax, last_line
from ._text import check_duration, check_stored_name, check_version, wrong
from ._tracer import Tracer, Tracing

__all__ = ["DoubleStart", "Saga", "saga"]

I = TypeVar("I", bound=BaseModel)  # noqa: E741  # the input; shown to users as such
O = TypeVar("O")  # noqa: E741  # the output

FORM = 1


class DoubleStart(TypedDict, total=False):
    """What a second start of the same key means: while one is running, and when one is finished.

    "deliver" gives the event to the running one; "queue" waits, in order, until it has ended.
    """

    running: Literal["refuse", "return", "replace", "deliver", "queue"]
    finished: Literal["refuse", "after_failure", "allow"]


@dataclass(frozen=True, slots=True)
class SagaOptions:
    """What `@saga(...)` says beside name, version and start."""

    key: Any = None
    double_start: DoubleStart | None = None
    deadline: str | None = None
    while_: Any = None
    early_ttl: str | None = None
    debt_due: str | None = None
    undo_deadline: str | None = None
    on_debt: Literal["hold", "continue"] | None = None
    undo_order: Literal["reverse"] | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict[str, Any])


class Saga(Generic[I, O]):
    """A saga; `document()` is the data that is registered.

    Attributes:
        name: stored name.
        version: from 1.
        input: the model of the start payload.
        flow: the function that is traced.
        result: the type that it gives.
    """

    def __init__(
        self,
        name: str,
        version: int,
        model: type[I],
        flow: Callable[[I], O],
        result: Any,
        options: SagaOptions,
    ) -> None:
        self.name = name
        self.version = version
        self.input = model
        self.flow = flow
        self.result = result
        self._options = options
        self._traced: tuple[JsonObject, dict[str, Contract]] | None = None

    def __repr__(self) -> str:
        return f"<saga {self.name} v{self.version}>"

    @property
    def file(self) -> str:
        """The file of the flow function."""
        return self.flow.__code__.co_filename

    @property
    def line(self) -> int:
        """Its first line, with the decorator."""
        return self.flow.__code__.co_firstlineno

    def document(self) -> JsonObject:
        """The definition, traced once (docs/format.md section 3). Raises TrothError."""
        return self._trace()[0]

    def contracts(self) -> dict[str, Contract]:
        """The contracts that the flow uses, with their undos, by name."""
        return self._trace()[1]

    def key_of(self, value: Any) -> Any:
        """What names the promise in an input, as the flow of a parent reads it."""
        key = self._options.key
        return getattr(value, key) if isinstance(key, str) else key(value)

    def __call__(self, *_: object) -> O:
        raise wrong(
            "TR123", f"saga {self.name} is called; the engine runs it", "client.start(saga, input)"
        )

    def _trace(self) -> tuple[JsonObject, dict[str, Contract]]:
        if self._traced is None:
            self._traced = _Trace(self).result()
        return self._traced


class _Trace:
    """One run of the flow function, from symbols to the document."""

    def __init__(self, saga: Saga[Any, Any]) -> None:
        self.saga = saga
        self.options = saga._options  # pyright: ignore[reportPrivateUsage]  # its other half
        self.where = f"{saga.name} v{saga.version}"
        self.tracer = Tracer(self.where, saga.flow.__code__)

    def result(self) -> tuple[JsonObject, dict[str, Contract]]:
        saga, tracer = self.saga, self.tracer
        source = check_syntax(saga.flow, self.where)
        head = self._head()
        with Tracing(tracer):
            if self.options.deadline is not None:
                deadline = check_duration(self.options.deadline, "deadline=")
                tracer.root.part.members["deadline"] = {"after": deadline}
            start = tracer.value(Expr("input"), saga.input)
            given = saga.flow(start)
            tracer.check_entered()
            if self.options.while_ is not None:
                tracer.root.part.members["while"] = tracer.text(self.options.while_(start))
            result = self._end(given, source)
        return head | self._body(result), dict(tracer.contracts)

    def _head(self) -> JsonObject:
        saga, options, tracer = self.saga, self.options, self.tracer
        starts: list[Json] = []
        if is_event(saga.input):
            starts.append({"event": tracer.use_event(event_of(saga.input)), "input": "event.data"})
        head: JsonObject = {
            "troth": FORM,
            "saga": saga.name,
            "version": saga.version,
            "key": self._of_input(options.key),
            "input": tracer.schemas.of(saga.input),
            "starts_on": starts,
        }
        if options.double_start:
            head["double_start"] = cast(JsonObject, dict(options.double_start))
        for name in ("early_ttl", "debt_due", "undo_deadline"):
            text = getattr(options, name)
            if text is not None:
                head[name] = check_duration(text, f"{name}=")
        if options.on_debt is not None:
            head["on_debt"] = options.on_debt
        if options.undo_order is not None:
            head["undo_order"] = options.undo_order
        if options.attributes:
            head["attributes"] = {n: self._of_input(v) for n, v in options.attributes.items()}
        return head

    def _of_input(self, given: Any) -> str:
        """A field of the input by name, or a lambda over it."""
        if isinstance(given, str):
            found = input_field(self.saga.input, given)
            return member(Expr("input"), found.json_name or given).text
        return self.tracer.text(given(symbol(About(Expr("input"), self.saga.input, self.tracer))))

    def _end(self, given: object, source: Source | None) -> JsonObject | None:
        """The `return` at the end, as a fulfil, and the schema of the result."""
        tracer = self.tracer
        if source is not None:
            check_returns(source, tracer.kinds_at)
        declared = self.saga.result
        if declared is None or declared is type(None):
            if given is not None and not is_symbol(given):
                raise self._undeclared(given)
            return None
        if given is not None:
            text = tracer.text(given)
            ended = tracer.node("fulfil", "fulfilled").give(result=text)
            # The function has returned: no frame of it is left to ask.
            ended.line = self.saga.line if source is None else last_line(source)
        return tracer.schemas.of(declared)

    def _undeclared(self, given: object) -> TrothError:
        return self.tracer.wrong(
            "TR124", f"the flow returns {given!r} but says it gives nothing", "-> Type"
        )

    def _body(self, result: JsonObject | None) -> JsonObject:
        tracer = self.tracer
        body: JsonObject = {}
        if tracer.params:
            body["params"] = cast(JsonObject, tracer.params)
        if tracer.variables:
            body["vars"] = cast(JsonObject, tracer.variables)
        if tracer.calendars:
            body["calendars"] = cast(JsonObject, tracer.calendars)
        contracts = {n: c.document(tracer.schemas) for n, c in tracer.contracts.items()}
        events = {n: e.document(tracer.schemas) for n, e in tracer.events.items()}
        body |= {
            "events": cast(JsonObject, events),
            "contracts": cast(JsonObject, contracts),
            "schemas": cast(JsonObject, tracer.schemas.named),
            **document_of(tracer.root.part),
        }
        if result is not None:
            body["result"] = result
        lines = cast(JsonObject, lines_of(tracer.root.part))
        body["source"] = {"file": shown_file(self.saga.file), "lines": lines}
        return body


def saga(
    name: str,
    *,
    version: int,
    starts_on: type[I],
    key: str | Callable[[I], object] | None = None,
    double_start: DoubleStart | None = None,
    deadline: str | None = None,
    while_: Callable[[I], bool] | None = None,
    early_ttl: str | None = None,
    debt_due: str | None = None,
    undo_deadline: str | None = None,
    on_debt: Literal["hold", "continue"] | None = None,
    undo_order: Literal["reverse"] | None = None,
    attributes: Mapping[str, str | Callable[[I], object]] | None = None,
) -> Callable[[Callable[[I], O]], Saga[I, O]]:
    """Declare a saga; the function below is traced once into data, the engine never runs it.

    Args:
        name: stored name, such as "partner-activation".
        version: from 1; another content is another version.
        starts_on: the event that starts it, or a plain model for starts by request only.
        key: the field of the input (or a lambda over it) that names the promise; by default the
            event's key.
        double_start: what a second start of the same key means.
        deadline: of the whole saga, `"60d"`.
        while_: over the input; read after every move, false fails the whole saga as
            `deadline:while`. A var is read by `cel("vars.counter < 3", bool)`.
        early_ttl: how long early events are kept, `"7d"` by default.
        debt_due: when a debt is due, `"3d"` by default.
        undo_deadline: how long undoing may take before it becomes a debt.
        on_debt: "continue" undoes past a debt instead of waiting for it.
        undo_order: "reverse" undoes all in one line, the last completed first.
        attributes: for search, by name: a field of the input or a lambda over it.
    """
    check_stored_name(name, "a saga")
    check_version(version, f"saga {name}")
    if key is None:
        if not is_event(starts_on):
            raise wrong(
                "TR110",
                f"{starts_on.__name__} is no event, so saga {name} needs a key",
                "key=FIELD",
            )
        key = event_of(starts_on).attribute
    if isinstance(key, str):
        key_field(starts_on, key)
    options = SagaOptions(
        key=key,
        double_start=double_start,
        deadline=deadline,
        while_=while_,
        early_ttl=early_ttl,
        debt_due=debt_due,
        undo_deadline=undo_deadline,
        on_debt=on_debt,
        undo_order=undo_order,
        attributes=attributes or {},
    )

    def declare(flow: Callable[[I], O]) -> Saga[I, O]:
        signature = signature_of(flow, "the flow of a saga")
        if len(signature.parameters) != 1:
            raise wrong("TR111", f"the flow of {name} takes one parameter", "(input: Model)")
        return Saga(name, version, starts_on, flow, signature.return_annotation, options)

    return declare

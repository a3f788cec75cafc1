"""The typed shape of a handler: what it takes from JSON and what it gives back."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_origin

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError, to_json

from ._effect import Effect
from ._errors import TrothError
from ._schema import Json, JsonObject, Schemas, adapter_of
from ._text import wrong

__all__ = ["Handler", "Parameter", "handler_of", "signature_of"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument: its type, and its default if it has one."""

    type_: Any
    default: Any = inspect.Parameter.empty

    @property
    def required(self) -> bool:
        return self.default is inspect.Parameter.empty


@dataclass(frozen=True, slots=True)
class Handler:
    """A function of a participant: its parameters without the Effect, and its result type."""

    function: Callable[..., Any]
    wants_effect: bool
    parameters: dict[str, Parameter]
    result: Any

    @property
    def file(self) -> str:
        return self.function.__code__.co_filename

    @property
    def line(self) -> int:
        return self.function.__code__.co_firstlineno

    def command(self, schemas: Schemas) -> JsonObject:
        """The schema of the object of arguments."""
        properties: JsonObject = {n: schemas.of(p.type_) for n, p in self.parameters.items()}
        required: list[Json] = [n for n, p in self.parameters.items() if p.required]
        schema: JsonObject = {"type": "object", "properties": properties}
        if required:
            schema["required"] = required
        return schema | {"additionalProperties": False}

    def bind(self, args: Mapping[str, Json]) -> dict[str, Any]:
        """JSON to typed values by name; raises pydantic.ValidationError that names the argument."""
        values: dict[str, Any] = {}
        faults = [
            _fault("unexpected", "no such argument", (n,), args[n])
            for n in args
            if n not in self.parameters
        ]
        for name, parameter in self.parameters.items():
            if name not in args:
                if parameter.required:
                    faults.append(_fault("missing", "the argument is missing", (name,), None))
                continue
            try:
                values[name] = adapter_of(parameter.type_).validate_json(to_json(args[name]))
            except ValidationError as error:
                faults += [
                    _fault(fault["type"], fault["msg"], (name, *fault["loc"]), fault["input"])
                    for fault in error.errors(include_url=False, include_context=False)
                ]
        if faults:
            raise ValidationError.from_exception_data(self.function.__name__, faults)
        return values


def _fault(kind: str, message: str, at: tuple[int | str, ...], value: Any) -> InitErrorDetails:
    # The text goes in as a value: braces in it would else be taken for a template.
    error = PydanticCustomError("argument", "{kind}: {text}", {"kind": kind, "text": message})
    return InitErrorDetails(type=error, loc=at, input=value)


def handler_of(function: Callable[..., Any], *, effect: bool) -> Handler:
    """Read a function's signature; TR111 when it is not one of a handler.

    Args:
        function: plain or async, every parameter and the result with its type.
        effect: the first parameter must be an `Effect`.
    """
    signature = signature_of(function, "a handler")
    rest = list(signature.parameters.values())
    wants_effect = bool(rest) and _is_effect(rest[0].annotation)
    if effect and not wants_effect:
        raise _wrong(function, "the first parameter is not an Effect", "(fx: Effect, ...)")
    parameters: dict[str, Parameter] = {}
    for parameter in rest[1:] if wants_effect else rest:
        if parameter.kind is not inspect.Parameter.POSITIONAL_OR_KEYWORD:
            raise _wrong(function, f"`{parameter}` is not a plain parameter", "name: type")
        if parameter.annotation is inspect.Parameter.empty:
            name = parameter.name
            raise _wrong(function, f"the parameter `{name}` has no type", f"{name}: Type")
        parameters[parameter.name] = Parameter(parameter.annotation, parameter.default)
    return Handler(function, wants_effect, parameters, signature.return_annotation)


def signature_of(function: Callable[..., Any], what: str) -> inspect.Signature:
    """The signature with its types; TR111 if it is no function, or does not say what it gives."""
    if not inspect.isfunction(function):
        raise wrong("TR111", f"{function!r} is not {what}", "a function: def")
    # Names of a surrounding function are visible to annotations as in the reader's eyes.
    frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]  # the only way to a caller
    inside = function.__globals__
    while frame.f_back is not None and frame.f_globals is not inside:
        frame = frame.f_back
    try:
        found = inspect.signature(function, eval_str=True, locals=dict(frame.f_locals))
    except NameError as error:
        raise _wrong(function, f"a type is not known here: {error}", "define it above") from error
    if found.return_annotation is inspect.Signature.empty:
        raise _wrong(function, "it does not say what it gives", "-> Type, or -> None")
    return found


def _is_effect(annotation: Any) -> bool:
    return annotation is Effect or get_origin(annotation) is Effect


def _wrong(function: Callable[..., Any], message: str, do: str) -> TrothError:
    code = function.__code__
    return TrothError(
        "TR111",
        f"`{function.__name__}`: {message}",
        file=code.co_filename,
        line=code.co_firstlineno,
        do=do,
    )

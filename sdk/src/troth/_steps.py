"""Steps as a flow calls them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Concatenate, Generic, Literal, ParamSpec, Protocol, cast, overload

from typing_extensions import TypeVar

from ._calendars import Calendar, Throttle
from ._calls import StepCall, add_step
from ._contract import Contract, UndoRule
from ._effect import Effect
from ._options import Retry
from ._text import check_duration, check_node_name

__all__ = ["Step"]

P = ParamSpec("P")
T = TypeVar("T")
D = TypeVar("D")

OnExpiry = Literal["fail", "continue"]
Nothing = Awaitable[None] | None


class Step(Generic[P, T]):
    """A function of a participant that flows may call; `contract` is what is stored of it."""

    def __init__(self, contract: Contract, call: StepCall | None = None) -> None:
        self.contract = contract
        self._call = StepCall(contract) if call is None else call

    def __repr__(self) -> str:
        return f"<step {self.contract.name}>"

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """In a flow: a node of the saga. The value stands for the step's result.

        To run the handler itself, in a unit test, call `step.handler(...)`.
        """
        return cast(T, add_step(self._call, args, kwargs))

    @property
    def handler(self) -> Callable[..., Any]:
        """The user's function."""
        return self.contract.run.function

    def named(self, name: str) -> Step[P, T]:
        """The same step under another node name: `create_account.named("again")(company)`."""
        check_node_name(name)
        return Step(self.contract, replace(self._call, name=name))

    def within(self, duration: str, *, on_expiry: OnExpiry | None = None) -> Step[P, T]:
        """The same step, done within `duration` over all attempts, else it fails as a timeout."""
        check_duration(duration, "within")
        return Step(self.contract, replace(self._call, within=duration, on_expiry=on_expiry))

    def during(self, calendar: Calendar) -> Step[P, T]:
        """The same step, dispatched only within the hours of a calendar; further attempts too."""
        return Step(self.contract, replace(self._call, calendar=calendar))

    def throttled(self, throttle: Throttle, key: object = None) -> Step[P, T]:
        """The same step, dispatched when it is its turn in a throttle; further attempts too.

        `key` is text or a number known before: each key has a rate of its own.
        """
        return Step(self.contract, replace(self._call, throttle=throttle, throttle_key=key))

    @overload
    def undo(
        self, handler: Callable[[Effect[D], T], Nothing], /
    ) -> Callable[[Effect[D], T], Nothing]: ...
    @overload
    def undo(
        self, handler: Callable[Concatenate[Effect[D], T, P], Nothing], /
    ) -> Callable[Concatenate[Effect[D], T, P], Nothing]: ...
    @overload
    def undo(
        self,
        /,
        *,
        when: Literal["completed"] = ...,
        timeout: str | None = ...,
        retry: Retry | None = ...,
    ) -> UndoDecorator[P, T]: ...
    @overload
    def undo(
        self, /, *, when: Literal["attempted"], timeout: str | None = ..., retry: Retry | None = ...
    ) -> AttemptedUndoDecorator[P]: ...
    def undo(
        self,
        handler: Callable[..., Nothing] | None = None,
        /,
        *,
        when: Literal["completed", "attempted"] | None = None,
        timeout: str | None = None,
        retry: Retry | None = None,
    ) -> Any:
        """Declare what takes the effect back: `(fx, result)` or `(fx, result, *arguments)`.

        Bare, or with options: `when="attempted"` also undoes what perhaps happened; then there is
        no result, and the handler takes `(fx, *arguments)`.
        """
        decorator: UndoDecorator[P, T] = UndoDecorator(
            self.contract, UndoRule(when, timeout, retry)
        )
        return decorator if handler is None else decorator.register(handler)

    @overload
    def probe(
        self: Step[P, None], handler: Callable[Concatenate[Effect[D], P], Awaitable[bool]], /
    ) -> Callable[Concatenate[Effect[D], P], Awaitable[bool]]: ...
    @overload
    def probe(
        self: Step[P, None], handler: Callable[Concatenate[Effect[D], P], bool], /
    ) -> Callable[Concatenate[Effect[D], P], bool]: ...
    @overload
    def probe(
        self, handler: Callable[Concatenate[Effect[D], P], Awaitable[T | None]], /
    ) -> Callable[Concatenate[Effect[D], P], Awaitable[T | None]]: ...
    @overload
    def probe(
        self, handler: Callable[Concatenate[Effect[D], P], T | None], /
    ) -> Callable[Concatenate[Effect[D], P], T | None]: ...
    def probe(self, handler: Callable[..., Any], /) -> Any:
        """Declare how to ask whether the effect happened: its result, or None if it did not.

        A probe that cannot say raises CannotTell. Where the step gives None, it gives a bool.
        """
        self.contract.set_probe(handler)
        return handler


class UndoDecorator(Generic[P, T]):
    """`@step.undo(timeout=...)` before its function."""

    def __init__(self, contract: Contract, rule: UndoRule) -> None:
        self._contract = contract
        self._rule = rule

    @overload
    def __call__(
        self, handler: Callable[[Effect[D], T], Nothing], /
    ) -> Callable[[Effect[D], T], Nothing]: ...
    @overload
    def __call__(
        self, handler: Callable[Concatenate[Effect[D], T, P], Nothing], /
    ) -> Callable[Concatenate[Effect[D], T, P], Nothing]: ...
    def __call__(self, handler: Callable[..., Any], /) -> Callable[..., Any]:
        return self.register(handler)

    def register(self, handler: Callable[..., Any]) -> Callable[..., Any]:
        """Make the undo's contract."""
        self._contract.set_undo(handler, self._rule)
        return handler


class AttemptedUndoDecorator(Protocol[P]):
    """`@step.undo(when="attempted")` as an editor sees it: the handler takes no result."""

    def __call__(
        self, handler: Callable[Concatenate[Effect[D], P], Nothing], /
    ) -> Callable[Concatenate[Effect[D], P], Nothing]: ...

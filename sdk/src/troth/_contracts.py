"""Participants: who serves which contracts; steps and effects are declared on them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Concatenate, Generic, Literal, ParamSpec, Protocol, overload

from typing_extensions import TypeVar

from ._classes import ApprovalClass, ReversibilityClass, SensitivityClass
from ._contract import Contract, Kind
from ._effect import Effect
from ._handlers import handler_of
from ._options import Accepted, Pivot, Retry, StepOptions, Unknown
from ._steps import Step
from ._text import check_stored_name, check_version, wrong

__all__ = ["Contract", "Effect", "Kind", "Participant"]

P = ParamSpec("P")
T = TypeVar("T")
D = TypeVar("D")
Deps = TypeVar("Deps", default=None)
Deps_co = TypeVar("Deps_co", covariant=True)

Reversible = Literal[ReversibilityClass.R0, ReversibilityClass.R1]


class Participant(Generic[Deps]):
    """A system that performs steps, under a stored name.

    Args:
        name: lower case letters, digits, `_ . -`.
        deps: what its handlers get as `fx.deps`: a function that gives an async context manager
            (entered once per worker), a function that gives the value, or the value.
    """

    @overload
    def __init__(self: Participant[None], name: str) -> None: ...
    @overload
    def __init__(
        self, name: str, deps: Callable[[], AbstractAsyncContextManager[Deps]]
    ) -> None: ...
    @overload
    def __init__(self, name: str, deps: Callable[[], Deps]) -> None: ...
    @overload
    def __init__(self, name: str, deps: Deps) -> None: ...
    def __init__(self, name: str, deps: Any = None) -> None:
        self.name = check_stored_name(name, "a participant")
        self.deps: Any = deps
        self.contracts: dict[str, Contract] = {}

    def __repr__(self) -> str:
        return f"<participant {self.name}>"

    def step(
        self,
        name: str,
        *,
        version: int = 1,
        refuses: Sequence[str] = (),
        timeout: str | None = None,
        heartbeat: str | None = None,
        retry: Retry | None = None,
        review: str | None = None,
    ) -> StepDecorator[Deps]:
        """Declare a step that touches nothing outside: no classes, the Effect is optional.

        Args:
            name: stored name, such as "check-company".
            version: of the contract; another meaning is another version.
            refuses: the codes its handler may raise as `Refused`.
            timeout: of one attempt, `"2m"`.
            heartbeat: how often the handler must report progress, `"30s"`.
            retry: how it is tried again.
            review: the policy review that lets S2 or S3 data go to this participant.
        """
        options = StepOptions(timeout, heartbeat, retry)
        return _Declaration(self, name, version, tuple(refuses), options, review=review)

    @overload
    def effect(
        self,
        name: str,
        a: ApprovalClass,
        r: Reversible,
        s: SensitivityClass,
        /,
        *,
        version: int = ...,
        refuses: Sequence[str] = ...,
        timeout: str | None = ...,
        heartbeat: str | None = ...,
        retry: Retry | None = ...,
        irreversible: str | Pivot | Accepted | None = ...,
        review: str | None = ...,
        idempotent: bool = ...,
    ) -> EffectDecorator[Deps]: ...
    @overload
    def effect(
        self,
        name: str,
        a: ApprovalClass,
        r: ReversibilityClass,
        s: SensitivityClass,
        /,
        *,
        unknown: Literal["probe", "ask"],
        version: int = ...,
        refuses: Sequence[str] = ...,
        timeout: str | None = ...,
        heartbeat: str | None = ...,
        retry: Retry | None = ...,
        irreversible: str | Pivot | Accepted | None = ...,
        review: str | None = ...,
        idempotent: bool = ...,
    ) -> EffectDecorator[Deps]: ...
    def effect(
        self,
        name: str,
        a: ApprovalClass,
        r: ReversibilityClass,
        s: SensitivityClass,
        /,
        *,
        unknown: Unknown | None = None,
        version: int = 1,
        refuses: Sequence[str] = (),
        timeout: str | None = None,
        heartbeat: str | None = None,
        retry: Retry | None = None,
        irreversible: str | Pivot | Accepted | None = None,
        review: str | None = None,
        idempotent: bool = True,
    ) -> EffectDecorator[Deps]:
        """Declare a step that touches the outside; its handler takes an `Effect` first.

        Args:
            name: stored name, such as "create-account".
            a: who must allow it, A0 to A3.
            r: what taking it back costs, R0 to R3.
            s: the sensitivity of its data, S0 to S3.
            unknown: what happens when nobody knows whether it happened; R2 and R3 must say
                "probe" or "ask", R0 and R1 are tried again with the same key unless said.
            version: as in `step`, like the next four.
            refuses: the codes its handler may raise as `Refused`.
            timeout: of one attempt.
            heartbeat: how often the handler must report progress.
            retry: how it is tried again.
            irreversible: why there is no undo. A text means a `Pivot` for R3 (afterwards the saga
                only goes forward) and `Accepted` for the others.
            review: the policy review that lets S2 or S3 data go to this participant.
            idempotent: False if the other side does not honour the key.
        """
        if r in (ReversibilityClass.R2, ReversibilityClass.R3) and unknown not in ("probe", "ask"):
            raise wrong(
                "TR218",
                f"`{name}` is {r.value}: it must say what an unknown outcome means",
                'unknown="probe" with @step.probe, or unknown="ask"',
            )
        if isinstance(irreversible, str):
            pivot = r is ReversibilityClass.R3
            irreversible = Pivot(irreversible) if pivot else Accepted(irreversible)
        options = StepOptions(timeout, heartbeat, retry, unknown, irreversible)
        return _Declaration(
            self, name, version, tuple(refuses), options, (a, r, s), review, idempotent
        )

    def declare(self, contract: Contract) -> None:
        """Add a contract; TR204 when its name is taken."""
        if contract.name in self.contracts:
            raise wrong("TR204", f"{contract.name} is declared twice", "another name, or version=2")
        self.contracts[contract.name] = contract
        contract.on_undo = self.declare


class StepDecorator(Protocol[Deps_co]):
    """What `@participant.step(...)` makes of a function; the Effect is optional."""

    @overload
    def __call__(
        self, handler: Callable[Concatenate[Effect[Deps_co], P], Awaitable[T]], /
    ) -> Step[P, T]: ...
    @overload
    def __call__(self, handler: Callable[Concatenate[Effect[Deps_co], P], T], /) -> Step[P, T]: ...
    @overload
    def __call__(self, handler: Callable[P, Awaitable[T]], /) -> Step[P, T]: ...
    @overload
    def __call__(self, handler: Callable[P, T], /) -> Step[P, T]: ...


class EffectDecorator(Protocol[Deps]):
    """What `@participant.effect(...)` makes of a function; the Effect comes first."""

    @overload
    def __call__(
        self, handler: Callable[Concatenate[Effect[Deps], P], Awaitable[T]], /
    ) -> Step[P, T]: ...
    @overload
    def __call__(self, handler: Callable[Concatenate[Effect[Deps], P], T], /) -> Step[P, T]: ...


class _Declaration:
    """Both decorators at run time."""

    def __init__(
        self,
        participant: Participant[Any],
        name: str,
        version: int,
        refuses: tuple[str, ...],
        options: StepOptions,
        classes: tuple[ApprovalClass, ReversibilityClass, SensitivityClass] | None = None,
        review: str | None = None,
        idempotent: bool = True,
    ) -> None:
        check_stored_name(name, "a step")
        check_version(version, f"step {name}")
        for code in refuses:
            check_stored_name(code, "a code of Refused")
        options.document()  # a wrong duration is an error here, not when a flow is traced
        self._participant = participant
        self._name = f"{participant.name}/{name}@{version}"
        self._refuses = refuses
        self._options = options
        self._classes = classes
        self._review = review
        self._idempotent = idempotent

    def __call__(self, function: Callable[..., Any], /) -> Step[Any, Any]:
        contract = Contract(
            name=self._name,
            participant=self._participant.name,
            run=handler_of(function, effect=self._classes is not None),
            classes=self._classes,
            refuses=self._refuses,
            review=self._review,
            idempotent=self._idempotent,
            options=self._options,
        )
        self._participant.declare(contract)
        return Step(contract)

"""A contract: what a participant promises under a stored name, and the functions behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ._classes import ApprovalClass, ReversibilityClass, SensitivityClass
from ._handlers import Handler, handler_of
from ._options import Retry, StepOptions
from ._schema import Json, JsonObject, Schemas, adapter_of
from ._text import check_duration, wrong

__all__ = ["Contract", "Kind", "UndoRule"]

Kind = Literal["do", "undo", "probe"]
Classes = tuple[ApprovalClass, ReversibilityClass, SensitivityClass]


@dataclass(frozen=True, slots=True)
class UndoRule:
    """When and how an undo runs; what is not given is the engine's default."""

    when: Literal["completed", "attempted"] | None = None
    timeout: str | None = None
    retry: Retry | None = None

    def document(self) -> JsonObject:
        """The members of `undo` in the node, beside contract and args."""
        members: JsonObject = {}
        if self.when is not None:
            members["when"] = self.when
        if self.timeout is not None:
            members["timeout"] = check_duration(self.timeout, "timeout=")
        if self.retry is not None:
            members["retry"] = self.retry.document()
        return members


@dataclass(slots=True)
class Contract:
    """One contract of a participant: `crm/create-account@1`, or its undo with `:undo` behind it.

    Attributes:
        name: the stored name.
        participant: who serves it.
        classes: approval, reversibility and sensitivity; None for a step that touches nothing
            outside.
        refuses: the codes its handler may raise as `Refused`.
        undo_name: the contract that undoes it, if it has one.
        is_undo: this is the undo of another contract; its handler has the kind "undo".
    """

    name: str
    participant: str
    run: Handler
    classes: Classes | None = None
    refuses: tuple[str, ...] = ()
    review: str | None = None
    idempotent: bool = True
    options: StepOptions = field(default_factory=StepOptions)
    is_undo: bool = False
    undo: Contract | None = None
    undo_rule: UndoRule = field(default_factory=UndoRule)
    probe: Handler | None = None
    on_undo: Callable[[Contract], None] | None = None

    @property
    def external(self) -> bool:
        """It touches something outside, so it has classes."""
        return self.classes is not None

    @property
    def gated(self) -> bool:
        """Class B (approval above A0), R2 or R3: no command without a decision."""
        if self.classes is None:
            return False
        a, r, _ = self.classes
        return a is not ApprovalClass.A0 or r in (ReversibilityClass.R2, ReversibilityClass.R3)

    @property
    def has_probe(self) -> bool:
        """The participant can be asked whether the effect happened."""
        return self.probe is not None

    @property
    def undo_name(self) -> str | None:
        """The name of the contract that undoes this one."""
        return None if self.undo is None else self.undo.name

    @property
    def wants_effect(self) -> bool:
        """The handler of "do" (of "undo" for an undo) takes an Effect first; undo and probe do."""
        return self.run.wants_effect

    def handler(self, kind: Kind) -> Callable[..., Any] | None:
        """The user's function for a kind of work, None when the contract does not serve it."""
        found = self._of(kind)
        return None if found is None else found.function

    def bind(self, kind: Kind, args: Mapping[str, Json]) -> dict[str, Any]:
        """JSON arguments to typed values, by parameter name, without the Effect.

        Raises pydantic.ValidationError that names the argument, KeyError if the kind is not served.
        """
        return self._served(kind).bind(args)

    def dump(self, kind: Kind, result: Any) -> Json:
        """The typed result of a handler as JSON.

        Raises pydantic.ValidationError if it is of another type than the handler declares. For a
        probe use `probed`, which also says whether the effect is there.
        """
        adapter = adapter_of(self._served(kind).result)
        # Strict: a result that would need converting is not what the handler declared.
        checked = adapter.validate_python(result, strict=True)
        return adapter.dump_python(checked, mode="json", by_alias=True, warnings="error")

    def probed(self, answer: Any) -> tuple[bool, Json]:
        """What a probe's answer means: (it is there, its result as JSON).

        A probe gives the result or None; where the step itself gives None, it gives a bool.
        """
        adapter_of(self._served("probe").result).validate_python(answer, strict=True)
        if self.gives_none:
            return bool(answer), None
        return (False, None) if answer is None else (True, self.dump("do", answer))

    @property
    def gives_none(self) -> bool:
        """The step has no result."""
        return self.run.result is None or self.run.result is type(None)

    def set_undo(self, function: Callable[..., Any], rule: UndoRule) -> None:
        """Add the contract that undoes this one; TR111 when the function does not fit it."""
        if self.undo is not None:
            raise wrong("TR204", f"{self.name} has an undo already", "one undo for each effect")
        if self.classes is None:
            raise wrong("TR111", f"{self.name} touches nothing outside", "@participant.effect(...)")
        handler = handler_of(function, effect=True)
        names = list(handler.parameters)
        if rule.when != "attempted" and not names:
            raise wrong("TR111", f"the undo of {self.name} takes no result", "(fx, result)")
        for name in names if rule.when == "attempted" else names[1:]:
            if name not in self.run.parameters:
                step = ", ".join(self.run.parameters)
                raise wrong(
                    "TR111",
                    f"the undo of {self.name} takes `{name}`, which is no argument of the step",
                    f"(fx, result), or (fx, result, {step})",
                )
        a, r, s = self.classes
        # The decision on the effect covers its undo; an undo is never irreversible itself.
        undo_r = ReversibilityClass.R2 if r is ReversibilityClass.R3 else r
        self.undo_rule = rule
        self.undo = Contract(
            name=f"{self.name}:undo",
            participant=self.participant,
            run=handler,
            classes=(a, undo_r, s),
            review=self.review,
            idempotent=self.idempotent,
            is_undo=True,
        )
        if self.on_undo is not None:
            self.on_undo(self.undo)

    def set_probe(self, function: Callable[..., Any]) -> None:
        """Add the function that says whether the effect happened."""
        if self.probe is not None:
            raise wrong("TR204", f"{self.name} has a probe already", "one probe for each effect")
        handler = handler_of(function, effect=True)
        if list(handler.parameters) != list(self.run.parameters):
            raise wrong(
                "TR111",
                f"the probe of {self.name} takes other arguments than the step",
                f"(fx, {', '.join(self.run.parameters)})",
            )
        if self.gives_none and handler.result is not bool:
            raise wrong("TR111", f"{self.name} gives None, so its probe says yes or no", "-> bool")
        self.probe = handler

    def document(self, schemas: Schemas) -> JsonObject:
        """The contract as a definition carries it."""
        members: JsonObject = {
            "participant": self.participant,
            "command": self.run.command(schemas),
            "result": {"type": "null"} if self.gives_none else schemas.of(self.run.result),
            "external": self.external,
        }
        if self.classes is not None:
            a, r, s = self.classes
            members |= {"A": a.value, "R": r.value, "S": s.value}
        if self.refuses:
            members["failures"] = list(self.refuses)
        if self.probe is not None:
            members["probe"] = True
        if not self.idempotent:
            members["idempotent"] = False
        if self.review is not None:
            members["review"] = self.review
        return members

    def _of(self, kind: Kind) -> Handler | None:
        match kind:
            case "do":
                return None if self.is_undo else self.run
            case "undo":
                if self.is_undo:
                    return self.run
                return None if self.undo is None else self.undo.run
            case "probe":
                return self.probe

    def _served(self, kind: Kind) -> Handler:
        handler = self._of(kind)
        if handler is None:
            raise KeyError(f"{self.name} does not serve {kind}")
        return handler

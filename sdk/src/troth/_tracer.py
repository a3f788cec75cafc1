"""The trace of one flow function: what its calls append, and where."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import CodeType, TracebackType
from typing import Any, Generic, Literal, Protocol

from typing_extensions import TypeVar

from ._contract import Contract
from ._errors import TrothError
from ._events import EventType
from ._expressions import Expr
from ._parts import Part, PartKind
from ._schema import JsonObject, Schemas
from ._symbols import About, about, expression, is_symbol, symbol
from ._text import check_node_name, place, wrong

__all__ = ["Block", "BlockKind", "NodeValue", "Tracer", "current"]

V = TypeVar("V")

BlockKind = Literal[
    "root", "approve", "when", "otherwise", "choose", "race", "branch", "parallel", "repeat",
    "each", "scope", "lock", "on", "on_failure", "refused",
]  # fmt: skip

_CURRENT: ContextVar[Tracer | None] = ContextVar("troth_trace", default=None)


def current(form: str) -> Tracer:
    """The trace that runs now; TR123 outside a flow function."""
    tracer = _CURRENT.get()
    if tracer is None:
        raise wrong(
            "TR123",
            f"{form} stands outside a flow",
            "it inside a @saga function; the handler of a step is step.handler(...)",
        )
    tracer.check_entered()
    return tracer


class NodeValue:
    """A value that stands for a whole node, beside the symbols of what it yields."""

    @property
    def name(self) -> str:
        """The name of the node."""
        raise NotImplementedError


class Hours(Protocol):
    """A calendar: what it is called, and how the definition holds it."""

    @property
    def name(self) -> str: ...
    def document(self) -> JsonObject: ...


class Closing(Protocol):
    """What a block does at its end."""

    def __call__(self) -> None: ...


@dataclass(eq=False)
class Block(Generic[V]):
    """A `with` block of a flow.

    Attributes:
        kind: its form.
        part: the part that it is.
        flow: where calls inside append, None where only branches may stand.
        value: what `as` gives.
        closing: run at its end.
        out_of: the part that takes what `out(...)` gives.
        branches: the names of the branches so far.
    """

    kind: BlockKind
    part: Part
    flow: list[Part] | None
    value: V
    tracer: Tracer
    closing: Closing | None = None
    out_of: Part | None = None
    branches: list[str] = field(default_factory=list[str])

    def __enter__(self) -> V:
        self.tracer.enter(self)
        return self.value

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.tracer.leave(self)

    def nodes(self) -> list[Part]:
        """The nodes that stand directly in it; in a parallel, those that are their own branch."""
        if self.kind == "parallel":
            branches = self.part.flow("branches")
            return [b.members["flow"][0] for b in branches if b.name is None]
        return self.flow or []

    def replace(self, old: Part, new: Part) -> None:
        """Put another node in the place of one."""
        flows = [self.flow or []]
        if self.kind == "parallel":
            self.branches = [new.name or "" if b == old.name else b for b in self.branches]
            flows = [b.flow() for b in self.part.flow("branches") if b.name is None]
        for flow in flows:
            if old in flow:
                flow[flow.index(old)] = new


@dataclass(eq=False)
class Tracer:
    """Collects the parts of one definition."""

    saga: str
    code: CodeType
    params: dict[str, JsonObject] = field(default_factory=dict[str, JsonObject])
    variables: dict[str, JsonObject] = field(default_factory=dict[str, JsonObject])
    events: dict[str, EventType] = field(default_factory=dict[str, EventType])
    contracts: dict[str, Contract] = field(default_factory=dict[str, Contract])
    schemas: Schemas = field(default_factory=Schemas)
    calendars: dict[str, JsonObject] = field(default_factory=dict[str, JsonObject])

    def __post_init__(self) -> None:
        self._names: dict[str, int] = {}
        self._waiting: Block[Any] | None = None
        self.root: Block[Any] = Block("root", Part("root", None, 0), [], None, self)
        self.root.flow = self.root.part.flow()
        self.blocks: list[Block[Any]] = [self.root]
        self.kinds_at: dict[int, list[BlockKind]] = {}

    # --- values ------------------------------------------------------------------------------

    def value(self, expr: Expr, type_: Any, root: str | None = None) -> Any:
        """A symbol of this trace."""
        return symbol(About(expr, type_, self, root))

    def record(self, expr: Expr, root: str | None, fields: Mapping[str, tuple[Expr, Any]]) -> Any:
        """A symbol with attributes of its own, such as a decision."""
        inner = {name: About(e, t, self, root) for name, (e, t) in fields.items()}
        return symbol(About(expr, Any, self, root, inner))

    def text(self, value: object) -> str:
        """The expression of what the flow gave, as the document holds it."""
        return expression(value, self).text

    # --- parts -------------------------------------------------------------------------------

    @property
    def block(self) -> Block[Any]:
        """The innermost open block."""
        return self.blocks[-1]

    def line(self) -> int:
        """The line of the flow function that is being traced."""
        return place(self.code)[1]

    def part(self, kind: PartKind, name: str | None) -> Part:
        """A part with its name checked and taken."""
        line = self.line()
        if name is not None:
            self.take(name, line)
        return Part(kind, name, line)

    def take(self, name: str, line: int) -> None:
        """Names of nodes, branches, handlers and vars are unique in a definition (TR204)."""
        check_node_name(name)
        if name in self._names:
            raise self.wrong(
                "TR204",
                f"`{name}` is used at line {self._names[name]} and again here",
                'another name: step.named("other")(...), or name="other"',
            )
        self._names[name] = line

    def node(self, kind: str, name: str) -> Part:
        """A node at the end of the flow that is open."""
        part = self.part("node", name)
        part.members |= {"node": kind, "name": name}
        self.place(part)
        return part

    def place(self, part: Part) -> None:
        """Append a node to the open flow; in a parallel it is a branch of its own."""
        block = self.block
        if block.flow is None:
            raise self.wrong(
                "TR123",
                f"`{part.name}` stands between the branches of `{block.part.name}`",
                'it inside:  with branch("NAME", ...):',
            )
        if block.kind == "race" and block.flow:
            raise self.wrong(
                "TR123",
                f"`{part.name}` stands between the branches of `{block.part.name}`",
                'it inside, or as the trigger:  with branch("NAME", wait_for(...)):',
            )
        if block.kind == "parallel":
            branch = Part("branch", None, part.line, {"flow": [part]})
            block.flow.append(branch)
            block.branches.append(part.name or "")
        else:
            block.flow.append(part)

    # --- blocks ------------------------------------------------------------------------------

    def open(self, block: Block[V]) -> Block[V]:
        """Remember a block that must be entered next, by `with`."""
        self._waiting = block
        return block

    def claim(self, block: object) -> None:
        """The block is used as the trigger of a race instead of being entered."""
        if self._waiting is block:
            self._waiting = None

    def enter(self, block: Block[Any]) -> None:
        self.claim(block)
        if block.flow is None and block.kind == "approve":
            block.flow = block.part.flow()
        self.kinds_at.setdefault(self.line(), []).append(block.kind)
        self.blocks.append(block)

    def leave(self, block: Block[Any]) -> None:
        self.check_entered()
        assert self.blocks[-1] is block, block.kind
        self.blocks.pop()
        if block.kind == "race" and block.flow:
            raise self.wrong(
                "TR123",
                f"`{block.flow[0].name}` is no trigger of a branch of `{block.part.name}`",
                'with branch("NAME", wait_for(...)):',
            )
        if block.closing is not None:
            block.closing()

    def check_entered(self) -> None:
        """A block that was called without `with` would be lost silently (TR123)."""
        block = self._waiting
        if block is not None:
            self._waiting = None
            name = f"`{block.part.name}`" if block.part.name else "it"
            raise self.wrong(
                "TR123",
                f"{block.kind} is a block, and {name} is not entered",
                "for x in each(...):" if block.kind == "each" else f"with {block.kind}(...):",
                block.part.line,
            )

    def wrong(
        self, code: str, message: str, do: str | None = None, line: int | None = None
    ) -> TrothError:
        """An error at the line of the flow that is being traced."""
        return TrothError(
            code,
            message,
            file=self.code.co_filename,
            line=self.line() if line is None else line,
            do=do,
            where=self.saga,
        )

    # --- what the definition uses ------------------------------------------------------------

    def use_event(self, event: EventType) -> str:
        """Note an event type; two models under one type are refused."""
        known = self.events.setdefault(event.type, event)
        if known.model is not event.model:
            raise self.wrong(
                "TR204",
                f"{event.type} is declared by {known.model.__name__} and {event.model.__name__}",
                "one model for each event type",
            )
        return event.type

    def use_calendar(self, calendar: Hours) -> str:
        """Note a calendar by its name; two of one name are refused."""
        document = calendar.document()
        if self.calendars.setdefault(calendar.name, document) != document:
            raise self.wrong("TR204", f"two calendars are called {calendar.name}")
        return calendar.name

    def use_contract(self, contract: Contract) -> str:
        """Note a contract and its undo."""
        self.contracts[contract.name] = contract
        if contract.undo is not None:
            self.contracts[contract.undo.name] = contract.undo
        return contract.name

    def root_of(self, value: object, what: str) -> str:
        """The node whose value this is; TR124 for anything else."""
        if isinstance(value, NodeValue):
            return value.name
        name = about(value).root if is_symbol(value) else None
        if name is None:
            shown = about(value).expr.text if is_symbol(value) else repr(value)
            raise self.wrong("TR124", f"{what} names nodes, and `{shown}` is the value of none")
        return name


class Tracing:
    """Makes a tracer the current one."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def __enter__(self) -> Tracer:
        self._token = _CURRENT.set(self._tracer)
        return self._tracer

    def __exit__(self, *_: object) -> None:
        _CURRENT.reset(self._token)

"""The machine behind `decide`: it emits events, folds each at once, and moves what can move.

All that is to be done next lies on the agenda, a stack: what was pushed last moves first, so flows
run depth first in document order. A part that stops takes its entries off the agenda.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias, cast
from uuid import UUID

from domain.commitment import Commitment
from domain.events import CommitmentHeld, CommitmentOpened, Ctx, Event
from domain.state import (
    RUN_ON,
    UNDO_RUN,
    frames_of,
    in_flight,
    is_kept,
    is_spared,
    is_under,
    template_of,
)
from sagas import defaults
from sagas.definition import Definition, Flow, Handler, Node
from sagas.expressions import MISSING, Expr, ExprError

__all__ = [
    "Machine", "Move", "NodeFault", "container_of", "error_of", "from_us", "hold", "join_path",
    "path_of", "timed_event", "to_us",
]  # fmt: skip

Json = Any
Fail = Callable[["Machine", str, Json], None]
Move: TypeAlias = tuple[Callable[..., None], tuple[Any, ...], str, int]
"""What moves, its arguments, the part to which it belongs, and its number among all pushed."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class NodeFault(Exception):
    """A node cannot go on: the failure that it becomes. `error` as in docs/format.md section 4."""

    def __init__(self, path: str, error: Json) -> None:
        super().__init__(path, error)
        self.path = path
        self.error = error


def error_of(class_: str, code: str, message: str, node: str, details: Json = None) -> Json:
    """An error as events carry it."""
    error: dict[str, Any] = {"class": class_, "code": code, "message": message, "node": node}
    if details is not None:
        error["details"] = details
    return error


def from_us(us: int) -> datetime:
    """A time in microseconds since the epoch, in UTC."""
    return _EPOCH + timedelta(microseconds=us)


def to_us(at: datetime) -> int:
    """Microseconds since the epoch."""
    return (at - _EPOCH) // timedelta(microseconds=1)


def parse_time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def join_path(container: str, name: str) -> str:
    """The path of a node in its container; the root has none."""
    return f"{container}/{name}" if container else name


class Machine:
    """One decide. `c` is a fork of the commitment (None until it is opened)."""

    __slots__ = ("_at", "agenda", "c", "ctx", "d", "events", "look", "looked", "moves", "now_us",
                 "outcome", "pushed", "replay", "standing", "stream")  # fmt: skip

    def __init__(
        self, d: Definition, c: Commitment | None, *, stream: UUID, now_us: int, ctx: Ctx
    ) -> None:
        self.d = d
        self.c: Commitment = c  # pyright: ignore[reportAttributeAccessIssue]  # set by Open
        self.stream = stream
        self.now_us = now_us if c is None else max(now_us, c.clock_us)
        self.ctx = ctx
        self.events: list[Event] = []
        self.agenda: list[Move] = []
        self.moves = self.pushed = 0
        self.outcome: Json = None
        self.replay: tuple[Json, ...] = ()
        self.look: Callable[[Machine], None] | None = None
        self.looked: tuple[int, int] = (-1, 0)
        self.standing: dict[str, tuple[int, list[str]]] = {}
        self._at = from_us(self.now_us)

    # --- events --------------------------------------------------------------------------

    def emit(self, cls: type[Event], **values: Any) -> None:
        """Make an event, fold it, and remember it."""
        build = cast("Any", cls)  # the library makes the constructor when the class is made
        event: Event = build(
            originator_id=self.stream, originator_version=self.c.version + 1,
            timestamp=self._at, ctx=self.ctx, **values,
        )  # fmt: skip
        event.mutate(self.c)
        self.events.append(event)

    def open(self, **values: Any) -> None:
        build = cast("Any", CommitmentOpened)
        event: Event = build(
            originator_topic=Commitment.STORED_AS, originator_id=self.stream,
            originator_version=1, timestamp=self._at, ctx=self.ctx, **values,
        )  # fmt: skip
        opened = event.mutate(None)
        assert isinstance(opened, Commitment)
        self.c = opened
        self.events.append(event)

    # --- agenda --------------------------------------------------------------------------

    def push(self, move: Callable[..., None], path: str, *args: Any) -> None:
        """Put a move on the agenda; `path` says to which part it belongs."""
        self.agenda.append((move, args, path, self.pushed))
        self.pushed += 1

    def push_behind(self, move: Callable[..., None], path: str, *args: Any) -> None:
        """The same, behind all that lies there already."""
        self.agenda.insert(0, (move, args, path, self.pushed))
        self.pushed += 1

    def prune(self, target: str, keep: tuple[str, ...] = ()) -> None:
        """Take every move of a part that stops off the agenda."""
        self.agenda = [
            item for item in self.agenda
            if not is_under(place := _place(item), target)
            or is_kept(place, keep)
            or is_spared(place, target)
        ]  # fmt: skip

    def run(self, fail: Fail) -> None:
        """Move until all rest. A failing node becomes, by `fail`, a failure of its part.

        `look` is asked before the first move and after every other: what it finds moves next.
        """
        if self.look is not None:
            self.guard(fail, self.look)
        while self.agenda:
            move, args, path, _ = self.agenda.pop()
            self.moves += 1
            if self.moves > defaults.MOVES_MAX:
                self.agenda.clear()
                text = f"{defaults.MOVES_MAX:,} moves in one message"
                hold(self, path, error_of("internal", "runaway", text, path))
                return
            self.guard(fail, move, path, *args)
            if self.look is not None:
                self.guard(fail, self.look)

    def guard(self, fail: Fail, move: Callable[..., None], *args: Any) -> None:
        """Make one move now; a node that cannot go on fails, and so may the block around it."""
        try:
            move(self, *args)
        except NodeFault as fault:
            self.guard(fail, fail, fault.path, fault.error)

    # --- reading ---------------------------------------------------------------------------

    def value(
        self, expr: Expr, path: str, local: dict[Any, Any] | None = None, owner: str | None = None
    ) -> Any:
        """What an expression gives, read from `path`.

        Raises NodeFault internal:expression of the node `owner`, which is the one at `path` unless
        a block reads something of its inside.
        """
        try:
            return expr.evaluate(self.binder(path, local))
        except ExprError as bad:
            at = path if owner is None else owner
            text = f"{expr.text}: {bad.message}"
            raise NodeFault(at, error_of("internal", "expression", text, at)) from bad

    def truth(
        self, expr: Expr | None, path: str, local: dict[Any, Any] | None = None,
        owner: str | None = None,
    ) -> bool:  # fmt: skip
        return True if expr is None else bool(self.value(expr, path, local, owner))

    def binder(self, path: str, local: dict[Any, Any] | None = None) -> Callable[[str, Any], Any]:
        """Gives the value of a name as the node at `path` sees it, or MISSING.

        `local` holds values by (root, name) that stand before all others.
        """
        c = self.c

        def bind(root: str, name: str | None) -> Any:
            if local is not None and (root, name) in local:
                return local[root, name]
            reader = _READERS.get(root)
            if reader is not None:
                return reader(self, path, name)
            if root == "input":
                return c.input
            if root == "vars" and UNDO_RUN in path:  # as they were when the scope was done
                found = _VARS(self, path, name)
                if found is not MISSING:
                    return found
            values: Any = {"vars": c.vars, "params": c.params}.get(root, {})
            return values.get(name, MISSING)

        return bind

    def busy(self, target: str, keep: tuple[str, ...] = ()) -> bool:
        """Whether some `do` of the part is in flight, or a child has not answered."""
        if any(is_under(p, target) and not is_kept(p, keep) for p in self.c.children):
            return True
        return any(
            e.kind == "do" and in_flight(e) and is_under(e.node, target)
            and not is_kept(e.node, keep)
            for e in self.c.effects.values()
        )  # fmt: skip

    def node(self, path: str) -> Node:
        return self.d.node_at(path)


def hold(m: Machine, path: str, error: Json) -> None:
    """An internal fault at the root: everything rests until an operator looks.

    What this message has set in motion beside it still comes to rest, for nothing may be forgotten.
    """
    m.emit(CommitmentHeld, node=path, error=error)


def _place(item: Move) -> str:
    """The part to which a move belongs. A branch without a name is called by its node's name."""
    _, args, path, _ = item
    flow = args[0] if args else None
    if not isinstance(flow, Flow) or flow.branch is None or flow.branch.named:
        return path
    is_branch = flow.role == "branch" and flow.owner.kind == "parallel"
    return join_path(path, flow.nodes[0].name) if is_branch else path


def _from_frames(root: str) -> Callable[[Machine, str, str | None], Any]:
    def read(m: Machine, path: str, name: str | None) -> Any:
        for frame in frames_of(path):
            values = m.c.frames.get(frame)
            if values is not None and name in values.get(root, ()):
                return values[root][name]
        return MISSING

    return read


def timed_event(event: Json) -> Json:
    """An event as expressions see it: its time is a timestamp."""
    return {**event, "time": parse_time(event["time"])} if event.get("time") else event


def _events(m: Machine, path: str, name: str | None) -> Any:
    value = _from_frames("events")(m, path, name)
    if value is MISSING:
        return MISSING
    if isinstance(value, list):
        return [timed_event(e) for e in cast("list[Json]", value)]
    return timed_event(value)


def _decisions(m: Machine, path: str, name: str | None) -> Any:
    value = _from_frames("decisions")(m, path, name)
    if value is MISSING or not value.get("at"):
        return value
    return {**value, "at": parse_time(value["at"])}


def _event(m: Machine, path: str, _: str | None) -> Any:
    for frame in frames_of(path):
        values = m.c.frames.get(frame)
        if values is not None and "event" in values:
            return timed_event(values["event"])
    return MISSING


def _args(m: Machine, path: str, _: str | None) -> Any:
    for frame in frames_of(path):
        values = m.c.frames.get(frame)
        if values is not None and "args" in values:
            return values["args"]
    return MISSING


def _error(m: Machine, path: str, _: str | None) -> Any:
    found = max((p for p in m.c.errors if is_under(path, p)), key=len, default=None)
    return MISSING if found is None else m.c.errors[found]


def _round(_: Machine, path: str, name: str | None) -> Any:
    for frame in frames_of(path):
        head, mark, count = frame.rpartition("#")
        # The frame of a handler's run inside the round ends otherwise; that of the round follows.
        if mark and count.isdigit() and head.rpartition("/")[2] == name:
            return int(count)
    return MISSING


def _meta(m: Machine, _: str, name: str | None) -> Any:
    c = m.c
    meta = {
        "id": str(c.id), "tenant": c.tenant, "saga": c.saga, "version": c.saga_version,
        "key": c.key, "run": c.run, "started_at": from_us(c.started_us), "now": from_us(m.now_us),
    }  # fmt: skip
    return meta if name is None else meta.get(name, MISSING)


def path_of(m: Machine, path: str, name: str) -> str | None:
    """The instance path of the node called `name` as seen from `path`, if it can have one."""
    node = m.d.by_name.get(name)
    if node is None:
        found = next((h for h in m.d.by_template.values() if h.name == name), None)
        if not isinstance(found, Handler):
            return None
        node = found.scope
    template = node.template
    for frame in frames_of(path):
        base = template_of(frame)
        if frame and is_under(template, base) and template != base:
            return frame + template[len(base) :]
    return template


def _active(m: Machine, path: str, name: str | None) -> Any:
    found = path_of(m, path, name or "")
    return found is not None and found in m.c.nodes and m.c.nodes[found].branch != RUN_ON


def _done(m: Machine, path: str, name: str | None) -> Any:
    found = path_of(m, path, name or "")
    trail = None if found is None else m.c.trail.get(found)
    return trail is not None and trail.state == "done"


def _deadline(m: Machine, path: str, name: str | None) -> Any:
    found = path_of(m, path, name or "")
    for timer in ("within", "deadline", "sleep"):
        due_us = m.c.timers.get(f"{found}:{timer}")
        if due_us is not None:
            return from_us(due_us)
    return MISSING


def _calendar(m: Machine, _: str, name: str | None) -> Any:
    return m.d.calendars.get(name or "", MISSING)


_VARS = _from_frames("vars")
_READERS: dict[str, Callable[[Machine, str, str | None], Any]] = {
    "each": _from_frames("each"),
    "results": _from_frames("results"), "events": _events, "args": _args, "decisions": _decisions,
    "event": _event, "error": _error, "round": _round, "meta": _meta, "active": _active,
    "done": _done, "deadline": _deadline, "calendar": _calendar,
}  # fmt: skip


def container_of(flow: Flow, block: str) -> str:
    """The path that children of a block's flow hang on, but for rounds and runs."""
    branch = flow.branch
    return join_path(block, branch.name) if branch is not None and branch.named else block

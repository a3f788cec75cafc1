"""What an expression reads: paths into the data of a commitment, and which only under has()."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from sagas.cel_errors import ExprError
from sagas.cel_syntax import (
    Call,
    Comprehension,
    Const,
    Ident,
    MapOf,
    Node,
    Select,
    children,
)

__all__ = [
    "ASKED",
    "CALENDAR",
    "CALENDARED",
    "NAMED",
    "NODES_MAX",
    "ROOTS",
    "WHOLE",
    "Path",
    "Read",
    "Reads",
    "calendar_of",
    "guard_of",
    "path_of",
    "path_text",
    "promised",
    "reads_of",
    "refuse_strangers",
]

WHOLE = frozenset({"input", "event", "args", "error", "result"})
"""Roots that are a value themselves."""

NAMED = frozenset({"results", "events", "decisions", "vars", "params", "meta", "round", "each"})
"""Roots that want a name: results.check."""

ASKED = frozenset({"active", "done", "deadline"})
"""Functions of a node's name, answered by the binder: deadline('signed')."""

CALENDARED = frozenset({"next_open", "add_open_days"})
"""Functions whose first argument is the name of a calendar: next_open('office', meta.now)."""

CALENDAR = "calendar"
"""The root below which a binder answers with the text of a calendar."""

ROOTS = WHOLE | NAMED

NODES_MAX = 4_096
"""Nodes of one tree; 4 KiB of text hold fewer unless macros multiply it."""

Read: TypeAlias = tuple[str, str | None]


@dataclass(frozen=True, slots=True)
class Path:
    """A pure selection: root, the name below a named root, and the steps from there."""

    root: str
    name: str | None
    steps: tuple[str | int, ...]

    @property
    def read(self) -> Read:
        """Root and name, as the binder is asked for them."""
        return (self.root, self.name)


@dataclass(frozen=True, slots=True)
class Reads:
    """Everything an expression reads, in the order of the text, and what has() guards."""

    all: tuple[Read, ...]
    guarded: frozenset[Read]


def path_of(node: Node) -> Path | None:
    """Return the path that `node` is, or None when it is something else."""
    steps: list[str | int] = []
    while True:
        match node:
            case Select(test=False):
                steps.append(node.field)
                node = node.operand
            case Call(function="_[_]", args=(inner, Const(value=str() | int() as step))) if (
                not isinstance(step, bool) and (isinstance(step, str) or step >= 0)
            ):
                steps.append(step)
                node = inner
            case Call(target=None, function=function, args=(Const(value=str() as name),)) if (
                function in ASKED
            ):
                return Path(function, name, tuple(reversed(steps)))
            case Ident(name=name) if name in WHOLE:
                return Path(name, None, tuple(reversed(steps)))
            case Ident(name=name) if name in NAMED and steps and isinstance(steps[-1], str):
                return Path(name, steps[-1], tuple(reversed(steps[:-1])))
            case _:
                return None


def calendar_of(node: Node) -> Path | None:
    """Return the calendar that a call names, or None when it is no call of CALENDARED."""
    match node:
        case Call(target=None, function=function, args=(Const(value=str() as name), *_)) if (
            function in CALENDARED
        ):
            return Path(CALENDAR, name, ())
        case _:
            return None


def path_text(path: Path) -> str:
    """Return a path as an author writes it."""
    text = path.root
    if path.root in ASKED:
        text = f"{path.root}('{path.name}')"
    elif path.name is not None:
        text = f"{path.root}.{path.name}"
    for step in path.steps:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return text


def guard_of(node: Node) -> Path | None:
    """Return the path whose presence `node` tests, when it is has() of a path."""
    if isinstance(node, Select) and node.test:
        return path_of(Select(node.id, node.operand, node.field, test=False))
    return None


def refuse_strangers(root: Node) -> None:
    """Refuse what the language of troth leaves out; raises ExprError."""
    waiting: list[Node] = [root]
    seen = 0
    while waiting:
        node = waiting.pop()
        seen += 1
        if seen > NODES_MAX:
            raise ExprError("cost", f"the expression has more than {NODES_MAX} parts")
        if guard_of(node) is None and path_of(node) is None:
            _refuse_stranger(node)
            waiting.extend(children(node))


def _refuse_stranger(node: Node) -> None:
    match node:
        case Ident(name=name) if name in NAMED:
            message = f"`{name}` needs a name after it, such as {name}.check"
        case Const(value=str() as text) if "\0" in text:
            raise ExprError("type", "text with the character U+0000 cannot be computed with")
        case Ident(name=name) if name.startswith("."):
            message = f"write `{name.lstrip('.')}` without the dot before it"
        case MapOf(type_name=type_name) if type_name:
            message = f"`{type_name}{{...}}` is no value here: write an object without a type"
        case Comprehension(iter_var=name) if name in ROOTS:
            message = f"`{name}` names data here: call the variable of the macro otherwise"
        case Call(target=None, function=name) if name in ASKED:
            message = f"{name}() takes the name of a node in quotes, such as {name}('check')"
        case Call(target=None, function=name) if name in CALENDARED and calendar_of(node) is None:
            message = f"{name}() takes the name of a calendar in quotes first: 'office'"
        case _:
            return
    raise ExprError("name", message)


def reads_of(root: Node) -> Reads:
    """Return all reads of an expression and those that only happen where has() holds."""
    found: dict[Read, None] = {}
    bare: set[Read] = set()
    _collect(root, frozenset(), found, bare)
    return Reads(tuple(found), frozenset(found) - bare)


def _collect(node: Node, sure: frozenset[Read], found: dict[Read, None], bare: set[Read]) -> None:
    """Walk in document order; `sure` are the reads that has() promises at this place."""
    path = guard_of(node)
    if path is not None:
        found.setdefault(path.read)
        return
    path = path_of(node)
    if path is not None:
        found.setdefault(path.read)
        if path.read not in sure:
            bare.add(path.read)
        return
    match node:
        case Call(function="_&&_", args=(left, right)):
            _collect(left, sure | promised(right, True, _own_read), found, bare)
            _collect(right, sure | promised(left, True, _own_read), found, bare)
        case Call(function="_||_", args=(left, right)):
            _collect(left, sure | promised(right, False, _own_read), found, bare)
            _collect(right, sure | promised(left, False, _own_read), found, bare)
        case Call(function="_?_:_", args=(condition, then, otherwise)):
            _collect(condition, sure, found, bare)
            _collect(then, sure | promised(condition, True, _own_read), found, bare)
            _collect(otherwise, sure | promised(condition, False, _own_read), found, bare)
        case _:
            if (calendar := calendar_of(node)) is not None:
                found.setdefault(calendar.read)
                bare.add(calendar.read)
            for child in children(node):
                _collect(child, sure, found, bare)


T = TypeVar("T")


def _own_read(path: Path) -> frozenset[Read]:
    return frozenset({path.read})


def promised(node: Node, outcome: bool, of: Callable[[Path], frozenset[T]]) -> frozenset[T]:
    """Return what is surely there when `node` came out as `outcome`.

    `of` says what is there when has() of a path holds.
    """
    match node:
        case Select(test=True):
            path = guard_of(node)
            return of(path) if path is not None and outcome else frozenset()
        case Call(function="!_", args=(inner,)):
            return promised(inner, not outcome, of)
        case Call(function="_&&_" | "_||_" as function, args=(left, right)):
            one, other = promised(left, outcome, of), promised(right, outcome, of)
            return one | other if (function == "_&&_") == outcome else one & other
        case _:
            return frozenset()

"""How an expression is evaluated.

Selections and object literals are plain Python; only what computes goes through the library, with
every selection in it resolved before and bound as a value of its own. So a selection costs nothing
but its steps, a large object is never converted for one field, and has() works on any path.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, TypeAlias, assert_never, cast

# The package has stubs for its module and none for itself.
from cel_expr_python import cel  # pyright: ignore[reportMissingTypeStubs]

from domain.canonical import Json
from sagas.cel_errors import ExprError
from sagas.cel_functions import (
    FUNCTIONS,
    LISTED,
    SUM_OF_DOUBLES,
    run_env,
    start_weighing,
    weighed_out,
)
from sagas.cel_numbers import Coercer
from sagas.cel_reads import ASKED, Path, calendar_of, guard_of, path_of, path_text
from sagas.cel_syntax import (
    Call,
    Comprehension,
    Const,
    Ident,
    ListOf,
    MapOf,
    Node,
    Select,
    write_parsed,
)
from sagas.cel_values import MISSING, Data, Missing, from_cel, has_nul, plain_json, to_cel

__all__ = ["Bind", "Facts", "PathPlan", "Plan", "Result", "plan_of"]

Result: TypeAlias = Json | datetime | timedelta


class Bind(Protocol):
    """Answers what an expression reads: the value, or MISSING."""

    def __call__(self, root: str, name: str | None, /) -> Data | Missing: ...


_TIMED = frozenset({"meta", "event", "events", "decisions", "deadline"})
"""Roots below which datetimes of the engine may stand."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the check knows and evaluation needs; empty when an expression was not checked.

    `coercers`: for a path whose schema holds numbers, how its value gets the exact kinds.
    `double_sums`, `lists`: ids of calls of sum() over doubles, and of macros over a list.
    """

    coercers: Mapping[Path, Coercer]
    double_sums: frozenset[int]
    lists: frozenset[int]


class Plan(Protocol):
    """A prepared evaluation."""

    def run(self, bind: Bind) -> Result: ...


def plan_of(node: Node, facts: Facts) -> Plan:
    """Return the plan for `node`; raises ExprError (type) for an object with a key twice."""
    path = path_of(node)
    if path is not None:
        return PathPlan(path)
    match node:
        case Const(value=None | bool() | str() as value):
            return _ConstPlan(value)
        case ListOf(items=items):
            return _ListPlan(tuple(plan_of(item, facts) for item in items))
        case MapOf(entries=entries) if all(_is_text(key) for key, _ in entries):
            return _object_plan(entries, facts)
        case _:
            return _cel_plan(node, facts)


def _is_text(node: Node) -> bool:
    return isinstance(node, Const) and isinstance(node.value, str)


def _object_plan(entries: tuple[tuple[Node, Node], ...], facts: Facts) -> Plan:
    members: dict[str, Plan] = {}
    for key, value in entries:
        name = cast(str, cast(Const, key).value)
        if name in members:
            raise ExprError("type", f"the object has the key `{name}` twice")
        members[name] = plan_of(value, facts)
    return _ObjectPlan(tuple((name, members[name]) for name in sorted(members)))


class PathPlan:
    """A pure selection."""

    __slots__ = ("_name", "_root", "_steps", "_timed", "path")

    def __init__(self, path: Path) -> None:
        self.path = path
        self._root, self._name, self._steps = path.root, path.name, path.steps
        self._timed = path.root in _TIMED

    def run(self, bind: Bind) -> Result:
        value = bind(self._root, self._name)
        if self._steps:
            value = resolve(value, self._steps)
        if value is MISSING:
            raise ExprError("value", f"{path_text(self.path)} has no value")
        if self._timed and not isinstance(value, datetime):
            return plain_json(cast(Data, value))
        return cast(Result, value)


def resolve(value: Data | Missing, steps: tuple[str | int, ...]) -> Data | Missing:
    """Follow `steps` into `value`; MISSING when one of them leads nowhere."""
    found: object = value
    for step in steps:
        if type(step) is str and type(found) is dict:
            found = cast(dict[str, Data], found).get(step, MISSING)
        elif type(step) is int and type(found) is list and step < len(cast(list[Data], found)):
            found = cast(list[Data], found)[step]
        else:
            return MISSING
    return found


@dataclass(frozen=True, slots=True)
class _ConstPlan:
    value: Json

    def run(self, bind: Bind) -> Result:
        del bind
        return self.value


@dataclass(frozen=True, slots=True)
class _ListPlan:
    items: tuple[Plan, ...]

    def run(self, bind: Bind) -> Result:
        return [_inner(item.run(bind)) for item in self.items]


@dataclass(frozen=True, slots=True)
class _ObjectPlan:
    members: tuple[tuple[str, Plan], ...]

    def run(self, bind: Bind) -> Result:
        return {name: _inner(plan.run(bind)) for name, plan in self.members}


def _inner(value: Result) -> Json:
    """Return a member as JSON: inside an object there are no times, only their text."""
    if isinstance(value, datetime):
        return plain_json(value)
    if isinstance(value, timedelta):
        raise ExprError("value", "a duration is not JSON: use string(x)")
    return value


@dataclass(frozen=True, slots=True)
class _Slot:
    """A name of the lowered tree, one that no macro variable can have, and what is bound to it."""

    variable: str
    path: Path
    use: str
    coerce: Coercer | None

    def fill(self, data: dict[str, object], bind: Bind) -> None:
        value = bind(self.path.root, self.path.name)
        if self.path.steps:
            value = resolve(value, self.path.steps)
        if self.use == "has":
            data[self.variable] = value is not MISSING
            return
        if value is MISSING:
            return  # The library then says so, unless the value is not needed.
        if has_nul(value):
            raise ExprError("value", f"{path_text(self.path)} has text with the character U+0000")
        if self.coerce is not None:
            value = cast(Data, self.coerce(value))
        if self.use == "range" and isinstance(value, dict):
            value = sorted(value)
        data[self.variable] = to_cel(value) if self.path.root in _TIMED else value


class _CelPlan:
    __slots__ = ("_hosted", "_program", "_slots")

    def __init__(self, program: cel.Expression, slots: tuple[_Slot, ...], hosted: bool) -> None:
        self._program = program
        self._slots = slots
        self._hosted = hosted

    def run(self, bind: Bind) -> Result:
        data: dict[str, object] = {}
        for slot in self._slots:
            slot.fill(data, bind)
        if self._hosted:
            start_weighing()
        try:
            value = self._program.eval(data=data)
        except RuntimeError as error:
            raise self._stopped(error) from error
        raw: object = value.value()
        if raw is True or raw is False:
            return raw
        try:
            return from_cel(value)
        except ExprError as error:
            raise self._named(error) from None

    def _stopped(self, error: RuntimeError) -> ExprError:
        said = str(error)
        if "budget" in said or (self._hosted and weighed_out()):
            return ExprError("cost", "the expression goes through too many elements")
        return ExprError("value", said.partition("\n")[0][:300])

    def _named(self, error: ExprError) -> ExprError:
        """Put the path in the place of the name that stands for it."""
        for slot in self._slots:
            if f'"{slot.variable}"' in error.message:
                return ExprError("value", f"{path_text(slot.path)} has no value")
        return error


def _cel_plan(node: Node, facts: Facts) -> Plan:
    lowering = _Lowering(facts)
    lowered = lowering.lower(node)
    try:
        program = run_env().deserialize(write_parsed(lowered))
    except RuntimeError as error:
        raise ExprError("syntax", str(error).partition("\n")[0][:300]) from error
    return _CelPlan(program, tuple(lowering.slots.values()), lowering.hosted)


class _Lowering:
    """Rewrites a tree for evaluation: selections become names, macros get a certain order."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self.slots: dict[tuple[Path, str], _Slot] = {}
        self.hosted = False

    def lower(self, node: Node) -> Node:
        guard = guard_of(node)
        if guard is not None:
            return self._bound(node.id, guard, "has")
        path = path_of(node)
        if path is not None:
            return self._bound(node.id, path, "value")
        match node:
            case Const() | Ident():
                return node
            case Select():
                return Select(node.id, self.lower(node.operand), node.field, node.test)
            case Call():
                return self._call(node)
            case ListOf():
                return ListOf(node.id, tuple(map(self.lower, node.items)))
            case MapOf():
                entries = tuple((self.lower(key), self.lower(value)) for key, value in node.entries)
                return MapOf(node.id, node.type_name, entries)
            case Comprehension():
                return self._comprehension(node)
            case _:
                assert_never(node)

    def _bound(self, node_id: int, path: Path, use: str) -> Node:
        slot = self.slots.get((path, use))
        if slot is None:
            coerce = self._facts.coercers.get(path)
            slot = _Slot(f"@p{len(self.slots)}", path, use, coerce)
            self.slots[path, use] = slot
        return Ident(node_id, slot.variable)

    def _call(self, node: Call) -> Node:
        target = None if node.target is None else self.lower(node.target)
        function = node.function
        if node.target is None and function in FUNCTIONS - ASKED:
            self.hosted = True
            if node.id in self._facts.double_sums:
                function = SUM_OF_DOUBLES
        calendar = calendar_of(node)
        if calendar is not None:
            name, *others = node.args
            named = self._bound(name.id, calendar, "value")
            return Call(node.id, target, function, (named, *map(self.lower, others)))
        return Call(node.id, target, function, tuple(map(self.lower, node.args)))

    def _comprehension(self, node: Comprehension) -> Node:
        return Comprehension(
            node.id,
            node.iter_var,
            self._range(node),
            node.accu_var,
            self.lower(node.accu_init),
            self.lower(node.condition),
            self.lower(node.step),
            self.lower(node.result),
        )

    def _range(self, node: Comprehension) -> Node:
        path = path_of(node.iter_range)
        if path is not None:
            return self._bound(node.iter_range.id, path, "range")
        lowered = self.lower(node.iter_range)
        if node.id in self._facts.lists or _makes_list(node.iter_range):
            return lowered
        # The order of a map differs from process to process.
        self.hosted = True
        return Call(node.iter_range.id, None, LISTED, (lowered,))


def _makes_list(node: Node) -> bool:
    return isinstance(node, ListOf) or (
        isinstance(node, Comprehension) and isinstance(node.accu_init, ListOf)
    )

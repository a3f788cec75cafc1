"""The blocks of a flow: when, choose, race, parallel, repeat, scope and their branches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, cast, overload

from typing_extensions import TypeVar

from ._approval import ApprovalBlock
from ._calendars import Calendar, Every, every_of
from ._expressions import Expr
from ._parts import Part
from ._symbols import is_symbol, timestamp
from ._text import check_duration
from ._tracer import Block, Tracer, current
from ._values import Chosen, Decision, Joined, Round, Scoped

__all__ = [
    "branch",
    "choose",
    "otherwise",
    "out",
    "parallel",
    "race",
    "repeat",
    "scope",
    "when",
]

T = TypeVar("T")


def when(name: str, guard: bool, *, keep: bool | None = None) -> Block[Chosen]:
    """A part that runs only if the guard is true; `otherwise(name)` after it is the other way.

    `keep=True` drops the undo entries inside once it is done.
    """
    tracer = current("when")
    text = tracer.text(guard)
    part = tracer.node("choose", name).give(keep=keep)
    only = Part("branch", None, part.line, {"when": text})
    part.members |= {"branches": [only], "else": []}
    return tracer.open(Block("when", part, only.flow(), _chosen(tracer, name), tracer, out_of=only))


def otherwise(name: str | None = None) -> Block[None]:
    """What runs when no guard was true: with the name of its `when`, or inside a `choose`.

    With an `out(...)` it is the last branch of its choose, `NAME_otherwise`, whose guard is true.
    """
    tracer = current("otherwise")
    block = tracer.block
    if block.kind != "choose" or name is not None:
        part = _when_before(tracer, block, name)
        return tracer.open(Block("otherwise", part, part.flow("else"), None, tracer))
    part = block.part
    if "else" in part.members:
        raise tracer.wrong("TR204", f"`{part.name}` has two otherwise", "one otherwise")
    last = Part("branch", f"{part.name}_otherwise", tracer.line())
    flow = part.flow("else")

    def close() -> None:
        # Only a branch has an out, so it becomes one that is always taken when it is reached.
        if "out" in last.members:
            tracer.take(last.name or "", last.line)
            last.give(name=last.name, when="true", flow=flow)
            part.flow("branches").append(last)
            part.members["else"] = []

    return tracer.open(Block("otherwise", part, flow, None, tracer, close, out_of=last))


def _when_before(tracer: Tracer, block: Block[Any], name: str | None) -> Part:
    for part in reversed(block.nodes()):
        chosen = part.members["node"] == "choose" and len(part.members["branches"]) == 1
        if part.name == name and chosen and not part.members.get("else"):
            return part
    raise tracer.wrong(
        "TR123",
        f"there is no `with when({name!r}, ...)` just before this otherwise",
        "otherwise with the name of its when, on the same level, once",
    )


def choose(name: str, *, keep: bool | None = None) -> Block[Chosen]:
    """The first branch whose guard is true; `with otherwise():` is a must, and may be empty.

    `keep=True` drops the undo entries inside once it is done.
    """
    tracer = current("choose")
    part = tracer.node("choose", name).give(keep=keep)
    part.flow("branches")
    return tracer.open(Block("choose", part, None, _chosen(tracer, name), tracer))


def race(name: str, *, keep: bool | None = None) -> Block[Chosen]:
    """The branch whose trigger is done first: `with branch("signed", wait_for(...)):`.

    `keep=True` drops the undo entries inside once it is done.
    """
    tracer = current("race")
    part = tracer.node("race", name).give(keep=keep)
    part.flow("branches")
    # Triggers are made as arguments of branch(): they rest here until it takes them.
    return tracer.open(Block("race", part, [], _chosen(tracer, name), tracer))


def parallel(
    name: str,
    *,
    join: Literal["all", "any"] | int | Callable[[Joined], bool] | None = None,
    on_branch: Literal["fail", "collect"] | None = None,
    losers: Literal["undo", "keep", "run_on"] | None = None,
    exclusive: Literal["none", "branch", "step"] | None = None,
    undo_order: Literal["reverse"] | None = None,
    keep: bool | None = None,
) -> Block[Joined]:
    """Branches beside each other: each call is one, `with branch("x"):` groups several.

    Args:
        name: of the node.
        join: "all" (the default), "any", how many must be done, or until what holds:
            `lambda both: size(both.failed) > 1`, read whenever a branch is over.
        on_branch: "fail" (the default) stops the others; "collect" undoes that branch and goes on.
        losers: what becomes of those that were not needed: "undo" (the default), "keep", or
            "run_on": they go on, and the scope around ends only when they are over.
        exclusive: "branch" runs the branches one at a time, "step" one leaf node at a time.
        undo_order: "reverse" undoes all inside in one line, the last completed first.
        keep: True drops the undo entries inside once it is done.
    """
    tracer = current("parallel")
    part = tracer.node("parallel", name)
    branches = part.flow("branches")
    until = join if callable(join) else None
    part.give(
        join=None if until else join,
        on_branch=on_branch,
        losers=losers,
        exclusive=exclusive,
        undo_order=undo_order,
        keep=keep,
    )
    path = Expr(f"results.{name}")
    fields = {"out": dict[str, Any], "failed": list[str], "skipped": list[str]}
    value = tracer.record(path, name, {n: (Expr(f"{path.text}.{n}"), t) for n, t in fields.items()})

    def close() -> None:
        # Only now are the branches known.
        if until is not None:
            part.members["join"] = {"until": tracer.text(until(cast(Joined, value)))}

    return tracer.open(Block("parallel", part, branches, cast(Joined, value), tracer, close))


@overload
def branch(name: str, trigger: ApprovalBlock[T], /) -> Block[Decision[T]]: ...
@overload
def branch(
    name: str, guard: bool | None = None, /, *, after: Sequence[object] = ...
) -> Block[None]: ...
@overload
def branch(name: str, trigger: T, /) -> Block[T]: ...
def branch(name: str, second: Any = None, /, *, after: Sequence[object] = ()) -> Any:
    """A branch of choose (with its guard), race (with its trigger) or parallel.

    In a parallel the guard is optional, and `after` names branches that must be done before.
    """
    # An approve that is the trigger of a race is not entered, and so not forgotten either.
    tracer = second.tracer if isinstance(second, ApprovalBlock) else current("branch")
    block = tracer.block
    if block.kind == "race":
        return _race_branch(tracer, block, name, second)
    if block.kind not in ("choose", "parallel"):
        raise tracer.wrong(
            "TR123", "a branch stands in choose, race or parallel", f'with when("{name}", ...):'
        )
    if block.kind == "choose" and second is None:
        raise tracer.wrong(
            "TR205", f"branch {name} of a choose has no guard", "branch(name, guard)"
        )
    guard = None if second is None else tracer.text(cast(object, second))
    names = [_branch_name(tracer, block, before) for before in after]
    part = tracer.part("branch", name).give(name=name, after=names or None, when=guard)
    if "else" in block.part.members:
        raise tracer.wrong("TR123", f"branch {name} stands behind otherwise", "otherwise last")
    block.part.flow("branches").append(part)
    block.branches.append(name)
    return tracer.open(Block("branch", part, part.flow(), None, tracer, out_of=part))


def _branch_name(tracer: Tracer, block: Block[Any], before: object) -> str:
    name = tracer.root_of(before, "after=") if is_symbol(before) else str(before)
    if f"{name}_refused" in block.branches:
        return f"{name}_refused"  # the scope that `refused` put around the step
    if name not in block.branches:
        known = ", ".join(block.branches) or "none yet"
        raise tracer.wrong("TR205", f"after= names no branch above: {name} (there is {known})")
    return name


def _race_branch(tracer: Tracer, block: Block[Any], name: str, trigger: Any) -> Block[Any]:
    assert block.flow is not None
    value = trigger
    if isinstance(trigger, ApprovalBlock):
        value = cast(ApprovalBlock[Any], trigger).value
        tracer.claim(cast(object, trigger))
    if len(block.flow) != 1 or block.flow[0].members["node"] not in (
        "wait_for",
        "sleep",
        "approve",
        "await",
        "task",
    ):
        raise tracer.wrong(
            "TR223",
            f"branch {name} of a race has no trigger",
            f'with branch("{name}", wait_for(...)):, or sleep(...) or approve(...)',
        )
    part = tracer.part("branch", name).give(name=name, on=block.flow.pop())
    block.part.flow("branches").append(part)
    return tracer.open(Block("branch", part, part.flow(), value, tracer, out_of=part))


def _chosen(tracer: Tracer, name: str) -> Chosen:
    path = f"results.{name}"
    fields = {"branch": (Expr(f"{path}.branch"), str), "out": (Expr(f"{path}.out"), Any)}
    return cast(Chosen, tracer.record(Expr(path), name, fields))


def repeat(
    name: str,
    *,
    max: int,
    every: str | Every | Calendar | None = None,
    until: bool | Callable[[], bool] | None = None,
    while_: bool | Callable[[], bool] | None = None,
    on_max: Literal["fail", "continue"] | None = None,
    keep_rounds: bool | None = None,
    keep: bool | None = None,
) -> Block[Round]:
    """Rounds of one flow. What a round makes ends with it; vars and `out(...)` stay.

    Args:
        name: of the node.
        max: rounds at most, 1 to 10,000.
        every: the period of rounds, `"3d"`, without drift; `Every(...)` says more, and a calendar
            alone is a round each open day.
        until: read after a round; a lambda may use what the round made.
        while_: read before a round.
        on_max: "continue" goes on after the last round, instead of failing `business:repeat.max`.
        keep_rounds: True drops the undo entries of finished rounds.
        keep: True drops them all once the repeat is done.
    """
    tracer = current("repeat")
    if type(max) is not int or max < 1:
        raise tracer.wrong("TR212", f"repeat {name} has max={max!r}", "max=1 or more")
    part = tracer.node("repeat", name)
    part.give(
        max=max,
        every=every_of(every),
        on_max=on_max,
        keep_rounds=keep_rounds,
        keep=keep,
    )
    path = f"results.{name}"
    fields = {
        "number": (Expr(f"round.{name}"), int),
        "rounds": (Expr(f"{path}.rounds"), int),
        "out": (Expr(f"{path}.out"), Any),
    }
    value = cast(Round, tracer.record(Expr(path), name, fields))

    def close() -> None:
        _conditions(tracer, part, {"while": while_, "until": until})

    return tracer.open(Block("repeat", part, part.flow(), value, tracer, close, out_of=part))


def _conditions(
    tracer: Tracer, part: Part, given: Mapping[str, bool | Callable[[], bool] | None]
) -> None:
    """Members at the end of a block: only now does a lambda see what was made inside."""
    for member, condition in given.items():
        if condition is not None:
            read = cast(Callable[[], bool], condition) if _is_function(condition) else None
            part.members[member] = tracer.text(condition if read is None else read())


def _is_function(value: object) -> bool:
    return not is_symbol(value) and callable(value)


def scope(
    name: str,
    *,
    deadline: str | datetime | None = None,
    while_: bool | Callable[[], bool] | None = None,
    undo_order: Literal["reverse"] | None = None,
    keep: bool | None = None,
) -> Block[Scoped]:
    """A part with a deadline, handlers and failure clauses.

    Args:
        name: of the node.
        deadline: `"60d"`, or a point in time.
        while_: read after every move; false, it fails `deadline:while`. A lambda may ask has() for
            what is yielded inside.
        undo_order: "reverse" undoes all inside in one line, the last completed first.
        keep: True drops the undo entries inside once it is done.
    """
    tracer = current("scope")
    limit = deadline_of(tracer, deadline)
    part = tracer.node("scope", name).give(deadline=limit, undo_order=undo_order, keep=keep)
    path = f"results.{name}"
    value = tracer.record(Expr(path), name, {"out": (Expr(f"{path}.out"), Any)})

    def close() -> None:
        _conditions(tracer, part, {"while": while_})

    block: Block[Any] = Block("scope", part, part.flow(), value, tracer, close, out_of=part)
    return tracer.open(block)


def deadline_of(tracer: Tracer, deadline: str | datetime | None) -> dict[str, str] | None:
    """The member `deadline`: after a duration, or at a time."""
    if deadline is None:
        return None
    if isinstance(deadline, str):
        return {"after": check_duration(deadline, "deadline=")}
    return {"at": timestamp(deadline, tracer).text}


def out(value: object) -> None:
    """What the block yields, read when it is done: the last line of a branch, repeat or scope."""
    tracer = current("out")
    target = tracer.block.out_of
    if target is None:
        raise tracer.wrong(
            "TR123",
            f"{tracer.block.kind} has no out",
            "out(...) directly in a branch, when, repeat or scope",
        )
    if "out" in target.members:
        raise tracer.wrong("TR204", "this block has an out already", "one out(...) for each block")
    target.members["out"] = tracer.text(value)

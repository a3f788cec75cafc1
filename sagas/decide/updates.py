"""Updates: what a client may change while a scope's main flow runs (semantics section 6).

A refused update leaves no event, and an expression that errs refuses it: at which node, nobody is
told. An accepted one is one event with all its sets, moves and adds;
`answer` reads the state after it, and its flow runs beside; with `answer_when: done` the answer
comes when that run is done, and reads the state then.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from domain import events as ev
from domain import messages as msg
from domain.state import is_under, template_of
from sagas import defaults
from sagas.decide import failures, flow, for_each, given, targets
from sagas.decide.machine import Machine, NodeFault, join_path, path_of, to_us
from sagas.definition import Node, Update
from sagas.expressions import MISSING, Expr

__all__ = ["answer_run", "take"]

Json = Any
Local = dict[Any, Any]
_ENDING = ("clause:", "handler:", "finishing")


class _No(Exception):
    """The update is refused: code, detail, and the fault of a rule."""

    def __init__(self, code: str, detail: str, errors: list[Json] | None = None) -> None:
        super().__init__(code, detail)
        self.outcome: dict[str, Json] = {"code": code, "detail": detail}
        if errors:
            self.outcome["errors"] = errors


def take(m: Machine, message: msg.Update) -> None:
    """Accept an update, or refuse it without an event; the outcome is the answer."""
    try:
        _take(m, message)
    except _No as no:
        m.outcome = no.outcome
    except NodeFault as fault:  # an expression that errs is never taken for true or false
        m.outcome = {"code": "internal.expression", "detail": fault.error["message"]}


def _take(m: Machine, message: msg.Update) -> None:
    if m.c.paused or m.c.held is not None:
        raise _No("update.closed", f"it is {m.c.status}")
    update, scope = _find(m, message.name)
    path = join_path(scope, update.name)
    problems = update.validator.check(message.args, "args")
    if problems:
        raise _No("update.args", "; ".join(problems))
    problem = given.problem(update.filler, message.args)
    if problem is not None:
        raise _No("update.args", problem)
    message = replace(message, args=given.complete(path, update.filler, message.args))
    local = {("args", None): message.args}
    inside = join_path(scope, "_")
    _known_times(m, update, inside)
    if not m.truth(update.when, inside, local):
        raise _No("update.closed", f"{update.name} is not open now")
    for rule, code, text in update.rules:
        if m.truth(rule, inside, local):
            raise _No("update.refused", text, [{"code": code, "message": text}])
    _accept(m, message, update, path, inside, local)


# --- is it open ------------------------------------------------------------------------------


def _find(m: Machine, wanted: str) -> tuple[Update, str]:
    """The open update of that name, or path; and the path of its scope."""
    open_: list[tuple[Update, str]] = []
    for update in m.d.updates:
        if wanted.rpartition("/")[2] != update.name:
            continue
        scopes = [p for p in m.c.nodes if p and template_of(p) == update.scope.template]
        for scope in scopes if update.scope.parent is not None else [""]:
            named = "/" not in wanted or wanted == join_path(scope, update.name)
            if named and _is_open(m, scope):
                open_.append((update, scope))
    if not open_:
        raise _No("update.closed", f"{wanted} is not open")
    if len(open_) > 1:
        paths = ", ".join(join_path(scope, update.name) for update, scope in open_[:8])
        raise _No("update.ambiguous", f"open are {paths}")
    return open_[0]


def _is_open(m: Machine, scope: str) -> bool:
    """As long as the main flow of its scope: not while that stops, undoes or has ended."""
    if not failures.is_open(m, scope) or any(is_under(scope, t) for t in m.c.undoing):
        return False
    instance = m.c.nodes.get(scope)
    phase = instance.branch or "" if instance is not None else ""
    return not phase.startswith(_ENDING)


def _known_times(m: Machine, update: Update, inside: str) -> None:
    """An update that reads or moves a time is open only while that time runs."""
    names = [name for name, _ in update.moves]
    exprs: list[Expr | None] = [update.when, *(rule for rule, *_ in update.rules)]
    exprs += [] if update.answers_done else [update.answer]
    exprs += [expr for _, expr in (*update.sets, *update.moves)]
    for expr in exprs:
        reads = expr.reads if expr is not None else ()
        names += [name or "" for root, name in reads if root == "deadline"]
    for name in names:
        if m.binder(inside)("deadline", name) is MISSING:
            raise _No("update.closed", f"the time of {name} does not run")


# --- accepting -------------------------------------------------------------------------------


def _accept(
    m: Machine, message: msg.Update, update: Update, path: str, inside: str, local: Local
) -> None:
    run = _next_run(m, update, path)
    adds, list_ = _adds(m, update, path, inside, local)
    event = {
        "values": _values(m, update, inside, local, path) or None,
        "moves": _moves(m, update, inside, local, path) or None,
        "adds": adds, "run": run,
    }  # fmt: skip
    before = m.c
    m.c = before.fork()
    m.emit(ev.UpdateAccepted, node=path, update=message.id, by=message.by, args=message.args,
           **event)  # fmt: skip
    late = update.answers_done and run is not None
    try:
        answer = None
        if update.answer is not None and not late:
            answer = flow.bounded(path, m.value(update.answer, inside, local))
    except NodeFault:
        m.c = before
        m.events.pop()
        raise
    status = "done" if update.answers_done and not late else "accepted"
    m.outcome = {"status": status, "answer": answer, **({"run": run} if run else {})}
    if late:  # from here on whoever asked looks for the end of the run
        m.outcome["version"] = m.c.version
    if list_ is not None:
        m.push(for_each.look, list_, m.node(list_))
    if run is not None:
        flow.start_flow(m, update.flow, run)


def answer_run(m: Machine, update: Update, run: str) -> Json:
    """What the update answers now that its run is done; None unless it answers only then."""
    if not update.answers_done:
        return None
    answer = None
    if update.answer is not None:
        answer = flow.bounded(run, m.value(update.answer, join_path(run, "_"), owner=run))
    outcome: dict[str, Json] = m.outcome or {}
    if outcome.get("run") == run:  # done in the very decision that accepted it
        m.outcome = {**outcome, "status": "done", "answer": answer}
    return answer


def _next_run(m: Machine, update: Update, path: str) -> str | None:
    if not update.flow.nodes:
        return None
    count = m.c.runs.get(path, 0) + 1
    if count > defaults.HANDLER_RUNS_MAX:
        raise _No("update.closed", f"{defaults.HANDLER_RUNS_MAX:,} runs of {update.name} were made")
    return f"{path}@{count}"


def _values(m: Machine, update: Update, inside: str, local: Local, path: str) -> dict[str, Json]:
    values: dict[str, Json] = {}
    for name, expr in update.sets:
        value = flow.bounded(path, m.value(expr, inside, local))
        schema = m.d.document["vars"][name]["schema"]
        problems = m.d.validator_of(schema).check(value, name)
        if problems:
            raise _No("update.args", "; ".join(problems))
        values[name] = given.complete(path, m.d.var_fillers.get(name), value)
    return values


def _moves(m: Machine, update: Update, inside: str, local: Local, path: str) -> dict[str, int]:
    moves: dict[str, int] = {}
    for name, expr in update.moves:
        timer = targets.timer_of(m, inside, name)
        assert timer is not None, name
        due_us = to_us(m.value(expr, inside, local))
        flow.due_after(m, path, due_us - m.now_us)
        moves[timer] = due_us
    return moves


def _adds(
    m: Machine, update: Update, path: str, inside: str, local: Local
) -> tuple[Json, str | None]:
    """What the event adds to an open list, `{node, items, close}`, and the path of the list."""
    if update.adds is None:
        return None, None
    to, items, close = update.adds
    block = path_of(m, inside, to)
    instance = m.c.nodes.get(block or "")
    if block is None or instance is None or instance.branch != for_each.OPEN:
        raise _No("update.closed", f"{to} takes no more items")
    node: Node = m.node(block)
    values: list[Json] = [] if items is None else m.value(items, inside, local)
    prepared = for_each.prepare(m, block, node, values, owner=path)
    closes = close is not None and m.truth(close, inside, local)
    return {"node": block, "items": prepared, "close": closes}, block

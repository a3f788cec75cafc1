"""Puts expressions into a loaded definition as they were checked, with their types."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sagas.checks import typed
from sagas.definition import Definition, Handler, Node, Update
from sagas.expressions import Expr

__all__ = ["apply_types"]

_OTHERWISE_CALLED = {"deadline.at": "at", "collect.until": "until"}


def apply_types(definition: Definition) -> None:
    """Replace the expressions of `definition` by their typed forms, where types are wanted.

    JSON has one kind of number. Compiled without types, `input.amount * 1.5` fails at run time for
    an amount of 20, although it passed the checks.
    """
    for (path, member), expr in typed(definition.document).items():
        part = definition.root if not path else definition.by_template[path]
        if isinstance(part, Handler):
            _of_handler(part, member, expr)
        elif not path and member != "while" and not member.startswith("deadline."):
            _of_document(definition, member, expr)
        else:
            _of_node(part, member, expr)


def _of_document(definition: Definition, member: str, expr: Expr) -> None:
    head, _, rest = member.partition(".")
    match head:
        case "key":
            definition.key = expr
        case "attributes":
            definition.attributes[rest] = expr
        case _:
            index, _, part = rest.partition(".")
            starts = list(definition.starts)
            event, when, given = starts[int(index)]
            starts[int(index)] = (event, expr, given) if part == "when" else (event, when, expr)
            definition.starts = tuple(starts)


def _of_handler(handler: Handler, member: str, expr: Expr) -> None:
    if isinstance(handler, Update):
        _of_update(handler, member, expr)
    elif member == "key":
        handler.key = expr
    else:
        handler.when = expr


def _of_update(update: Update, member: str, expr: Expr) -> None:
    head, _, rest = member.partition(".")
    index = int(rest.partition(".")[0]) if head in ("validate", "move") else 0
    match head:
        case "set":
            update.sets = _with(update.sets, rest, expr)
        case "validate":
            rules = list(update.rules)
            rules[index] = (expr, *rules[index][1:])
            update.rules = tuple(rules)
        case "move":
            moves = list(update.moves)
            moves[index] = (moves[index][0], expr)
            update.moves = tuple(moves)
        case "add" if update.adds is not None:
            to, items, close = update.adds
            update.adds = (to, expr, close) if rest == "items" else (to, items, expr)
        case "answer":
            update.answer = expr
        case _:
            update.when = expr


def _of_node(node: Node, member: str, expr: Expr) -> None:
    head, _, rest = member.partition(".")
    match head:
        case "args" | "values":
            node.args = _with(node.args, rest, expr)
        case "undo":
            assert node.undo is not None, node.template
            args = _with(node.undo.args, rest.partition(".")[2], expr)
            node.undo = replace(node.undo, args=args)
        case "branches":
            name, _, part = rest.partition(".")
            branch = next(branch for branch in node.branches if branch.name == name)
            setattr(branch, part, expr)
        case "when" if node.kind == "wait_for":
            node.x["guard"] = expr
        case _:
            node.x[_OTHERWISE_CALLED.get(member, member)] = expr


def _with(args: tuple[tuple[str, Expr], ...], name: str, expr: Expr) -> tuple[Any, ...]:
    return tuple((known, expr if known == name else old) for known, old in args)

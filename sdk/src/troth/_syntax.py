"""What a flow function may be made of, checked on its syntax tree before it is traced."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ._errors import TrothError

__all__ = ["Source", "check_returns", "check_syntax", "last_line"]

_INSTEAD: tuple[tuple[tuple[type[ast.AST], ...], str, str], ...] = (
    ((ast.If, ast.Match), "a choice in Python", 'with when("NAME", a > b): and otherwise("NAME")'),
    (
        (ast.For, ast.AsyncFor),
        "a loop in Python",
        'for x in each("NAME", xs, at_most=50): or with repeat("NAME", max=10, ...):',
    ),
    ((ast.While,), "a loop in Python", 'with repeat("NAME", max=10, while_=...):'),
    ((ast.Try, ast.TryStar), "try", 'with on_failure("business:*"): or refused(value, "code")'),
    ((ast.Raise,), "raise", 'fail("code")'),
    ((ast.Assert,), "assert", 'with when("NAME", ...): fail("code")'),
    ((ast.AugAssign,), "an assignment that adds", "set_(counter=counter + 1)"),
    ((ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef), "a definition", "it outside the flow"),
    ((ast.Import, ast.ImportFrom), "an import", "it at the top of the file"),
    ((ast.Global, ast.Nonlocal, ast.Delete), "changing other names", "nothing: a flow is data"),
    ((ast.AsyncWith,), "async with", "with"),
    ((ast.Await,), "await", "the call alone: it stands for its result"),
    ((ast.Yield, ast.YieldFrom), "yield", "return value at the end"),
    ((ast.NamedExpr,), "an assignment inside an expression", "a line of its own: name = ..."),
)


@dataclass(frozen=True, slots=True)
class Source:
    """The text of a flow function as a tree, in the lines and columns of its file."""

    function: ast.FunctionDef
    file: str
    where: str

    def wrong(self, node: ast.AST, message: str, do: str) -> TrothError:
        """TR120 at a node of the tree."""
        line, column = getattr(node, "lineno", 0), getattr(node, "col_offset", 0)
        return TrothError(
            "TR120", message, file=self.file, line=line, column=column + 1, do=do, where=self.where
        )


def check_syntax(function: Callable[..., Any], where: str) -> Source | None:
    """Refuse what cannot be data (TR120, with line and column).

    None if the source is not there (typed into a prompt): then only the symbols watch.
    """
    try:
        lines, first = inspect.getsourcelines(function)
    except OSError:
        return None
    text = "".join(lines)
    dedented = textwrap.dedent(text)
    try:
        tree = ast.parse(dedented).body[0]
    except SyntaxError:
        return None  # part of a longer expression: there is no function to read
    shift = len(lines[0]) - len(lines[0].lstrip())
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt | ast.expr):
            node.lineno += first - 1
            node.col_offset += shift
    file = function.__code__.co_filename
    if isinstance(tree, ast.AsyncFunctionDef):
        # The same place as a plain function has, for the message alone.
        raise TrothError("TR120", "a flow is no async function", file, tree.lineno, do="def")
    if not isinstance(tree, ast.FunctionDef):
        return None
    source = Source(tree, file, where)
    _check_body(source, tree.body)
    return source


def _check_body(source: Source, body: Sequence[ast.stmt]) -> None:
    for statement in body:
        _check_statement(source, statement)


def _check_statement(source: Source, statement: ast.stmt) -> None:
    match statement:
        case ast.Pass():
            return
        case ast.With(items=items, body=body):
            for entered in items:
                if not isinstance(entered.context_expr, ast.Call):
                    raise source.wrong(entered.context_expr, "with needs a call", "with when(...):")
                _check_expression(source, entered.context_expr)
            _check_body(source, body)
        case ast.For(iter=items, body=body) if _is_each(source, items):
            _check_target(source, statement.target)
            _check_expression(source, items)
            _check_body(source, body)
            if statement.orelse:
                raise source.wrong(statement.orelse[0], "a loop has no else", "it behind the loop")
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                _check_target(source, target)
            _check_expression(source, value)
        case ast.AnnAssign(target=target, value=value):
            _check_target(source, target)
            if value is not None:
                _check_expression(source, value)
        case ast.Expr(value=ast.Call() | ast.Constant() as value):
            _check_expression(source, value)
        case ast.Return(value=value):
            if value is not None:
                _check_expression(source, value)
        case ast.Expr(value=value):
            _check_expression(source, value)
            raise source.wrong(value, "this line does nothing", "a call, or name = ...")
        case _:
            raise _unknown(source, statement)


def _is_each(source: Source, items: ast.expr) -> bool:
    """Whether a loop goes over `each(...)`, or over a name that was given it."""
    if isinstance(items, ast.Call):
        return isinstance(items.func, ast.Name) and items.func.id == "each"
    if not isinstance(items, ast.Name):
        return False
    given = [
        node
        for node in ast.walk(source.function)
        if isinstance(node, ast.Assign)
        and any(isinstance(t, ast.Name) and t.id == items.id for t in node.targets)
    ]
    return bool(given) and all(
        isinstance(node.value, ast.Call) and _is_each(source, node.value) for node in given
    )


def _check_target(source: Source, target: ast.expr) -> None:
    names = target.elts if isinstance(target, ast.Tuple) else [target]
    for name in names:
        if not isinstance(name, ast.Name):
            raise source.wrong(name, "only names are assigned in a flow", "name = ...")


def _check_expression(source: Source, expression: ast.expr) -> None:
    for node in ast.walk(expression):
        if isinstance(node, ast.Compare):
            for operator in node.ops:
                if isinstance(operator, ast.Is | ast.IsNot):
                    # `is` cannot be observed by a symbol: it would silently be False.
                    raise source.wrong(node, "`is` cannot be asked of a value", "== None, has(x)")
        elif isinstance(node, ast.Await | ast.Yield | ast.YieldFrom | ast.NamedExpr):
            raise _unknown(source, node)


def _unknown(source: Source, node: ast.AST) -> TrothError:
    for kinds, what, instead in _INSTEAD:
        if isinstance(node, kinds):
            return source.wrong(node, f"{what} cannot be data of a saga", instead)
    name = type(node).__name__.lower()
    return source.wrong(node, f"{name} cannot be data of a saga", "calls and with blocks")


def check_returns(source: Source, kinds_at: Mapping[int, Sequence[str]]) -> None:
    """Refuse a `return` that would end the trace early: it stands last, in blocks that always run.

    Args:
        source: the flow.
        kinds_at: the kinds of the blocks that were entered, by line.
    """
    _check_return_in(source, source.function.body, True, kinds_at)


def _check_return_in(
    source: Source, body: Sequence[ast.stmt], last: bool, kinds_at: Mapping[int, Sequence[str]]
) -> None:
    for index, statement in enumerate(body):
        at_end = last and index == len(body) - 1
        if isinstance(statement, ast.Return) and not at_end:
            raise source.wrong(
                statement,
                "return ends the flow here, whatever is true when it runs",
                "fulfil(value) here, and return at the very end",
            )
        if isinstance(statement, ast.For):
            _check_return_in(source, statement.body, False, kinds_at)
        if isinstance(statement, ast.With):
            kinds = [
                k for item in statement.items for k in kinds_at.get(item.context_expr.lineno, ())
            ]
            always = all(kind in ("approve", "scope", "lock") for kind in kinds)
            _check_return_in(source, statement.body, at_end and always, kinds_at)


def last_line(source: Source) -> int:
    """The line of the `return` at the end, else that of the last statement."""
    statement = source.function.body[-1]
    while isinstance(statement, ast.With | ast.For):
        statement = statement.body[-1]
    return statement.lineno

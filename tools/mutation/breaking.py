"""The small breakages: what may be wrong at one node of a syntax tree, each made in place."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

__all__ = ["breakages", "broken", "difference", "functions", "places", "reachable"]

NO_COVER = "# pragma: " + "no cover"

OTHER: dict[type, type] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE,
    ast.GtE: ast.Gt, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
    ast.And: ast.Or, ast.Or: ast.And, ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr,
    ast.Break: ast.Continue, ast.Continue: ast.Break,
}  # fmt: skip


def nothing() -> ast.expr:
    """A fresh None."""
    return ast.Constant(None)


def negated(value: ast.expr) -> ast.expr:
    """Not that."""
    return ast.UnaryOp(ast.Not(), value)


def of_constant(node: ast.Constant) -> Iterator[Callable[[], None]]:
    """Another value of the same type."""
    v = node.value
    if isinstance(v, bool):
        yield lambda: setattr(node, "value", not v)
    elif isinstance(v, int):
        yield lambda: setattr(node, "value", v + 1)
    elif isinstance(v, str):
        yield lambda: setattr(node, "value", f"XX{v}XX")


def of_call(node: ast.Call) -> Iterator[Callable[[], None]]:
    """None for each argument; the first two swapped. A cast does nothing when it runs."""
    if isinstance(node.func, ast.Name) and node.func.id == "cast":
        return
    for at, one in enumerate(node.args):
        if not isinstance(one, ast.Starred | ast.Constant):
            yield lambda at=at: node.args.__setitem__(at, nothing())
    for one in node.keywords:
        if one.arg and not isinstance(one.value, ast.Constant):
            yield lambda one=one: setattr(one, "value", nothing())
    if len(node.args) > 1 and ast.dump(node.args[0]) != ast.dump(node.args[1]):
        yield lambda: setattr(node, "args", [node.args[1], node.args[0], *node.args[2:]])


def of_statement(node: ast.stmt) -> Iterator[Callable[[], None]]:
    """Removed, or its value lost, or its condition turned round."""
    if isinstance(node, ast.Expr | ast.Delete | ast.AugAssign | ast.Raise):
        yield lambda: setattr(node, "__class__", ast.Pass)
    elif isinstance(node, ast.Return | ast.Assign):
        if node.value is not None and not isinstance(node.value, ast.Constant):
            yield lambda: setattr(node, "value", nothing())
    elif isinstance(node, ast.Break | ast.Continue):
        yield lambda: setattr(node, "__class__", OTHER[type(node)])


def breakages(node: ast.AST) -> Iterator[Callable[[], None]]:
    """All ways to break this node in place."""
    if isinstance(node, ast.Compare):
        for at, op in enumerate(node.ops):
            yield lambda at=at, op=op: node.ops.__setitem__(at, OTHER[type(op)]())
    elif isinstance(node, ast.BoolOp | ast.BinOp | ast.AugAssign) and type(node.op) in OTHER:
        yield lambda: setattr(node, "op", OTHER[type(node.op)]())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield lambda: setattr(node, "operand", negated(node.operand))
    elif isinstance(node, ast.Constant):
        yield from of_constant(node)
    elif isinstance(node, ast.Call):
        yield from of_call(node)
    test = getattr(node, "test", None) or getattr(node, "guard", None)
    if test is not None and not isinstance(test, ast.Compare | ast.BoolOp | ast.UnaryOp):
        name = "test" if hasattr(node, "test") else "guard"
        yield lambda: setattr(node, name, negated(test))
    if isinstance(node, ast.comprehension):
        for at, one in enumerate(node.ifs):
            if not isinstance(one, ast.Compare | ast.BoolOp | ast.UnaryOp):
                yield lambda at=at, one=one: node.ifs.__setitem__(at, negated(one))
    if isinstance(node, ast.stmt):
        yield from of_statement(node)


def inside(node: ast.AST) -> Iterator[ast.AST]:
    """The children that run: no annotations, defaults, decorators, docstrings, assertions."""
    if isinstance(node, ast.Assert):
        return
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "cast":
        yield from node.args[1:]
        return
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list") or isinstance(value, ast.arguments):
            continue
        values = value if isinstance(value, list) else [value]
        for at, one in enumerate(values):
            doc = at == 0 and name == "body" and is_text(one)
            if isinstance(one, ast.AST) and not doc:
                yield one


def is_text(node: object) -> bool:
    """Whether a statement is a docstring."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef]]:
    """The functions and methods of a module, by qualified name."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from ((f"{node.name}.{f.name}", f) for f in node.body
                        if isinstance(f, ast.FunctionDef))  # fmt: skip


def reachable(source: str, found: list[tuple[str, ast.stmt, ast.AST]]) -> set[int]:
    """Which places a test can reach: not those of a statement that is left out of coverage."""
    lines = source.splitlines()
    barred = {n for n, line in enumerate(lines, 1) if NO_COVER in line}
    spans = [
        (stmt.lineno, stmt.end_lineno or stmt.lineno)
        for _, stmt, node in found if stmt is node and stmt.lineno in barred
    ]  # fmt: skip
    return {
        index for index, (_, stmt, _) in enumerate(found)
        if not any(low <= stmt.lineno <= high for low, high in spans)
    }  # fmt: skip


def places(tree: ast.Module) -> Iterator[tuple[str, ast.stmt, ast.AST]]:
    """Every node that may be broken: its function and its statement, always in the same order."""

    def walk(name: str, stmt: ast.stmt, node: ast.AST) -> Iterator[tuple[str, ast.stmt, ast.AST]]:
        stmt = node if isinstance(node, ast.stmt) else stmt
        yield name, stmt, node
        for child in inside(node):
            yield from walk(name, stmt, child)

    for name, function in functions(tree):
        for child in inside(function):
            yield from walk(name, function, child)


def broken(source: str, index: int, number: int) -> tuple[ast.Module, str]:
    """The tree with one breakage in it, and how its statement reads before and after."""
    tree = ast.parse(source)
    _, stmt, node = list(places(tree))[index]
    before = ast.unparse(stmt)
    list(breakages(node))[number]()
    ast.fix_missing_locations(tree)
    return tree, difference(before, ast.unparse(stmt))


def alike(one: str, other: str) -> int:
    """How many characters both begin with."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def difference(before: str, after: str) -> str:
    """Where the two read differently, with a little around it."""
    start, tail = alike(before, after), alike(before[::-1], after[::-1])
    left = max(0, start - 30)
    old, new = before[left : len(before) - tail + 12], after[left : len(after) - tail + 12]
    return f"{' '.join(old.split())}  ->  {' '.join(new.split())}"

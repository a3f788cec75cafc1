"""The selections in the text of an expression, such as `events.signed.data.by`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

# The package has stubs for its module and none for itself.
from cel_expr_python import cel  # pyright: ignore[reportMissingTypeStubs]

from sagas.cel_functions import extensions
from sagas.cel_reads import guard_of, path_of, promised
from sagas.cel_syntax import Call, Node, children, read_parsed
from sagas.expressions import Path

__all__ = ["Selections", "promised_by", "selections_of", "unasked_of"]

TEXTS_MAX = 512
"""Expressions whose selections are remembered."""


@dataclass(frozen=True, slots=True)
class Selections:
    """`read` are selected for their value; has() only asks whether `asked` are there."""

    read: tuple[Path, ...]
    asked: tuple[Path, ...]


@lru_cache(maxsize=1)
def _env() -> cel.Env:
    return cel.NewEnv(extensions=list(extensions()))


@lru_cache(maxsize=TEXTS_MAX)
def selections_of(text: str) -> Selections:
    """Every selection in an expression that compiles, in the order of the text."""
    read: list[Path] = []
    asked: list[Path] = []
    root = read_parsed(_env().compile(text, disable_check=True).serialize()).root
    waiting: list[Node] = [root]
    while waiting:
        node = waiting.pop()
        guard, path = guard_of(node), path_of(node)
        if guard is not None:
            asked.append(guard)
        elif path is not None:
            read.append(path)
        else:
            waiting.extend(reversed(children(node)))
    return Selections(tuple(read), tuple(asked))


@lru_cache(maxsize=TEXTS_MAX)
def unasked_of(text: str) -> tuple[tuple[Path, frozenset[Path]], ...]:
    """Every selection in an expression that compiles, with what has() promises at its place."""
    found: list[tuple[Path, frozenset[Path]]] = []
    root = read_parsed(_env().compile(text, disable_check=True).serialize()).root
    _collect(root, frozenset(), found)
    return tuple(found)


@lru_cache(maxsize=TEXTS_MAX)
def promised_by(guard: str) -> frozenset[Path]:
    """What is there wherever this guard is true; nothing for one that does not compile."""
    try:
        root = read_parsed(_env().compile(guard, disable_check=True).serialize()).root
    except RuntimeError:  # told where the guard itself is checked
        return frozenset()
    return promised(root, True, prefixes)


def _collect(node: Node, sure: frozenset[Path], found: list[tuple[Path, frozenset[Path]]]) -> None:
    if guard_of(node) is not None:
        return
    path = path_of(node)
    if path is not None:
        found.append((path, sure))
        return
    match node:
        case Call(function="_&&_" | "_||_" as function, args=(left, right)):
            goes_on = function == "_&&_"
            _collect(left, sure | promised(right, goes_on, prefixes), found)
            _collect(right, sure | promised(left, goes_on, prefixes), found)
        case Call(function="_?_:_", args=(condition, then, otherwise)):
            _collect(condition, sure, found)
            _collect(then, sure | promised(condition, True, prefixes), found)
            _collect(otherwise, sure | promised(condition, False, prefixes), found)
        case _:
            for child in children(node):
                _collect(child, sure, found)


def prefixes(path: Path) -> frozenset[Path]:
    """A path and all before it: what is there when its end is."""
    ends = range(len(path.steps) + 1)
    return frozenset(Path(path.root, path.name, path.steps[:end]) for end in ends)

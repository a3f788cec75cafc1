"""The selections in the text of an expression, such as `events.signed.data.by`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

# The package has stubs for its module and none for itself.
from cel_expr_python import cel  # pyright: ignore[reportMissingTypeStubs]

from sagas.cel_functions import extensions
from sagas.cel_reads import guard_of, path_of
from sagas.cel_syntax import Node, children, read_parsed
from sagas.expressions import Path

__all__ = ["Selections", "selections_of"]

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

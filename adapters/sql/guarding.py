"""Methods whose driver errors come out as those of the port, for every driver alike."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, Protocol, TypeVar

__all__ = ["Guard", "guarding"]

P = ParamSpec("P")
R = TypeVar("R")


class Guard(Protocol):
    """A decorator that leaves the signature as it is."""

    def __call__(self, method: Callable[P, R], /) -> Callable[P, R]: ...


def guarding(
    faults: tuple[type[Exception], ...], failure: Callable[[Exception, str], Exception]
) -> Guard:
    """A decorator for methods of objects with `path`, which says where the store is.

    Args:
        faults: what the driver raises.
        failure: the error to raise instead, made of the driver's and of `path`.
    """

    def guarded(method: Callable[P, R], /) -> Callable[P, R]:
        @functools.wraps(method)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return method(*args, **kwargs)
            except faults as error:
                raise failure(error, str(getattr(args[0], "path", ""))) from error

        return call

    return guarded

"""Starts that come from other streams: which definition they mean, known where they arrive."""

from __future__ import annotations

from dataclasses import replace

from consumers.registry import Registry
from domain.errors import Refusal
from domain.messages import Start

__all__ = ["named"]


def named(registry: Registry, start: Start) -> Start | Refusal:
    """The start of a child with its definition: the version it names, or the latest one.

    It is chosen here, where the run begins, and recorded in its opening. A refusal where the saga
    is not registered or the input does not fit it.
    """
    definition = registry.of_saga(start.saga, start.saga_version or None)
    if definition is None:
        version = f" in version {start.saga_version}" if start.saga_version else ""
        return Refusal("start.unknown_saga", f"{start.saga} is not registered{version}")
    problems = definition.input_validator.check(start.input, root="input")
    if problems:
        return Refusal("start.input", "; ".join(problems))
    return replace(start, saga_version=definition.version, definition=definition.hash)

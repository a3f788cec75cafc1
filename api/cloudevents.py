"""CloudEvents 1.0 over HTTP in binary mode: headers into attributes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import unquote

from domain.cloudevents import binary
from domain.errors import refusal

__all__ = ["from_binary"]

PREFIX = "ce-"

_ESCAPES = re.compile(r"%(?![0-9A-Fa-f]{2})")

Json = Any


def from_binary(headers: Iterable[tuple[str, str]], body: bytes, kind: str) -> Json:
    """The structured form of an event in binary mode. Raises Refusal.

    Header values are percent-decoded (CloudEvents HTTP binding 3.1.3.2); `kind` is the media type.
    """
    return binary(_attributes(headers), body, kind)


def _attributes(headers: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for name, value in headers:
        if name.startswith(PREFIX):
            yield name[len(PREFIX) :], _decoded(name, value)


def _decoded(name: str, value: str) -> str:
    if _ESCAPES.search(value):
        raise refusal("event.envelope", f"{name}: a percent sign must be written as %25")
    try:
        # Servers hand headers on as Latin-1; the binding says UTF-8.
        return unquote(value.encode("latin-1").decode("utf-8"), errors="strict")
    except UnicodeDecodeError:
        raise refusal("event.envelope", f"{name} is not UTF-8") from None

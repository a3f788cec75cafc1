"""How people name a commitment: `saga/key`, `saga/key#run`, its id, or the beginning of it."""

from __future__ import annotations

import re
from typing import NamedTuple

from troth._client import Client
from troth._models import CurrentStep
from troth._problems import EngineError

__all__ = ["Ref", "commitment", "parse"]

PAGES_MAX = 20
"""How many pages are looked through for the beginning of an id."""
PAGE = 500
PREFIX_MIN = 4

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PREFIX = re.compile(rf"[0-9a-f-]{{{PREFIX_MIN},36}}")


class Ref(NamedTuple):
    """A name that was taken apart: by saga and key, or by (the beginning of) an id."""

    saga: str = ""
    key: str = ""
    run: int | None = None
    id: str = ""


def parse(text: str) -> Ref:
    """Take a name apart. Raises EngineError TR404 for one that can name nothing."""
    saga, slash, key = text.partition("/")
    if slash and saga and key:
        before, mark, run = key.rpartition("#")
        if mark and before and run.isdigit():
            return Ref(saga, before, int(run))
        return Ref(saga, key)
    if _PREFIX.fullmatch(text):
        return Ref(id=text)
    raise _unknown(f"{text!r} names no commitment", "saga/key, saga/key#run, or an id")


def commitment(
    client: Client, text: str, *, after: str | None = None, wait_for: str | None = None
) -> CurrentStep:
    """The commitment that a name means."""
    ref = parse(text)
    if ref.saga:
        return client.step_of(ref.saga, key=ref.key, run=ref.run, after=after, wait_for=wait_for)
    if _ID.fullmatch(ref.id):
        return client.commitment(ref.id, after=after, wait_for=wait_for)
    return _by_prefix(client, ref.id)


def _by_prefix(client: Client, prefix: str) -> CurrentStep:
    found: list[CurrentStep] = []
    cursor: str | None = None
    for _ in range(PAGES_MAX):
        page = client.list(cursor=cursor, limit=PAGE)
        found += [
            CurrentStep.model_validate(one) for one in page.items if one["id"].startswith(prefix)
        ]
        if page.next is None:
            break
        cursor = str(page.next)
    if len(found) == 1:
        return found[0]
    if found:
        named = ", ".join(step.ref for step in found[:5])
        raise EngineError(
            "TR741", f"{len(found)} commitments begin with {prefix}", named,
            do="give more of the id, or saga/key", status=409,
        )  # fmt: skip
    raise _unknown(f"no commitment begins with {prefix}", "look with troth list")


def _unknown(detail: str, do: str) -> EngineError:
    return EngineError("TR404", "There is no such thing", detail, do=do, status=404)

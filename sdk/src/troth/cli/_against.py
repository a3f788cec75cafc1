"""The definitions of an app held against those of a running engine: content, users, who serves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

from troth._app import App
from troth._client import Client
from troth._problems import EngineError

from ._definitions import Traced, content

__all__ = ["against"]

ENDED = frozenset({"fulfilled", "compensated", "failed", "cancelled"})
PAGES_MAX = 20
"""Pages of commitments that are looked through for users of an old version."""
PAGE = 500
FAULTS_PER_VERSION_MAX = 10


def against(client: Client, app: App, found: Sequence[Traced]) -> None:
    """Add what the engine says: changed, or registered and how many run; and who serves them.

    A commitment runs the version that it began with. So every registered version of a saga that
    still has users is looked at: its steps must be served by the participants of this app, as far
    as they are the app's. Steps of participants that live elsewhere are not judged.
    """
    versions = _versions(client.definitions())
    for one in found:
        if not one.document:
            continue
        try:
            registered = client.definition(one.name, one.version)
        except EngineError as error:
            if error.status != 404:
                raise
            one.notes.append("not registered yet")
            registered = None
        if registered is not None:
            _compare(one, registered)
        if _is_newest(one, found):
            _users(client, app, one, versions.get(one.name, []))


def _compare(one: Traced, registered: dict[str, Any]) -> None:
    one.hash = str(registered.get("hash", "")) or one.hash
    if content(registered.get("document", registered)) == content(one.document):
        one.notes.append("registered")
        return
    one.faults.append({
        "code": "TR410", "message": f"{one.title} is registered with another content",
        "do": f"version={one.version + 1}",
    })  # fmt: skip


def _is_newest(one: Traced, found: Sequence[Traced]) -> bool:
    """Users are told once for each saga, beside its newest version."""
    return one.version == max(other.version for other in found if other.name == one.name)


def _users(client: Client, app: App, one: Traced, versions: Sequence[int]) -> None:
    """How many run, and whether each step that they may still come to is served."""
    statuses: dict[str, int] = client.counts(one.name).get("status", {})
    running = sum(count for status, count in statuses.items() if status not in ENDED)
    one.notes.append(f"{running} running")
    if not running or not app.participants:
        return
    missing = {number: _missing(client, app, one.name, number) for number in versions}
    unserved = {number: names for number, names in missing.items() if names}
    used = _used(client, one.name, set(unserved)) if unserved else set[int]()
    for number in sorted(used):
        for name in unserved[number][:FAULTS_PER_VERSION_MAX]:
            one.faults.append({
                "code": "TR131",
                "message": f"{name} is served by nothing here, and {one.name} v{number} runs",
                "do": "keep its function until no commitment of that version is left",
            })  # fmt: skip
    if not used:
        one.notes[-1] += ", all steps served"


def _missing(client: Client, app: App, saga: str, version: int) -> list[str]:
    """Contracts of a version that belong to participants of this app, which lacks their handler."""
    row = client.definition(saga, version)
    document = cast(dict[str, Any], row.get("document", row))
    contracts: dict[str, dict[str, Any]] = document.get("contracts", {})
    served, own = app.contracts(), {one.name for one in app.participants}
    return [
        name for name, contract in contracts.items()
        if contract.get("participant") in own and name not in served
    ]  # fmt: skip


def _used(client: Client, saga: str, versions: set[int]) -> set[int]:
    """Which of these versions have commitments that have not ended."""
    used: set[int] = set()
    for row in _rows(client, saga):
        if row.get("status") not in ENDED and row.get("saga_version") in versions:
            used.add(row["saga_version"])
            if used == versions:
                break
    return used


def _rows(client: Client, saga: str) -> Iterator[dict[str, Any]]:
    cursor: str | None = None
    for _ in range(PAGES_MAX):
        page = client.list(saga=saga, cursor=cursor, limit=PAGE)
        yield from page.items
        if page.next is None:
            return
        cursor = str(page.next)


def _versions(listed: Any) -> dict[str, list[int]]:
    """The registered versions of each saga."""
    found: dict[str, list[int]] = {}
    for row in cast(list[dict[str, Any]], listed.get("items", [])):
        found.setdefault(row["saga"], []).append(row["version"])
    return found

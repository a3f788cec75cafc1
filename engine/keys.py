"""API keys: a file of JSON lines that holds SHA-256 digests only, read again when it changes.

A line is a key, or the revocation of one (`{"revoked": id, "at": time}`): lines are only added, so
the file says who could do what, and until when.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
import structlog

from api.key import ANY_TENANT, Key
from api.roles import ROLE_NAMES
from domain.errors import Refusal, refusal

__all__ = [
    "ACTOR_TYPES", "KeyFile", "Listed", "NoKeys", "add_key", "default_actor_type", "new_text",
]  # fmt: skip

ACTOR_TYPES = (
    "human", "observer_agent", "recommender_agent", "executor_system", "automated_workflow"
)  # fmt: skip
KEY_BITS = 256
MARK = "troth_"
LINES_MAX = 100_000
_NAME = re.compile(r"[a-z][a-z0-9_.-]{0,63}")

_log = structlog.get_logger("keys")


@dataclass(frozen=True, slots=True)
class Listed:
    """A key as `keys list` shows it."""

    key: Key
    created: str
    revoked: str | None


def new_text() -> str:
    """The text of a new key: shown once, never kept by the engine."""
    return MARK + secrets.token_urlsafe(KEY_BITS // 8)


def default_actor_type(roles: Iterable[str]) -> str:
    """People decide and operate; participants execute; what only publishes is automated."""
    held = set(roles)
    if held & {"approver", "operator"}:
        return "human"
    return "executor_system" if "participant" in held else "automated_workflow"


class NoKeys:
    """Implements `api.key.Keys` for a process that takes no requests."""

    def find(self, digest: str) -> Key | None:  # noqa: ARG002 - of the port
        """None: nobody has a key here."""
        return None


class KeyFile:
    """Implements `api.key.Keys` on a file; a change of it counts from the next request."""

    def __init__(self, path: Path) -> None:
        """Raises Refusal (TR712) when the file is missing, unreadable or has no key."""
        self.path = path
        self._seen: tuple[int, int, int] | None = None
        self._keys: dict[str, Key] = {}
        try:
            self._reload(self._stamp())
        except OSError as error:
            raise refusal("keys.none", f"{path}: {error.strerror}") from None
        if not self._keys:
            raise refusal("keys.none", f"{path} has no key that is not revoked")

    def find(self, digest: str) -> Key | None:
        """The key with this SHA-256 (hex), or None."""
        try:
            stamp = self._stamp()
            if stamp != self._seen:
                self._reload(stamp)
        except (OSError, Refusal) as error:
            # The keys that were read before go on: a file half written must lock nobody out.
            _log.warning("keys_unreadable", path=str(self.path), fault=str(error))
        return self._keys.get(digest)

    def _stamp(self) -> tuple[int, int, int]:
        found = self.path.stat()
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _reload(self, stamp: tuple[int, int, int]) -> None:
        keys = {one.key.sha256: one.key for one in read_keys(self.path) if one.revoked is None}
        self._keys, self._seen = keys, stamp


def read_keys(path: Path) -> list[Listed]:
    """Every key of the file, revoked ones too. Raises OSError or Refusal (TR714, a bad line)."""
    found: dict[str, Listed] = {}
    lines = path.read_bytes().splitlines()
    if len(lines) > LINES_MAX:
        raise refusal("settings.value", f"{path} has over {LINES_MAX} lines: write it anew")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = orjson.loads(line)
            if "revoked" in row:
                one = found[row["revoked"]]
                found[one.key.id] = Listed(one.key, one.created, row["at"])
            else:
                key = _key_of(row)
                found[key.id] = Listed(key, row["created"], None)
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise refusal("settings.value", f"{path}:{number} is not a key: {error}") from None
    return list(found.values())


def _key_of(row: dict[str, Any]) -> Key:
    return Key(
        id=row["id"],
        name=row["name"],
        sha256=row["sha256"],
        roles=tuple(row["roles"]),
        tenant=row["tenant"],
        actor_type=row["actor_type"],
        seats=tuple(row["seats"]),
    )


def add_key(
    path: Path,
    *,
    roles: Sequence[str],
    tenant: str,
    name: str | None = None,
    seats: Sequence[str] = (),
    actor_type: str | None = None,
) -> tuple[Key, str]:
    """Add a key to the file and answer it with its text. Raises Refusal (TR714) or OSError."""
    _check(roles, tenant, seats, actor_type)
    taken = {one.key.name for one in read_keys(path)} if path.exists() else set[str]()
    name = name or _free_name("-".join((roles[0], *seats)).replace("_", "-"), taken)
    if not _NAME.fullmatch(name):
        raise refusal("settings.value", f"{name!r}: a name is a-z, 0-9, _ . - and at most 64 long")
    if name in taken:
        raise refusal(
            "settings.value", f"a key named {name} is in {path}; revoked ones keep theirs"
        )
    text = new_text()
    key = Key(
        id=secrets.token_hex(4),
        name=name,
        sha256=sha256(text.encode()).hexdigest(),
        roles=tuple(dict.fromkeys(roles)),
        tenant=tenant,
        actor_type=actor_type or default_actor_type(roles),
        seats=tuple(dict.fromkeys(seats)),
    )
    _append(path, {**asdict(key), "created": _now()})
    return key, text


def revoke_key(path: Path, named: str) -> Key:
    """Revoke a key by name or id. Raises Refusal (TR404) when there is none, or OSError."""
    for one in read_keys(path):
        if named in {one.key.id, one.key.name} and one.revoked is None:
            _append(path, {"revoked": one.key.id, "at": _now()})
            return one.key
    raise refusal("http.not_found", f"no key {named} in {path} that is not revoked already")


def _check(roles: Sequence[str], tenant: str, seats: Sequence[str], actor_type: str | None) -> None:
    for what, words, known in (
        ("role", roles, ROLE_NAMES),
        ("actor type", [actor_type] if actor_type else [], ACTOR_TYPES),
    ):
        for word in words:
            if word not in known:
                wanted = ", ".join(known)
                raise refusal("settings.value", f"{word!r} is no {what}; there are {wanted}")
    if not roles:
        raise refusal("settings.value", f"a key has a role: {', '.join(ROLE_NAMES)}")
    for seat in seats:  # those of the levels, and any other that approves and tasks name
        if not _NAME.fullmatch(seat):
            raise refusal("settings.value", f"{seat!r} is no name of a seat (a-z, 0-9, _ . -)")
    if seats and "approver" not in roles:
        raise refusal("settings.value", "a seat goes with the role approver")
    if tenant != ANY_TENANT and not _NAME.fullmatch(tenant):
        raise refusal("settings.value", f"{tenant!r} is not a tenant's name (or * for all)")


def _free_name(base: str, taken: set[str]) -> str:
    if base not in taken:
        return base
    return next(f"{base}-{n}" for n in range(2, LINES_MAX) if f"{base}-{n}" not in taken)


def _append(path: Path, row: dict[str, Any]) -> None:
    """One write of one line at the end, readable for the owner only."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(handle, orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
        os.fsync(handle)
    finally:
        os.close(handle)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

"""Registering a definition: checked, compared with what is registered, stored under its hash."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import orjson

from consumers.children import child_faults
from consumers.lock_orders import lock_faults
from consumers.registry import Registry
from domain.canonical import CanonicalError, canonical
from domain.errors import Refusal, refusal
from domain.ports import Transaction
from domain.requests import RegisterRequest
from sagas.definition import Definition
from sagas.loading import load

__all__ = ["definition_hash", "register"]

Json = Any


def definition_hash(document: dict[str, Any]) -> bytes:
    """The content hash of a document: 32 bytes, the member `source` left out."""
    return sha256(canonical({k: v for k, v in document.items() if k != "source"})).digest()


def register(
    registry: Registry, begin: Callable[[], Transaction], request: RegisterRequest, now_us: int
) -> Json:
    """Store a definition in a transaction of its own: {"saga", "version", "hash", "created"}.

    It counts for everything accepted after the answer; `begin` opens the transaction. Raises
    Refusal (its `errors` are the faults), LaneLost, StoreFailed, and StoreConflict when another
    process registered something since the registry was read.
    """
    document = request.document
    _check(document)
    hash_ = definition_hash(document)
    saga, version = document["saga"], document["version"]
    answer = {"saga": saga, "version": version, "hash": hash_.hex()}
    if registry.by_hash(hash_.hex()) is not None:
        return {**answer, "created": False}
    loaded = load(document, hash_.hex())
    tx = begin()
    try:
        # Beginning may have taught the registry what another process registered: also a child of
        # this one, so nothing is held against the registry before.
        if registry.by_hash(loaded.hash) is not None:
            tx.rollback()
            return {**answer, "created": False}
        _compare(registry, loaded)
        tx.register(
            orjson.dumps(document), hash=hash_, saga=saga, version=version, by=request.asked.actor,
            now_us=now_us,
        )  # fmt: skip
        tx.commit()
    except BaseException:
        tx.rollback()
        raise
    registry.add(document, hash_.hex())
    return {**answer, "created": True}


def _compare(registry: Registry, loaded: Definition) -> None:
    """Hold it against what is registered. Raises Refusal (def.version_taken, def.event).

    Also def.child and def.recursion: what its children start must be there, and come to an end; and
    def.locks: no other saga takes its locks in another order.
    """
    there = registry.of_saga(loaded.saga, loaded.version)
    if there is not None:
        detail = f"{loaded.saga} version {loaded.version} is registered as {there.hash[:8]}"
        raise refusal("def.version_taken", detail)
    faults = registry.conflicts(loaded)
    if faults:
        raise Refusal("def.event", "; ".join(str(f["message"]) for f in faults), tuple(faults))
    faults = child_faults(registry, loaded) or lock_faults(registry, loaded)
    if faults:
        said = "; ".join(str(fault["message"]) for fault in faults)
        raise Refusal(faults[0]["alias"], said, tuple(faults))


def _check(document: Json) -> None:
    # The checks load the type checker of expressions: only where a definition comes in.
    from sagas.checks import check

    if not isinstance(document, dict):
        raise refusal("def.shape", "a definition is a JSON object")
    try:
        canonical(document)
    except CanonicalError as bad:
        raise refusal("def.shape", str(bad)) from bad
    faults = check(document)
    if faults:
        errors = tuple(fault.as_json() for fault in faults)
        raise Refusal(faults[0].alias, f"{len(faults)} faults: {faults[0].message}", errors)

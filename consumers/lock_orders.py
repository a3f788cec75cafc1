"""What registering knows of locks beyond one document: in which order other sagas take them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from consumers.registry import Registry
from domain.errors import Refusal
from sagas.definition import Definition

if TYPE_CHECKING:
    from sagas.checks.lock_order import Locks

__all__ = ["lock_faults"]

Json = Any


def lock_faults(registry: Registry, definition: Definition) -> list[dict[str, Json]]:
    """Faults (def.locks) of a definition and the newest versions of the other sagas together.

    Definitions are those of all tenants: so is the order in which each tenant's locks are taken.
    """
    if not any(node.kind in ("lock", "child") for node in definition.by_name.values()):
        return []
    # The checks load the type checker of expressions: only where a definition comes in.
    from sagas.checks.lock_order import crossings

    def find(saga: str, version: int | None) -> Locks | None:
        try:
            found = registry.of_saga(saga, version)
        except Refusal:  # of a later release: nobody here knows what it says
            return None
        return None if found is None else registry.locks(found)

    others = [registry.locks(found) for found in registry.latest() if found.has_locks]
    return [fault.as_json() for fault in crossings(definition.document, others, find)]

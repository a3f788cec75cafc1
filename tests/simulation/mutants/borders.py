"""Broken borders between tenants: only worlds with neighbours can see them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from adapters.sql import reader
from adapters.sqlite import dispatch
from consumers import work
from tests.simulation.kinds import Kinds
from tests.simulation.mutants.harness import mutant, replaced, reworded, wrapped

Json = Any


def _has_neighbours(kinds: Kinds) -> bool:
    return len(kinds.tenants) > 1


@mutant(seen=_has_neighbours)
def lets_workers_touch_what_is_anothers() -> Iterator[None]:
    """Whoever knows effect, worker and token may start, hold and answer it."""
    with replaced(work, "_tenant_asked", lambda _: None):
        yield


@mutant(seen=_has_neighbours)
def gives_work_to_every_tenant() -> Iterator[None]:
    """A claim is served without asking whose worker it is."""

    def claim(real: Any, db: Any, ask: Any, *args: Any, **more: Any) -> Any:
        return real(db, replace(ask, tenant=None), *args, **more)

    with wrapped(dispatch, "claim", claim):
        yield


@mutant(seen=_has_neighbours)
def shows_commitments_of_every_tenant() -> Iterator[None]:
    """Whoever knows the id of a commitment is shown it."""
    with reworded(reader, "_BODY", "WHERE tenant = ?", "WHERE (1 OR tenant = ?)"), \
         reworded(reader, "_BY_ID", "WHERE tenant = ?", "WHERE (1 OR tenant = ?)"):  # fmt: skip
        yield

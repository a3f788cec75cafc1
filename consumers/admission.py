"""Who may still ask: bounds on what waits for the writer, in all and of one tenant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from consumers.limits import DeskLimits
from domain.errors import refusal
from domain.requests import ClaimRequest, Publish, Request, StartRequest

__all__ = ["Admission"]

_INGRESS = (Publish, StartRequest)


class Admission:
    """Refuses what would go beyond a bound, before any of it is taken."""

    def __init__(self, limits: DeskLimits) -> None:
        self._limits = limits
        self._tenants: Counter[str] = Counter()

    def check(
        self, requests: Sequence[Request], *, queued: int, claims: int, is_draining: bool
    ) -> None:
        """Raises Refusal (engine.draining, http.too_many) for all of them.

        `queued` requests and `claims` without work wait already.
        """
        limits = self._limits
        if is_draining and any(isinstance(r, (*_INGRESS, ClaimRequest)) for r in requests):
            raise refusal("engine.draining", "the engine takes nothing new")
        if queued + len(requests) > limits.queue_max:
            raise refusal("http.too_many", f"{limits.queue_max} requests wait for the writer")
        for tenant, count in _of_tenants(requests).items():
            if self._tenants[tenant] + count > limits.tenant_queue_max:
                detail = f"{limits.tenant_queue_max} events and starts of {tenant} wait"
                raise refusal("http.too_many", detail)
        if claims >= limits.claims_waiting_max and any(
            isinstance(request, ClaimRequest) for request in requests
        ):
            raise refusal("http.too_many", f"{limits.claims_waiting_max} claims wait for work")

    @contextmanager
    def held(self, requests: Sequence[Request]) -> Iterator[None]:
        """Count events and starts to their tenants for as long as they wait."""
        counts = _of_tenants(requests)
        self._tenants += counts
        try:
            yield
        finally:
            self._tenants -= counts


def _of_tenants(requests: Sequence[Request]) -> Counter[str]:
    return Counter(r.asked.tenant for r in requests if isinstance(r, _INGRESS))

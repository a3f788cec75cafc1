"""Who asks: the bearer key of a request, its roles, seats and tenant."""

from __future__ import annotations

import hmac
import os
import re
from hashlib import sha256

from fastapi import Request

from api.key import ANY_TENANT, Key, Keys
from api.problems import Problem
from api.roles import allowed
from domain.errors import refusal
from domain.ports import Asked

__all__ = [
    "KEY_TEXT_MAX", "TENANT_HEADER", "asked", "asked_any", "authenticate", "identified",
]  # fmt: skip

KEY_TEXT_MAX = 256
TENANT_HEADER = "troth-tenant"
_TENANT = re.compile(r"[a-z][a-z0-9_.-]{0,63}")
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def authenticate(header: str | None, keys: Keys) -> Key:
    """The key of an Authorization header. Raises Refusal (TR401, TR402)."""
    scheme, _, text = (header or "").partition(" ")
    if scheme.lower() != "bearer" or not text.strip():
        raise refusal("http.key_missing", "the request has no header Authorization: Bearer KEY")
    text = text.strip()
    if len(text) > KEY_TEXT_MAX:
        raise refusal("http.key_unknown", "the key is longer than any key")
    digest = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    key = keys.find(digest)
    if key is None or not hmac.compare_digest(key.sha256, digest):
        raise refusal("http.key_unknown", "no key with this text is in the keys file")
    return key


async def identified(request: Request) -> None:
    """A dependency of every route: puts the key into the request. Raises Refusal (401, 403)."""
    edge = request.app.state.edge
    key = authenticate(request.headers.get("authorization"), edge.keys)
    path = request.scope["route"].path
    wanted = allowed(request.method, path)
    if wanted.isdisjoint(key.roles):
        names = ", ".join(sorted(wanted)) or "none"
        raise refusal(
            "http.role",
            f"{request.method} {path} wants one of the roles {names}; "
            f"{key.name} has {', '.join(key.roles)}",
        )
    request.state.key = key
    edge.enter_tenant(request.scope, key.tenant)


def asked_any(request: Request) -> Asked:
    """Who asks; the tenant is "*" for a key of all tenants that names none."""
    key: Key = request.state.key
    return Asked(
        tenant=_tenant(request, key),
        actor=key.name,
        actor_type=key.actor_type,
        roles=key.roles,
        seats=key.seats,
        trace=_trace(request),
    )


def asked(request: Request) -> Asked:
    """Who asks, for one tenant. Raises Refusal (TR405, TR305)."""
    found = asked_any(request)
    if found.tenant == ANY_TENANT:
        raise refusal(
            "http.tenant_missing",
            f"{found.actor} is a key of all tenants: name one with the header Troth-Tenant",
        )
    return found


def _tenant(request: Request, key: Key) -> str:
    named = request.headers.get(TENANT_HEADER)
    if named is None or named == key.tenant:
        return key.tenant
    if not _TENANT.fullmatch(named):
        raise Problem("http.body", f"Troth-Tenant: {named!r} is not a tenant's name")
    if key.tenant != ANY_TENANT:
        raise refusal("event.foreign_tenant", f"Troth-Tenant: {key.name} has tenant {key.tenant}")
    return named


def _trace(request: Request) -> str:
    given = request.headers.get("traceparent", "")
    if _TRACEPARENT.fullmatch(given):
        return given
    # The standard says: an unusable traceparent begins a new trace.
    fresh = os.urandom(24).hex()
    return f"00-{fresh[:32]}-{fresh[32:]}-00"

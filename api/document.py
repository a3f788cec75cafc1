"""The OpenAPI document: what the routes say, and the schemas that really hold their bodies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from fastapi.openapi.utils import get_openapi
from starlette.routing import BaseRoute

import schemas
from api.edge import POSITION
from api.problems import PROBLEM_JSON
from api.roles import allowed
from domain.errors import code_of

__all__ = ["build"]

Json = Any
_REF = "#/components/schemas/"
_EVERYWHERE = ("http.key_missing", "http.key_unknown", "http.role", "http.too_many",
               "engine.draining", "store.full")  # fmt: skip

_TAGS = [
    {"name": "events", "description": "Domain events in, as CloudEvents 1.0."},
    {"name": "commitments", "description": "Start, search, steer, and see where one is."},
    {"name": "history", "description": "What happened: in pages, and live."},
    {"name": "approvals", "description": "What waits for a person, and the decision."},
    {"name": "tasks", "description": "Work for people: claimed for a time, and done."},
    {"name": "participants", "description": "Work for those who run the steps."},
    {"name": "definitions", "description": "Sagas as data: checked, hashed, kept for ever."},
    {"name": "remedies", "description": "What needs an operator: dead letters, parked, debts."},
    {"name": "operations", "description": "Without a key: health, metrics."},
]

_TEXT = """\
Keeps business promises that last days or months.

Send `Authorization: Bearer KEY`. The key gives the tenant and the roles; another tenant's things
are not there (404). A key of all tenants names one with `Troth-Tenant`. Every answer has
`Troth-Position`: send it as `wait_for=` to read at least what that answer saw.
Refusals are problem documents (RFC 9457) with a stable code and what to do instead.
"""


def build(version: str, routes: Sequence[BaseRoute]) -> dict[str, Json]:
    """The document of an application with these routes, as JSON."""
    document = get_openapi(
        title="troth",
        version=version,
        summary="An event-sourced saga orchestrator",
        description=_TEXT,
        tags=_TAGS,
        routes=routes,
    )
    components = document.setdefault("components", {})
    components["schemas"] = _components()
    components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            _complete(path, method.upper(), operation)
    return document


def _complete(path: str, method: str, operation: dict[str, Json]) -> None:
    responses: dict[str, Json] = operation["responses"]
    if "HTTPValidationError" in str(responses.get("422")):
        responses["422"] = _problem(("http.body",))
    if path.startswith("/v1"):
        operation["security"] = [{"key": []}]
        route = path.replace("{key}", "{key:path}").replace("/{name}", "/{name:path}")
        roles = allowed(method, route)
        operation["description"] += f"\n\nRoles: {', '.join(sorted(roles))}."
        for status, aliases in _by_status(_EVERYWHERE).items():
            responses.setdefault(str(status), _problem(aliases))
    for response in responses.values():
        response["headers"] = {
            POSITION: {
                "description": "The position the answer is true for.",
                "schema": {"type": "string"},
            }
        }
    operation["responses"] = dict(sorted(responses.items()))


def _by_status(aliases: Iterable[str]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for alias in aliases:
        found.setdefault(code_of(alias).status, []).append(alias)
    return found


def _problem(aliases: Iterable[str]) -> dict[str, Json]:
    codes = [code_of(alias) for alias in aliases]
    return {
        "description": "; ".join(f"**{code.number}** {code.title}" for code in codes),
        "content": {PROBLEM_JSON: {"schema": {"$ref": f"{_REF}problem"}}},
    }


def _components() -> dict[str, Json]:
    found: dict[str, Json] = {}
    for name, schema in schemas.load("wire.v1.json")["$defs"].items():
        found[name] = _moved(schema, "")
    found["event"] = _moved(schemas.load("envelope.v1.json"), "")
    found["events"] = {"type": "array", "items": {"$ref": f"{_REF}event"}, "maxItems": 1_000}
    definition = schemas.load("definition.v1.json")
    found["definition"] = _moved(definition, "definition_")
    for name, schema in definition["$defs"].items():
        found[f"definition_{name}"] = _moved(schema, "definition_")
    return dict(sorted(found.items()))


def _moved(value: Json, prefix: str) -> Json:
    """A schema with its references pointing into the document, without what only a file has."""
    if isinstance(value, list):
        return [_moved(item, prefix) for item in value]
    if not isinstance(value, dict):
        return value
    moved: dict[str, Json] = {}
    for name, member in value.items():
        if name in {"$schema", "$id", "$defs"}:
            continue
        if name == "$ref" and isinstance(member, str) and member.startswith("#/$defs/"):
            moved[name] = f"{_REF}{prefix}{member.removeprefix('#/$defs/')}"
        else:
            moved[name] = _moved(member, prefix)
    return moved

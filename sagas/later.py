"""Whether a definition uses what only a later release of the language knows.

The document of a definition has one form with a number and a schema that refuses what it does not
name. Running it without what is not known would be another definition.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import jsonschema_rs

import schemas

__all__ = ["FORM", "later_form"]

FORM = 1
SCHEMA = "definition.v1.json"


def later_form(document: dict[str, Any]) -> str | None:
    """What in a registered definition this release does not know; None when it knows it all."""
    if document.get("troth", FORM) != FORM:
        return f"its form is {document['troth']!r}, {FORM} is known"
    error = next(iter(_validator().iter_errors(document)), None)
    if error is None:
        return None
    place = "/".join(map(str, error.instance_path)) or "the document"
    return f"{place}: {error.message}"


@cache
def _validator() -> Any:
    return jsonschema_rs.validator_for(schemas.load(SCHEMA))

"""How a route describes itself: the schemas of its body and answers, and its problems."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from starlette.responses import Response

from api.problems import PROBLEM_JSON
from domain.errors import code_of

__all__ = ["documented"]

_ANSWERS = {
    200: "The answer", 201: "Created", 202: "Accepted, and durable", 204: "Nothing there",
    207: "A batch of which events were refused: see each result",
}  # fmt: skip


def documented(
    *,
    body: str | None = None,
    answers: dict[int, str | None],
    problems: Iterable[str] = (),
    example: Any = None,
    media: str = "application/json",
) -> dict[str, Any]:
    """Keyword arguments of a route. `body` and `answers` name schemas of the document."""
    responses: dict[int | str, dict[str, Any]] = {}
    for status, name in answers.items():
        responses[status] = {"description": _ANSWERS.get(status, "")}
        if name is not None:
            responses[status]["content"] = {media: {"schema": _ref(name)}}
    for status, codes in _by_status(problems).items():
        text = "; ".join(f"**{code.number}** {code.title}" for code in codes)
        responses[status] = {
            "description": text,
            "content": {PROBLEM_JSON: {"schema": _ref("problem")}},
        }
    extra: dict[str, Any] = {}
    if body is not None:
        content: dict[str, Any] = {"schema": _ref(body)}
        if example is not None:
            content["example"] = example
        extra["requestBody"] = {"required": True, "content": {"application/json": content}}
    return {"responses": responses, "openapi_extra": extra, "response_class": Response}


def _by_status(problems: Iterable[str]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = defaultdict(list)
    for alias in problems:
        code = code_of(alias)
        assert code.alias != "bug", alias
        found[code.status].append(code)
    return found


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}

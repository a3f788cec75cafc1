"""Problem documents (RFC 9457): every refusal of the HTTP API, from the table in domain.errors."""

from __future__ import annotations

from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from domain.errors import Refusal, code_of
from domain.ports import StoreFailed

__all__ = ["PROBLEM_JSON", "Problem", "install", "problem", "problem_body"]

PROBLEM_JSON = "application/problem+json"
RETRY_AFTER_S = 1
"""Sent with every 429 and 503: what is behind them passes quickly."""

_HTTP = {404: "http.not_found", 405: "http.method", 413: "http.too_large"}


class Problem(Refusal):
    """A refusal of the edge itself, with what the answer's headers must say."""

    def __init__(
        self,
        alias: str,
        detail: str,
        errors: tuple[dict[str, object], ...] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(alias, detail, errors)
        self.headers = headers or {}


def problem_body(refused: Refusal) -> dict[str, Any]:
    """The problem document of a refusal, as a JSON object."""
    code = refused.code
    body: dict[str, Any] = {
        "type": f"/errors/{code.number}",
        "title": code.title,
        "status": code.status,
        "detail": refused.detail,
        "code": code.number,
        "alias": code.alias,
        "do": code.do,
    }
    if refused.errors:
        body["errors"] = [_fault(fault) for fault in refused.errors]
    return body


def _fault(fault: dict[str, object]) -> dict[str, object]:
    named = fault.get("code")
    known = code_of(named) if isinstance(named, str) else None
    if known is None or known.alias == "bug":
        return fault
    return {"do": known.do, **fault, "code": known.number, "alias": known.alias}


def problem(refused: Refusal) -> Response:
    """The answer for a refusal."""
    status = refused.code.status
    headers = dict(refused.headers) if isinstance(refused, Problem) else {}
    if status in {429, 503}:
        headers.setdefault("Retry-After", str(RETRY_AFTER_S))
    if status == 401:
        headers.setdefault("WWW-Authenticate", "Bearer")
    return Response(orjson.dumps(problem_body(refused)), status, headers, PROBLEM_JSON)


def install(app: FastAPI) -> None:
    """Answer refusals, store failures, unfit requests and unknown routes with problem documents."""
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(StoreFailed, _store_failed)
    app.add_exception_handler(RequestValidationError, _unfit)
    app.add_exception_handler(HTTPException, _http)


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return problem(error)


async def _store_failed(_request: Request, error: Exception) -> Response:
    assert isinstance(error, StoreFailed)
    return problem(Refusal(error.alias, error.detail))


async def _unfit(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults: list[dict[str, object]] = []
    for found in error.errors():
        place, *path = found["loc"]
        where = "/".join(str(step) for step in path)
        message = f"{where} ({place}): {found['msg']}"
        faults.append({"code": "TR400", "where": where, "message": message})
    detail = "; ".join(str(fault["message"]) for fault in faults)
    return problem(Refusal("http.body", detail, tuple(faults)))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    alias = _HTTP.get(error.status_code, "http.body")
    detail = f"{request.method} {request.url.path}"
    return problem(Problem(alias, detail, headers=dict(error.headers or {})))

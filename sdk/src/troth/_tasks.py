"""What clients ask of tasks and of running sagas: claim, give back, do; update."""

from __future__ import annotations

import time as clock
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4

from pydantic import BaseModel

from ._models import Page
from ._operations import Operations, part_of
from ._problems import TIMED_OUT, EngineError
from ._registering import payload_of
from ._transport import TIMEOUT_S, Call

__all__ = ["ANSWER_TIMEOUT_S", "Tasks"]

ANSWER_TIMEOUT_S = 30.0
"""How long an update is waited for that answers when what it began is done, unless told."""
WAIT_MAX_S = 10.0
"""How long the engine keeps one request meanwhile."""
STOPPED = "TR464"

Json = Any


class Tasks(Operations):
    """The operations on tasks, and updates."""

    async def tasks(
        self,
        *,
        status: str | None = None,
        escalated: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> Page:
        """Work for people; `status` is offered, claimed, done or withdrawn.

        `escalated`: only what this seat was called to.
        """
        query = {"status": status, "escalated": escalated, "cursor": cursor, "limit": limit}
        return await self._page("/v1/tasks", query)

    async def task(self, id: str) -> dict[str, Any]:
        """One task: what it is about, who may do it, the form, and who has it."""
        return await self._get(f"/v1/tasks/{part_of(id)}")

    async def claim_task(self, id: str) -> dict[str, Any]:
        """Take a task, or keep it longer. Raises EngineError TR445 if somebody else has it."""
        return await self._applied(Call("POST", f"/v1/tasks/{part_of(id)}/claim", None))

    async def release_task(self, id: str) -> dict[str, Any]:
        """Give a task back. Raises EngineError TR446 if it is not yours."""
        return await self._applied(Call("POST", f"/v1/tasks/{part_of(id)}/release", None))

    async def complete_task(self, id: str, payload: BaseModel | Json = None) -> dict[str, Any]:
        """Hand in what was done. Raises EngineError TR449 if it does not fit the form."""
        body = {} if payload is None else {"payload": payload_of(payload)}
        return await self._applied(Call("POST", f"/v1/tasks/{part_of(id)}/complete", body))

    async def update(
        self,
        id: str,
        name: str,
        args: BaseModel | Json,
        *,
        idempotency_key: str | None = None,
        timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> Json:
        """Ask a running commitment for an update, and give what it answers.

        The same key gets the same answer. One that answers when what it began is done is waited for
        up to `timeout_s`. Raises EngineError TR462 if a rule of the saga refuses it (its code is in
        `errors`), TR461 for arguments that do not fit, TR460 if it is not open; TR431 if it goes on
        after `timeout_s`: ask again with the same key; TR464 if it was stopped before its end.
        """
        ends_s = clock.monotonic() + timeout_s
        key = uuid4().hex if idempotency_key is None else idempotency_key
        headers = {"Idempotency-Key": key}
        path = f"/v1/commitments/{part_of(id)}/updates/{part_of(name)}"
        found = await self._applied(_waiting("POST", path, ends_s, payload_of(args), headers))
        if "follow" not in found:
            return found.get("answer")
        where, _, text = str(found["follow"]).partition("?")
        query = dict(parse_qsl(text))
        while True:
            run = await self._json(_waiting("GET", where, ends_s, query=query))
            if run["status"] == "done":
                return run.get("answer")
            if run["status"] == "stopped":
                title = "What the update began was stopped before its end"
                raise EngineError(
                    STOPPED, title, run["run"], do="look with troth history what stopped it"
                )
            if clock.monotonic() >= ends_s:
                detail = f"{run['run']} is not done after {timeout_s:g} s"
                raise EngineError(
                    TIMED_OUT, "Not there yet", detail, do=f"ask again with the key {key}"
                )


def _waiting(
    method: str,
    path: str,
    ends_s: float,
    body: Json = None,
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
) -> Call:
    """A request that the engine may keep until it has the answer, as long as there is time."""
    wait_s = min(max(ends_s - clock.monotonic(), 0.0), WAIT_MAX_S)
    return Call(
        method, path, body, query={**(query or {}), "timeout_s": round(wait_s, 3)},
        headers=headers or {}, timeout_s=TIMEOUT_S + wait_s,
    )  # fmt: skip

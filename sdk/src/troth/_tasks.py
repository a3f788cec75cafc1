"""What clients ask of tasks and of running sagas: claim, give back, do; update."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from ._models import Page
from ._operations import Operations, part_of
from ._registering import payload_of
from ._transport import Call

__all__ = ["Tasks"]

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
        self, id: str, name: str, args: BaseModel | Json, *, idempotency_key: str | None = None
    ) -> Json:
        """Ask a running commitment for an update, and give what it answers.

        The same key gets the same answer. Raises EngineError TR462 if a rule of the saga refuses
        it (its code is in `errors`), TR461 for arguments that do not fit, TR460 if it is not open.
        """
        headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
        path = f"/v1/commitments/{part_of(id)}/updates/{part_of(name)}"
        call = Call("POST", path, payload_of(args), headers=headers)
        answer = await self._applied(call)
        return answer.get("answer")

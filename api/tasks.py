"""Work for people: the list of tasks, and claiming, giving back and doing one."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from api.bodies import read_form
from api.docs import documented
from api.edge import Edge, answer, edge_of, there
from api.identity import asked, identified
from api.passing import later
from api.waits import PAGE_DEFAULT, Cursor, Escalated, Limit, fresh, listed
from domain.requests import TaskRequest

__all__ = ["router"]

router = APIRouter(prefix="/v1/tasks", tags=["tasks"], dependencies=[Depends(identified)])

Json = Any
Id = Annotated[str, Path(pattern=r"^[0-9a-z]{1,64}$", description="Task id.")]
_REFUSED = ("http.not_found", "task.closed", "task.role", "task.actor", "decision.not_by")


@router.get(
    "",
    summary="The list of tasks",
    dependencies=[Depends(fresh)],
    **documented(answers={200: "page"}, problems=("read.not_yet",)),
)
async def tasks(
    request: Request,
    status: Annotated[str | None, Query(max_length=32, description="For example offered.")] = None,
    escalated: Escalated = None,
    cursor: Cursor = None,
    limit: Limit = PAGE_DEFAULT,
) -> Response:
    """Each with what it is about, who may do it, the form of what is handed in, and who has it."""
    edge, tenant = edge_of(request), asked(request).tenant
    query = edge.reader.tasks
    return await listed(
        edge, query, tenant, status=status, escalated=escalated, cursor=cursor, limit=limit
    )


@router.get(
    "/{id}",
    summary="Read a task",
    dependencies=[Depends(fresh)],
    **documented(answers={200: "object"}, problems=("http.not_found", "read.not_yet")),
)
async def task(request: Request, id: Id) -> Response:
    """One task, also when it is done or was withdrawn."""
    edge = edge_of(request)
    position = edge.position()
    return answer(await _found(edge, asked(request).tenant, id), position=position)


@router.post(
    "/{id}/claim",
    summary="Claim a task",
    **documented(
        answers={200: "task_answer", 202: "later_answer"}, problems=(*_REFUSED, "task.claimed")
    ),
)
async def claim(request: Request, id: Id) -> Response:
    """It is yours until `until`; claim again to keep it longer. Then it is open for all again."""
    return await _act(request, id, "claim")


@router.post(
    "/{id}/release",
    summary="Give a task back",
    **documented(
        answers={200: "task_answer", 202: "later_answer"}, problems=(*_REFUSED, "task.not_yours")
    ),
)
async def release(request: Request, id: Id) -> Response:
    """It is open for all of its seats again."""
    return await _act(request, id, "release")


@router.post(
    "/{id}/complete",
    summary="Complete a task",
    **documented(
        body="task_done",
        answers={200: "task_answer", 202: "later_answer"},
        problems=(*_REFUSED, "http.body", "task.not_yours", "task.payload"),
        example={"payload": {"found": "nothing unusual"}},
    ),
)
async def complete(request: Request, id: Id) -> Response:
    """Hand in what was done: `payload` fits the form of the task. You have claimed it before."""
    body = await read_form(request, "task_done")
    return await _act(request, id, "complete", body.get("payload"))


async def _act(request: Request, id: str, action: str, payload: Json = None) -> Response:
    edge, who = edge_of(request), asked(request)
    found = await _found(edge, who.tenant, id)
    commitment = UUID(found["commitment"])
    done = await edge.desk.submit(TaskRequest(who, commitment, id, action, payload))
    return later(done, f"/v1/tasks/{id}") or answer(done, position=done.get("recorded"))


async def _found(edge: Edge, tenant: str, task_id: str) -> Json:
    return there(await edge.ask(edge.reader.task, tenant, task_id), f"task {task_id}")

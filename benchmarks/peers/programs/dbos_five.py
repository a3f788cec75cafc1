"""DBOS on PostgreSQL: a workflow of five steps, each recorded before the next.

Workflows are called in process, which is the fastest way its documentation knows (no queue);
async steps, so that one process keeps many in flight.
"""

from __future__ import annotations

import asyncio
from typing import Any

from dbos import DBOS, SetWorkflowID
from talk import order, run

given = order()
POOL_SIZE = 32
DBOS(
    config={
        "name": "bench",
        "system_database_url": given.url,
        "sys_db_pool_size": POOL_SIZE,
        "executor_id": given.name,
        "application_version": "1",
        "log_level": "ERROR",
    }
)


@DBOS.step()
async def work(load: dict[str, str]) -> dict[str, str]:
    return load


@DBOS.step()
async def undo(load: dict[str, str]) -> None:
    pass


@DBOS.step()
async def refuse(load: dict[str, str]) -> dict[str, str]:
    raise ValueError("no")


@DBOS.workflow()
async def five(load: dict[str, str]) -> dict[str, str]:
    for _ in range(5):
        load = await work(load)
    return load


@DBOS.workflow()
async def doomed(load: dict[str, str]) -> str:
    done: list[dict[str, str]] = []
    for _ in range(4):
        done.append(await work(load))
    try:
        await refuse(load)
    except ValueError:
        for each in reversed(done):
            await undo(each)
    return "compensated"


async def main() -> None:
    flow = doomed if given.workload == "w2" else five

    async def saga(id: str, load: dict[str, str]) -> Any:
        with SetWorkflowID(id):
            return await flow(load)

    DBOS.launch()
    try:
        await run(saga, given)
    finally:
        DBOS.destroy()


asyncio.run(main())

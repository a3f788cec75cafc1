"""LangGraph with its PostgreSQL checkpointer, durability "sync": a graph of five nodes.

One checkpointer serializes all that uses it behind a lock, so there are several, each with a
connection of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, TypedDict

from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.graph import END, START, StateGraph
from talk import order, run

SAVERS = 8


class State(TypedDict, total=False):
    load: dict[str, str]
    failed: bool


async def work(state: State) -> State:
    return {"load": state["load"]}


async def refuse(state: State) -> State:
    return {"failed": True}


def graph(saver: AsyncPostgresSaver, *, doomed: bool) -> Any:
    """Five nodes in a row; doomed ones go on through four that undo."""
    names = ["one", "two", "three", "four", "five"]
    builder = StateGraph(State)
    for name in names:
        builder.add_node(name, refuse if doomed and name == "five" else work)
    if doomed:
        names += ["undo-four", "undo-three", "undo-two", "undo-one"]
        for name in names[5:]:
            builder.add_node(name, work)
    for before, after in zip([START, *names], [*names, END], strict=True):
        builder.add_edge(before, after)
    return builder.compile(checkpointer=saver)


async def main() -> None:
    given = order()
    async with contextlib.AsyncExitStack() as stack:
        graphs: list[Any] = []
        for _ in range(SAVERS):
            opened = AsyncPostgresSaver.from_conn_string(given.url)
            saver = await stack.enter_async_context(opened)
            graphs.append(graph(saver, doomed=given.workload == "w2"))
            if len(graphs) == 1:
                await saver.setup()
        turn = iter(range(1 << 62))

        async def saga(id: str, load: dict[str, str]) -> Any:
            config = {"configurable": {"thread_id": id}}
            chosen = graphs[next(turn) % SAVERS]
            return await chosen.ainvoke({"load": load}, config, durability="sync")

        await run(saga, given)


asyncio.run(main())

"""What a named node of a commitment yielded: read, or waited for, also by a start."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import Path, Query

from api.edge import Edge
from api.runs import followed
from api.waits import READ_WAIT_MAX_S
from domain.errors import refusal
from domain.state import template_of
from sagas.definition import RESULT_KINDS

__all__ = ["Name", "Timeout", "Until", "awaited", "lacks", "node_of", "result_of"]

Json = Any
_NAME = r"[a-z][a-z0-9_]{0,63}"
_PREFIX = "results."

Until = Annotated[
    str | None,
    Query(
        pattern=rf"^results\.{_NAME}$",
        description="Wait for the result of this node: results.N.",
    ),
]
Name = Annotated[str, Path(pattern=rf"^{_NAME}$", description="Name of the node.")]
Timeout = Annotated[
    float, Query(ge=0, le=READ_WAIT_MAX_S, description="How long to wait for the result.")
]


@dataclass(slots=True)
class _Result:
    """What the events so far say of a node: the first time that it was done counts."""

    name: str
    status: str = "running"
    value: Json = None
    _fence: Json = None

    is_known = True

    def see(self, event: Json) -> None:
        data, kind = event["data"], event["type"].rpartition(".")[0]
        if kind == "commitment.ended":
            self.status = "stopped"
        elif self._is_it(data.get("node")):
            self._see(kind, data)

    def _see(self, kind: str, data: Json) -> None:
        match kind:
            case "effect.done" if data["kind"] == "do":
                self._done(data.get("result"))
            case "node.done" | "node.runs_on" | "task.done":
                self._done(data["value"] if data.get("value") is not None else self._fence)
            case "child.opened" if data.get("done"):
                self._done(data["child"])
            case "child.ended" if data["status"] == "fulfilled":
                self._done(data.get("result"))
            case "lock.granted":
                self._fence = {"fence": data.get("fence")}
            case _:
                pass

    def _is_it(self, path: str | None) -> bool:
        return path is not None and template_of(path).rpartition("/")[2] == self.name

    def _done(self, value: Json) -> None:
        self.status, self.value = "done", value

    @property
    def is_over(self) -> bool:
        return self.status != "running"

    def told(self) -> Json:
        """As it is answered: {"node", "status": running, done or stopped, "result"?}."""
        result = {"result": self.value} if self.status == "done" else {}
        return {"node": self.name, "status": self.status, **result}


async def node_of(edge: Edge, until: str, saga: str, version: int | None) -> str:
    """The node whose result is waited for. Raises Refusal (TR400) if the saga has none such."""
    name = until.removeprefix(_PREFIX)
    if await lacks(edge, name, saga, version):
        raise refusal("http.body", f"until: {saga} has no node {name} that yields a result")
    return name


async def lacks(edge: Edge, name: str, saga: str, version: int | None) -> bool:
    """Whether a registered saga has no node of this name that yields a result."""
    row = await edge.ask(edge.reader.definition, saga, version)
    return row is not None and not _yields(row["document"], name)


async def awaited(
    edge: Edge, tenant: str, found: Json, name: str, timeout_s: float
) -> tuple[Json, bool]:
    """The answer of a start with what became of the node, and whether that is over."""
    told = await result_of(edge, tenant, UUID(found["id"]), name, timeout_s=timeout_s)
    if told["status"] != "running":
        return {**found, "until": told, "position": edge.position()}, True
    follow = f"/v1/commitments/{found['id']}/results/{name}"
    return {**found, "until": told, "follow": follow}, False


async def result_of(
    edge: Edge, tenant: str, commitment: UUID, name: str, *, timeout_s: float
) -> Json:
    """What became of a node, waiting so long for its result: as `_Result.told`."""
    seen = _Result(name)
    await followed(edge, tenant, commitment, seen, after=0, timeout_s=timeout_s)
    return seen.told()


def _yields(document: Json, name: str) -> bool:
    return any(
        n.get("name") == name
        and (n["node"] in RESULT_KINDS or (n["node"] == "scope" and "out" in n))
        for n in _nodes(document)
    )


def _nodes(value: Json) -> Iterator[Json]:
    """Every node of a document, wherever it stands; a schema may have a member `node`, too."""
    waiting = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            if isinstance(found.get("node"), str):
                yield found
            waiting.extend(found.values())
        elif isinstance(found, list):
            waiting.extend(found)

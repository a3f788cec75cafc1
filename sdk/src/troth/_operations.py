"""What an engine can be asked: definitions, starts, events, reads. Written once, as coroutines."""

from __future__ import annotations

import time as clock
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from pydantic import BaseModel

from ._models import (
    CurrentStep,
    HistoryEvent,
    HistoryPage,
    Page,
    Registered,
    Result,
    Sent,
    Started,
)
from ._problems import SILENT, TIMED_OUT, EngineError
from ._registering import Definable, Named, definition_of, event_type_of, name_of, payload_of
from ._transport import TIMEOUT_S, Call, Transport

__all__ = ["Operations", "part_of"]

SOURCE = "urn:troth:client"
"""The `source` of events that are sent without one."""
READ_TIMEOUT_S = 2.0
"""How long `step_of` waits until what was sent is folded in, unless told."""
RESULT_TIMEOUT_S = 10.0
"""How long a start or `result` waits for what a node yields, unless told."""
RESULT_WAIT_MAX_S = 10.0
"""How long the engine is asked to keep one such request."""
ASK_AGAIN_S = 0.05
"""How soon a read that is not there yet is asked again; it doubles."""
ASK_AGAIN_MAX_S = 0.5
FOLLOW_EVERY_S = 0.5
"""How often `follow` asks for new events while nothing happens."""
FOLLOW_PAGE = 200

Json = Any


class Operations:
    """Asks over a transport."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @property
    def url(self) -> str:
        """The address of the engine."""
        return self._transport.url

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()

    # --- definitions ---

    async def register(self, definition: Definable | Mapping[str, Any]) -> Registered:
        """Register a saga, or its document. The same again is answered with `created` false.

        Raises EngineError TR410 if this version exists with another content, and one with
        `errors`, a list of single faults, if the definition breaks a rule.
        """
        document = definition_of(definition)
        path = f"/v1/definitions/{part_of(document['saga'])}/{document['version']}"
        return Registered.model_validate(await self._json(Call("PUT", path, document)))

    async def definitions(self) -> Json:
        """What is registered."""
        return await self._get("/v1/definitions")

    async def definition(self, saga: Named | str, version: int) -> dict[str, Any]:
        """A registered document."""
        return await self._get(f"/v1/definitions/{part_of(name_of(saga))}/{version}")

    # --- starting and sending ---

    async def start(
        self,
        saga: Named | str,
        input: BaseModel | Json,
        *,
        idempotency_key: str | None = None,
        version: int | None = None,
        until: str | None = None,
        timeout_s: float = RESULT_TIMEOUT_S,
    ) -> Started:
        """Start a commitment; durable when this returns.

        With the same idempotency key and the same input the first answer comes again. Raises
        EngineError TR421 if its key is taken and the saga's double_start refuses, and TR709 when it
        is accepted but the process that owns its lane is silent: it is started when that is back.

        With `until="results.offer"` the answer waits up to `timeout_s` for what the node `offer`
        yields: `until.result` of the answer, once `until.status` is done. It is stopped where the
        commitment ended without it, and running after `timeout_s`: ask on with `result`.
        """
        body: dict[str, Any] = {"saga": name_of(saga), "input": payload_of(input)}
        if version is not None:
            body["version"] = version
        headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
        # With a key the same start again is answered as before.
        again = idempotency_key is not None
        ends_s = clock.monotonic() + timeout_s
        wait_s = 0.0 if until is None else min(timeout_s, RESULT_WAIT_MAX_S)
        call = Call(
            "POST", "/v1/commitments", body, headers=headers, again=again,
            query={} if until is None else {"until": until, "timeout_s": round(wait_s, 3)},
            timeout_s=TIMEOUT_S + wait_s,
        )  # fmt: skip
        started = Started.model_validate(await self._applied(call))
        if started.until is None or started.until.status != "running":
            return started
        left_s = ends_s - clock.monotonic()
        found = await self.result(started.id, started.until.node, timeout_s=left_s)
        return started.model_copy(update={"until": found})

    async def result(self, id: str, node: str, *, timeout_s: float = RESULT_TIMEOUT_S) -> Result:
        """What a node of a commitment yielded, waiting up to `timeout_s` for it.

        Its status is done, stopped (the commitment ended without it), or running after `timeout_s`.
        Raises EngineError TR404 where the saga has no such node, or it yields nothing.
        """
        ends_s = clock.monotonic() + timeout_s
        path = f"/v1/commitments/{part_of(id)}/results/{part_of(node)}"
        while True:
            wait_s = min(max(ends_s - clock.monotonic(), 0.0), RESULT_WAIT_MAX_S)
            query = {"timeout_s": round(wait_s, 3)}
            call = Call("GET", path, query=query, timeout_s=TIMEOUT_S + wait_s)
            found = Result.model_validate(await self._json(call))
            if found.status != "running" or clock.monotonic() >= ends_s:
                return found

    async def send(
        self,
        event: BaseModel | str,
        data: Json = None,
        /,
        *,
        id: str | None = None,
        source: str = SOURCE,
        time: datetime | None = None,
        **attributes: str,
    ) -> Sent:
        """Send an event: an instance of an `@event` model, or its type and data.

        Durable when this returns. The same id, source and content again is harmless
        (`status` "repeated"); without an id each call is a new event. `attributes` are further
        CloudEvents attributes, such as `correlationid` or `subject`.
        """
        kind = event if isinstance(event, str) else event_type_of(event)
        payload = payload_of(data if isinstance(event, str) else event)
        cloud_event: dict[str, Any] = {
            "specversion": "1.0",
            "id": id or str(uuid4()),
            "source": source,
            "type": kind,
            **attributes,
            "data": payload,
        }
        if time is not None:
            cloud_event["time"] = time.isoformat()
        headers = {"Content-Type": "application/cloudevents+json"}
        # Its id makes it the same event, however often it is sent.
        call = Call("POST", "/v1/events", cloud_event, headers=headers, again=True)
        answer = await self._json(call)
        return Sent.model_validate({**answer, "event_id": cloud_event["id"]})

    async def publish(self, events: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Send many CloudEvents in structured form; each is answered on its own, in order.

        An answer has `id`, `status` (accepted, repeated or refused) and, refused, `code` and
        `detail`.
        """
        headers = {"Content-Type": "application/cloudevents-batch+json"}
        call = Call("POST", "/v1/events", list(events), headers=headers, again=True)
        answer = await self._json(call)
        return answer["results"]

    # --- reading ---

    async def step_of(
        self,
        saga: Named | str,
        *,
        key: str,
        run: int | None = None,
        after: str | None = None,
        wait_for: str | None = None,
        timeout_s: float = READ_TIMEOUT_S,
    ) -> CurrentStep:
        """Which step the commitment of this key is on; the latest run unless `run` says.

        With `after` (the id of an event that was sent) the answer has it folded in; with
        `wait_for` (a position) it is not older. Either waits up to `timeout_s`, then raises
        EngineError TR431: never an old answer.
        """
        path = f"/v1/sagas/{part_of(name_of(saga))}/keys/{part_of(key)}"
        return await self._step(path, {"run": run, "after": after, "wait_for": wait_for}, timeout_s)

    async def commitment(
        self,
        id: str,
        *,
        after: str | None = None,
        wait_for: str | None = None,
        timeout_s: float = READ_TIMEOUT_S,
    ) -> CurrentStep:
        """Which step the commitment with this id is on; `after` and `wait_for` as in step_of."""
        path = f"/v1/commitments/{part_of(id)}"
        return await self._step(path, {"after": after, "wait_for": wait_for}, timeout_s)

    async def history(
        self,
        id: str,
        *,
        after_version: int = 0,
        limit: int | None = None,
        wait_for: str | None = None,
    ) -> HistoryPage:
        """The events of a commitment's stream after a version, in order."""
        query = {"after_version": after_version, "limit": limit, "wait_for": wait_for}
        answer = await self._get(f"/v1/commitments/{part_of(id)}/history", query)
        return HistoryPage.model_validate(answer)

    async def follow(
        self, id: str, *, after_version: int = 0, timeout_s: float | None = None
    ) -> AsyncIterator[HistoryEvent]:
        """The events of a commitment as they happen, until it has ended.

        Raises EngineError TR431 when `timeout_s` is over before.
        """
        ends_s = None if timeout_s is None else clock.monotonic() + timeout_s
        while True:
            ended = (await self.commitment(id)).ended
            while True:
                page = await self.history(id, after_version=after_version, limit=FOLLOW_PAGE)
                for event in page.events:
                    after_version = event.version
                    yield event
                if page.next is None:
                    break
            if ended:
                return
            if ends_s is not None and clock.monotonic() >= ends_s:
                raise EngineError(TIMED_OUT, "Not there yet", f"not ended after {timeout_s:g} s")
            await self._transport.sleep(FOLLOW_EVERY_S)

    async def list(
        self,
        *,
        saga: Named | str | None = None,
        status: str | None = None,
        step: str | None = None,
        key: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> Page:
        """Commitments that fit, a page at a time."""
        named = None if saga is None else name_of(saga)
        query = {"saga": named, "status": status, "step": step, "key": key}
        return await self._page("/v1/commitments", {**query, "cursor": cursor, "limit": limit})

    async def counts(self, saga: Named | str | None = None) -> Json:
        """How many commitments are in each status and at each step, and parked events by reason."""
        return await self._get("/v1/counts", {"saga": None if saga is None else name_of(saga)})

    async def facts(self, *, after: str | int = "", limit: int | None = None) -> Page:
        """What sagas emitted, as CloudEvents in the order of each lane, with position and version.

        `next` is where to read on with `after`; it is `after` again when there is nothing new.
        """
        return await self._page("/v1/facts", {"after": after or None, "limit": limit})

    # --- inside ---

    async def _json(self, call: Call) -> Json:
        return (await self._transport.send(call)).json

    async def _applied(self, call: Call) -> Json:
        """The answer of whoever applied it. Raises EngineError TR709 where nobody did so far."""
        found = await self._json(call)
        if "receipt" in found and "follow" in found:
            detail = f"it is accepted as {found['receipt']} and will be applied once"
            raise EngineError(
                SILENT, "The process that owns the lane did not answer in time", detail,
                do=f"look for it at {found['follow']}, and do not send it as a new one",
                status=202,
            )  # fmt: skip
        return found

    async def _get(self, path: str, query: Mapping[str, str | int | None] | None = None) -> Json:
        return await self._json(Call("GET", path, query=query or {}))

    async def _page(self, path: str, query: Mapping[str, str | int | None]) -> Page:
        return Page[dict[str, Any]].model_validate(await self._get(path, query))

    async def _step(
        self, path: str, query: Mapping[str, str | int | None], timeout_s: float
    ) -> CurrentStep:
        ends_s = clock.monotonic() + timeout_s
        wait_s = ASK_AGAIN_S
        while True:
            try:
                return CurrentStep.model_validate(await self._get(path, query))
            except EngineError as error:
                left_s = ends_s - clock.monotonic()
                if error.code != TIMED_OUT or left_s <= 0:
                    raise
                await self._transport.sleep(min(wait_s, left_s))
                wait_s = min(2 * wait_s, ASK_AGAIN_MAX_S)


def part_of(text: str) -> str:
    """A value as one segment of a path."""
    return quote(text, safe="")

"""The network between everybody and the engine, and the SDK's transport over it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

import orjson

from consumers.work import ANY_TENANT
from domain.errors import CODES, Refusal
from domain.ports import Asked, ClaimAsk
from domain.requests import (
    ClaimRequest,
    HeartbeatsRequest,
    RepliesRequest,
    Request,
    StartsRequest,
)
from tests.simulation.dice import Dice
from troth._json import dump_bytes
from troth._problems import no_engine, problem_of
from troth._transport import Answer, Call

__all__ = ["EngineTransport", "Network", "Unreachable"]

Json = Any
TENANT = "north"
RESET_S_MAX = 2.0
SLOW_S_MAX = 5.0
VERY_SLOW_S_MAX = 120.0
_BATCHES = {
    "starts": (StartsRequest, "starts"),
    "heartbeats": (HeartbeatsRequest, "leases"),
    "replies": (RepliesRequest, "replies"),
}


class Unreachable(Exception):
    """No answer came. Whether the request arrived nobody knows."""


class Server(Protocol):
    async def submit(self, request: Request) -> Json: ...


class Network:
    """Carries requests: it drops, repeats, delays and so reorders them, and loses answers."""

    def __init__(self, dice: Dice, server: Server) -> None:
        self._dice = dice
        self._server = server
        self._under_way: set[asyncio.Task[Json]] = set()
        self.sent = 0
        self.otherwise: Callable[[Request], Coroutine[Any, Any, Json]] | None = None
        """Another way than HTTP; it answers None where this one is to be taken."""

    async def ask(self, request: Request) -> Json:
        """The answer; a Refusal is given back. Raises Unreachable."""
        dice = self._dice
        self.sent += 1
        await asyncio.sleep(self._delay_s())
        if dice.hits("dropped"):
            await asyncio.sleep(dice.between(0, RESET_S_MAX))
            raise Unreachable("the request was lost")
        if dice.hits("repeated"):
            self._send(request, self._delay_s())
        # What has been sent arrives, also when who sent it is gone by then.
        answer = await asyncio.shield(self._send(request, 0.0))
        if isinstance(answer, Unreachable):
            raise answer
        if dice.hits("reply lost"):
            await asyncio.sleep(dice.between(0, RESET_S_MAX))
            raise Unreachable("the answer was lost")
        await asyncio.sleep(self._delay_s())
        return answer

    async def work(self, request: Request) -> Json:
        """What a worker asks, which may have another way. Raises Unreachable."""
        if self.otherwise is not None and (answer := await self.otherwise(request)) is not None:
            return answer
        return await self.ask(request)

    def _send(self, request: Request, after_s: float) -> asyncio.Task[Json]:
        task = asyncio.ensure_future(self._carry(request, after_s))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return task

    async def _carry(self, request: Request, after_s: float) -> Json:
        if after_s:
            await asyncio.sleep(after_s)
        try:
            return await self._server.submit(request)
        except Unreachable as gone:
            return gone

    def _delay_s(self) -> float:
        if self._dice.hits("very slow"):
            return self._dice.between(SLOW_S_MAX, VERY_SLOW_S_MAX)
        if self._dice.hits("slow"):
            return self._dice.between(0.05, SLOW_S_MAX)
        return self._dice.between(0.0002, 0.02)


class Machine(Protocol):
    """What the transport needs of the process that it lives in."""

    name: str
    tenant: str | None
    """Whose work it does; None is that of the only tenant, `ANY_TENANT` that of all."""

    async def gate(self) -> None: ...


class EngineTransport:
    """Fills the SDK's `Transport`: what its worker sends becomes requests, by way of JSON."""

    url = "http://engine"

    def __init__(self, network: Network, machine: Machine) -> None:
        self._network = network
        self._machine = machine

    async def send(self, call: Call) -> Answer:
        """The answer. Raises EngineError for a refusal and for no answer."""
        await self._machine.gate()
        try:
            async with asyncio.timeout(call.timeout_s):
                answer = await self._network.work(_request_of(call, self._machine.tenant))
        except TimeoutError as late:
            raise no_engine(self.url, "no answer in time") from late
        except Unreachable as gone:
            raise no_engine(self.url, str(gone)) from gone
        await self._machine.gate()
        if isinstance(answer, Refusal):
            code = CODES[answer.alias]
            problem = {"code": code.number, "title": code.title, "detail": answer.detail}
            raise problem_of(code.status, orjson.dumps(problem))
        if answer.get("claims") == []:
            return Answer(204, {}, None)
        return Answer(200, {}, orjson.loads(orjson.dumps(answer)))

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def close(self) -> None:
        """Nothing is held open."""


def _request_of(call: Call, tenant: str | None) -> Request:
    participant, _, what = call.path.removeprefix("/v1/participants/").partition("/")
    body = orjson.loads(dump_bytes(call.body))
    asked = Asked(tenant or TENANT, body["worker"], "executor_system", ("participant",))
    if what == "claims":
        ask = ClaimAsk(
            participant, body["worker"], tuple(body["contracts"]), body["max"], body["start"],
            None if tenant == ANY_TENANT else tenant,
        )  # fmt: skip
        return ClaimRequest(asked, ask, float(call.query.get("wait_s") or 0))
    kind, member = _BATCHES[what]
    return kind(asked, body["worker"], tuple(body[member]))

"""A lane on a real store, a clock that tests turn, and a participant that answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson

from consumers.core import Core
from consumers.lane import Lane, Processed
from consumers.limits import LaneLimits
from consumers.registry import Registry
from domain.errors import Refusal
from domain.ids import commitment_id, key_id, lane_of
from domain.mapper import event_mapper
from domain.ports import Asked, ClaimAsk
from domain.requests import (
    ClaimRequest,
    ControlRequest,
    Publish,
    RegisterRequest,
    RepliesRequest,
    Request,
    StartRequest,
)
from tests.integration.lane_places import Place

START_US = 1_800_000_000_000_000
SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US

NORTH = Asked("north", "crm-key", "executor_system", ("producer", "participant"))
SOUTH = Asked("south", "crm-key", "executor_system", ("producer", "participant"))
OPERATOR = Asked("north", "ops-1", "human", ("operator",))
WORKER = "host-1/1"

COMPANY = {
    "type": "object",
    "properties": {"company": {"type": "string"}},
    "required": ["company"],
    "additionalProperties": False,
}
CREATE, ACTIVATE = "crm/create@1", "crm/activate@1"


def contract(participant: str, command: Any, result: Any, **more: Any) -> dict[str, Any]:
    """A contract that touches the outside, A0 R1 S1 unless said otherwise."""
    base = {"external": True, "A": "A0", "R": "R1", "S": "S1", "failures": ["refused"]}
    return {"participant": participant, "command": command, "result": result, **base, **more}


def sale(version: int = 1, **changes: Any) -> dict[str, Any]:
    """A saga: create an account, wait for the signature, be done."""
    account = {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]}
    command = {"type": "object", "properties": {"company": {"type": "string"}},
               "required": ["company"]}  # fmt: skip
    undo = {"type": "object", "properties": {"account": account}, "required": ["account"]}
    document = {
        "troth": 1, "saga": "sale", "version": version, "key": "input.company", "input": COMPANY,
        "starts_on": [{"event": "applied", "input": "event.data"}],
        "double_start": {"running": "return", "finished": "after_failure"},
        "events": {
            "applied": {"version": 1, "schema": COMPANY, "key": "company"},
            "signed": {"version": 1, "schema": COMPANY, "key": "company"},
        },
        "contracts": {
            CREATE: contract("crm", command, account),
            f"{CREATE}:undo": contract("crm", undo, {}),
        },
        "flow": [
            {"node": "step", "name": "create", "contract": CREATE,
             "args": {"company": "input.company"},
             "undo": {"contract": f"{CREATE}:undo", "args": {"account": "result"}}},
            {"node": "wait_for", "name": "signed", "events": ["signed"], "key": "input.company",
             "within": "14d"},
            {"node": "fulfil", "name": "fulfilled", "result": "{'account': results.create.id}"},
        ],
    }  # fmt: skip
    return {**document, **changes}


@dataclass
class World:
    """One store, all its lanes owned by `lane`. `restart` opens the same store again."""

    place: Place
    limits: LaneLimits = field(default_factory=LaneLimits)
    event_time: bool = False
    make_core: Any = None
    now_us: int = START_US
    sent: int = 0

    def __post_init__(self) -> None:
        self._open()

    def _open(self) -> None:
        self.store: Any = self.place.open(self.now_us)
        registry = Registry()
        core: Core | None = None if self.make_core is None else self.make_core(registry)
        self.lane = Lane(
            self.store, registry=registry, core=core, limits=self.limits,
            lanes=self.place.mine, event_time=self.event_time, process=self.place.process,
        )  # fmt: skip
        self.lane.open()
        self.lane.serve_from(self.now_us - self.limits.lease_us)

    def close(self) -> None:
        self.store.close()

    def restart(self) -> None:
        """End this owner without a word and begin another one on the same store."""
        self.store.close()
        self._open()

    # --- asking --------------------------------------------------------------------------------

    def process(self, *requests: Request, **more: Any) -> Processed:
        """One call of the lane, a microsecond after the last."""
        self.now_us += 1
        return self.lane.process(requests, self.now_us, **more)

    def ask(self, request: Request) -> Any:
        """The answer to one request; a refusal is given back, not raised."""
        return self.process(request).answers[0]

    def later(self, after_us: int) -> Processed:
        """Let time pass and the lane look what is due."""
        self.now_us += after_us
        return self.process()

    def register(self, document: dict[str, Any]) -> Any:
        return self.ask(RegisterRequest(OPERATOR, document))

    def publish(self, type_: str, company: str = "acme", *, who: Asked = NORTH, **more: Any) -> Any:
        return self.ask(self.event(type_, company, who=who, **more))

    def event(
        self, type_: str, company: str = "acme", *, who: Asked = NORTH, **more: Any
    ) -> Publish:
        self.sent += 1
        event = {
            "specversion": "1.0", "id": f"e{self.sent}", "source": "urn:crm", "type": type_,
            "data": {"company": company}, **more,
        }  # fmt: skip
        return Publish(who, event, orjson.dumps(event))

    def start(self, company: str = "acme", idempotency_key: str | None = None, **more: Any) -> Any:
        request = StartRequest(
            NORTH, "sale", {"company": company}, more.pop("version", None), idempotency_key
        )
        return self.ask(request)

    def control(self, action: str, stream: UUID | None = None, **more: Any) -> Any:
        to = stream if stream is not None else self.id()
        return self.ask(ControlRequest(OPERATOR, to, action, "because", **more))

    # --- working ---------------------------------------------------------------------------------

    def claim(self, *contracts: str, limit: int = 10, who: Asked = NORTH) -> list[Any]:
        return self.ask(claim_request(*contracts, limit=limit, who=who))["claims"]

    def reply(self, claim: Any, outcome: str = "done", **more: Any) -> Any:
        return self.ask(reply_request(claim, outcome, **more))["results"][0]

    def work(self, *contracts: str) -> list[Any]:
        """Claim everything there is, and answer it done."""
        claims = self.claim(*contracts)
        for claim in claims:
            assert self.reply(claim)["status"] == "recorded"
        return claims

    # --- looking ---------------------------------------------------------------------------------

    def id(self, company: str = "acme", run: int = 1, saga: str = "sale") -> UUID:
        return commitment_id("north", saga, company, run)

    def rows(self, sql: str, *values: Any) -> list[Any]:
        """What a look from outside finds."""
        return self.place.rows(sql, values)

    def step(self, company: str = "acme", run: int = 1, saga: str = "sale") -> dict[str, Any]:
        """The current step as readers see it."""
        found = self.rows(
            "SELECT body FROM current_steps WHERE commitment = ?",
            self.id(company, run, saga),
        )
        return orjson.loads(found[0][0]) if found else {}

    def topics(self, stream: UUID) -> list[str]:
        sql = "SELECT topic FROM events WHERE stream = ? ORDER BY version"
        return [topic for (topic,) in self.rows(sql, stream)]

    def count(self, table: str) -> int:
        return self.rows(f"SELECT count(*) FROM {table}")[0][0]

    def home(self, key: str = "acme") -> int:
        """The lane in which everything about a key lives."""
        return lane_of(key_id("north", key), self.place.lanes)

    def stored(self, stream: UUID) -> Any:
        """The newest snapshot of a stream and the events after it, as they are stored."""
        # Reading takes no lane where there are several; in a file there is but one.
        tx = self.store.begin(*([self.store.belief(0)] if self.place.lanes == 1 else []))
        try:
            return tx.load(stream)
        finally:
            tx.rollback()

    def folded(self, stream: UUID) -> Any:
        """The state of a stream, folded from all its stored events."""
        state: Any = None
        stored = self.stored(stream)
        mapper = event_mapper()
        if stored.snapshot is not None:
            snapshot: Any = mapper.to_domain_event(stored.snapshot)
            state = snapshot.mutate(None)
        for row in stored.events:
            event: Any = mapper.to_domain_event(row)
            state = event.mutate(state)
        return state


def claim_request(
    *contracts: str, limit: int = 10, who: Asked = NORTH, wait_s: float = 0.0, worker: str = WORKER
) -> ClaimRequest:
    """A worker of `crm` asks for work, and to start at once what may start at once."""
    named = contracts or (CREATE, f"{CREATE}:undo", ACTIVATE)
    return ClaimRequest(who, ClaimAsk("crm", worker, named, limit, True), wait_s)


def reply_request(claim: Any, outcome: str = "done", **more: Any) -> RepliesRequest:
    """A worker's answer to a claim."""
    worker = more.pop("worker", WORKER)
    who = more.pop("who", NORTH)
    item = {
        "effect": claim["effect"], "attempt": claim["attempt"], "token": claim["token"],
        "kind": claim["kind"], "commitment": claim["commitment"], "outcome": outcome,
    }  # fmt: skip
    if outcome == "done":
        item["result"] = {"id": 7} if claim["contract"] == CREATE else {}
    return RepliesRequest(who, worker, ({**item, **more},))


def alias_of(answer: Any) -> str:
    """The alias of a refusal; empty for any other answer."""
    return answer.alias if isinstance(answer, Refusal) else ""


def aliases(answers: Sequence[Any]) -> list[str]:
    return [alias_of(answer) for answer in answers]

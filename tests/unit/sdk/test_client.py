"""The client of the HTTP API: requests as docs/format.md wants them, answers as typed records."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel

from troth._client import AsyncClient, Client, People
from troth._errors import TrothError
from troth._events import event
from troth._models import CurrentStep
from troth._problems import EngineError, exit_code_of

from .fake_engine import COMMITMENT, Asked, FakeEngine, problem

STEP = {
    "id": COMMITMENT, "saga": "partner-activation", "saga_version": 1, "definition": "18ae",
    "tenant": "north", "key": "acme/1", "run": 1, "status": "waiting", "step": "partner_signed",
    "steps": ["partner_signed"], "since": "2026-11-18T09:12:08.000000Z", "version": 14,
    "position": "1:0:18841", "started_at": "2026-11-18T09:12:00.000000Z", "ended_at": None,
    "next_wakeup": "2026-12-02T09:12:08.000000Z", "result": None, "error": None,
    "waits_for": [{"node": "partner_signed", "kind": "event", "detail": "partner.signed",
                   "until": "2026-12-02T09:12:08.000000Z"}],
    "nodes": [{"node": "check_company", "state": "done", "at": "2026-11-18T09:12:04.000000Z",
               "took_s": 0.2, "attempt": 1, "new": "member of a later engine"}],
    "undo": ["provision/create_account"], "debts": [], "approvals": [], "later": "member",
}  # fmt: skip


@event("partner.signed", version=1, key="company")
class PartnerSigned(BaseModel):
    company: str
    signed_by: str


class Plain(BaseModel):
    company: str


@pytest.fixture
def client(engine: FakeEngine) -> Any:
    with Client(engine.url, "secret") as made:
        yield made


def serve(engine: FakeEngine, method: str, path: str, status: int, answer: Any) -> list[Asked]:
    """Answer a route so; gives the list that its requests are put in."""
    asked: list[Asked] = []

    def route(one: Asked) -> tuple[int, Any]:
        asked.append(one)
        return status, answer

    engine.routes[method, path] = route
    return asked


def test_a_start_sends_its_idempotency_key(engine: FakeEngine, client: Client) -> None:
    started = {"id": COMMITMENT, "key": "acme", "run": 1, "status": "open", "created": True}
    asked = serve(engine, "POST", "/v1/commitments", 201, started)
    got = client.start(
        "partner-activation", PartnerSigned(company="acme", signed_by="s"), idempotency_key="k1"
    )
    assert (got.id, got.created) == (COMMITMENT, True)
    assert asked[0].headers["authorization"] == "Bearer secret"
    assert asked[0].headers["idempotency-key"] == "k1"
    assert asked[0].body == {
        "saga": "partner-activation", "input": {"company": "acme", "signed_by": "s"}
    }  # fmt: skip


def test_a_start_that_nobody_applied_yet_is_told_with_where_to_look(
    engine: FakeEngine, client: Client
) -> None:
    """It is durable: whoever takes it for a refusal and starts another has two."""
    later = {"status": "accepted", "receipt": "4711", "key": "acme", "follow": "/v1/sagas/s/keys/a"}
    serve(engine, "POST", "/v1/commitments", 202, later)
    with pytest.raises(EngineError) as silent:
        client.start("partner-activation", {"company": "acme"})
    assert (silent.value.code, silent.value.status) == ("TR709", 202)
    assert "accepted as 4711" in silent.value.detail
    assert "/v1/sagas/s/keys/a" in str(silent.value)


def test_an_event_model_travels_as_a_cloudevent(engine: FakeEngine, client: Client) -> None:
    answer = {"accepted": ["01J9ZK"], "status": "accepted", "follow": "/v1/x", "position": "1:0:7"}
    asked = serve(engine, "POST", "/v1/events", 202, answer)
    sent = client.send(
        PartnerSigned(company="acme", signed_by="signer-1"), id="01J9ZK", source="urn:example:crm",
        time=datetime(2026, 11, 30, 9, 41, tzinfo=UTC), correlationid="c1",
    )  # fmt: skip
    assert (sent.event_id, sent.status, sent.follow) == ("01J9ZK", "accepted", "/v1/x")
    assert asked[0].headers["content-type"] == "application/cloudevents+json"
    assert asked[0].body == {
        "specversion": "1.0", "id": "01J9ZK", "source": "urn:example:crm",
        "type": "partner.signed", "time": "2026-11-30T09:41:00+00:00", "correlationid": "c1",
        "data": {"company": "acme", "signed_by": "signer-1"},
    }  # fmt: skip


def test_an_event_by_name_gets_an_id_of_its_own(engine: FakeEngine, client: Client) -> None:
    asked = serve(engine, "POST", "/v1/events", 202, {"accepted": ["x"]})
    first, second = (client.send("partner.signed", {"company": "acme"}) for _ in range(2))
    assert first.event_id == asked[0].body["id"]
    assert first.event_id != second.event_id


def test_a_model_that_is_no_event_is_refused_before_it_is_sent(client: Client) -> None:
    with pytest.raises(TrothError, match="TR123"):
        client.send(Plain(company="acme"))


def test_a_batch_is_answered_one_by_one(engine: FakeEngine, client: Client) -> None:
    results = [{"id": "a", "status": "accepted"}, {"id": "b", "status": "refused", "code": "TR312"}]
    asked = serve(engine, "POST", "/v1/events", 202, {"results": results})
    assert client.publish([{"id": "a"}, {"id": "b"}]) == results
    assert asked[0].headers["content-type"] == "application/cloudevents-batch+json"


def test_the_current_step_is_typed(engine: FakeEngine, client: Client) -> None:
    """Members of a later engine do no harm; keys may hold a slash."""
    asked = serve(engine, "GET", "/v1/sagas/partner-activation/keys/acme/1", 200, STEP)
    step = client.step_of("partner-activation", key="acme/1", run=1, after="01J9ZK")
    assert isinstance(step, CurrentStep)
    assert (step.status, step.step, step.position) == ("waiting", "partner_signed", "1:0:18841")
    assert step.waits_for[0].kind == "event"
    assert step.nodes[0].took_s == 0.2
    assert step.since == datetime(2026, 11, 18, 9, 12, 8, tzinfo=UTC)
    assert not step.ended
    assert asked[0].query == {"run": "1", "after": "01J9ZK"}


def test_a_step_that_is_not_there_yet_is_waited_for(engine: FakeEngine, client: Client) -> None:
    answers = [problem(503, "TR431"), problem(503, "TR431"), (200, STEP)]
    engine.routes["GET", "/v1/commitments/" + COMMITMENT] = lambda asked: answers.pop(0)
    assert client.commitment(COMMITMENT, after="01J9ZK").version == 14


def test_never_an_old_answer(engine: FakeEngine, client: Client) -> None:
    """When the time is over the error says so; exit code 7 of the command line."""
    engine.routes["GET", "/v1/commitments/" + COMMITMENT] = lambda asked: problem(503, "TR431")
    with pytest.raises(EngineError) as caught:
        client.commitment(COMMITMENT, after="01J9ZK", timeout_s=0.05)
    assert caught.value.code == "TR431"
    assert exit_code_of(caught.value) == 7


def test_a_decision_carries_the_digest_that_was_seen(engine: FakeEngine, client: Client) -> None:
    answer = {
        "by": "legal-head", "actor_type": "human", "digest": "7c", "recorded": "1:0:9",
        "status": "seat_taken", "missing": ["function_head"],
    }  # fmt: skip
    asked = serve(engine, "POST", "/v1/approvals/a17/decision", 200, answer)
    got = client.decide("a17", "edit", digest="7c1e", reason="checked", payload={"limit": 5})
    assert got.missing == ["function_head"]
    assert asked[0].headers["if-match"] == '"7c1e"'
    assert asked[0].body == {"answer": "edit", "reason": "checked", "payload": {"limit": 5}}


def test_a_control_sends_what_was_given(engine: FakeEngine, client: Client) -> None:
    path = f"/v1/commitments/{COMMITMENT}/controls"
    asked = serve(engine, "POST", path, 202, {"status": "compensating"})
    client.control(
        COMMITMENT, "settle", reason="by hand", node="D-12", outcome="done", evidence=[1]
    )
    assert asked[0].body == {
        "action": "settle", "reason": "by hand", "node": "D-12", "outcome": "done", "evidence": [1]
    }  # fmt: skip


def test_a_saga_or_its_document_is_registered(engine: FakeEngine, client: Client) -> None:
    document = {"troth": 1, "saga": "s", "version": 3}
    answer = {"saga": "s", "version": 3, "hash": "18ae", "created": False}
    asked = serve(engine, "PUT", "/v1/definitions/s/3", 200, answer)

    class Traced:
        name = "s"

        def document(self) -> dict[str, Any]:
            return document

    assert client.register(document).created is False
    assert client.register(Traced()).hash == "18ae"
    assert [one.body for one in asked] == [document, document]


@pytest.mark.parametrize(
    ("ask", "path", "query"),
    [
        (lambda c: c.inbox(), "/v1/approvals", {"status": "open"}),
        (lambda c: c.debts(limit=5), "/v1/debts", {"status": "open", "limit": "5"}),
        (lambda c: c.parked(reason="finished"), "/v1/parked", {"reason": "finished"}),
        (lambda c: c.dead_letters(cursor="9"), "/v1/dead-letters",
         {"status": "open", "cursor": "9"}),
        (lambda c: c.list(status="waiting", key="a"), "/v1/commitments",
         {"status": "waiting", "key": "a"}),
        (lambda c: c.facts(), "/v1/facts", {}),
        (lambda c: c.facts(after="0:7,1:2", limit=9), "/v1/facts",
         {"after": "0:7,1:2", "limit": "9"}),
    ],
)  # fmt: skip
def test_lists_come_in_pages(
    engine: FakeEngine, client: Client, ask: Callable[[Client], Any], path: str, query: Any
) -> None:
    asked = serve(engine, "GET", path, 200, {"items": [{"id": "x"}], "next": "c2"})
    page = ask(client)
    assert (page.items, page.next) == ([{"id": "x"}], "c2")
    assert asked[0].query == query


def test_dead_letters_are_redriven_or_discarded(engine: FakeEngine, client: Client) -> None:
    one = serve(engine, "POST", "/v1/dead-letters/7/redrive", 202, {"status": "redriven"})
    other = serve(engine, "POST", "/v1/dead-letters/8/discard", 202, {"status": "discarded"})
    client.redrive(7, reason="corrected", event={"id": "e"})
    client.discard("8", reason="a test")
    assert one[0].body == {"reason": "corrected", "event": {"id": "e"}}
    assert other[0].body == {"reason": "a test"}


def test_follow_gives_every_event_until_the_end(engine: FakeEngine, client: Client) -> None:
    """Pages are joined, and an event is given once."""
    steps = [STEP, {**STEP, "status": "fulfilled"}]
    engine.routes["GET", "/v1/commitments/" + COMMITMENT] = lambda asked: (200, steps.pop(0))

    def history(asked: Asked) -> tuple[int, Any]:
        after = int(asked.query["after_version"])
        at = "2026-11-18T09:12:08.000000Z"
        events = [{"version": after + 1, "type": "node.done.v1", "at": at}] if after < 3 else []
        return 200, {"events": events, "next": after + 1 if after == 0 else None}

    engine.routes["GET", f"/v1/commitments/{COMMITMENT}/history"] = history
    assert [found.version for found in client.follow(COMMITMENT)] == [1, 2, 3]


def test_a_refusal_has_code_title_detail_and_what_to_do(engine: FakeEngine, client: Client) -> None:
    engine.routes["GET", "/v1/definitions/s/1"] = lambda asked: problem(
        409, "TR410", errors=[{"code": "TR201"}]
    )
    with pytest.raises(TrothError) as caught:
        client.definition("s", 1)
    error = caught.value
    assert isinstance(error, EngineError)
    assert (error.code, error.title, error.detail, error.do) == (
        "TR410", "title of TR410", "what happened", "do this"
    )  # fmt: skip
    assert error.errors == ({"code": "TR201"},)
    assert str(error) == "error TR410: title of TR410: what happened\n  do     do this"


@pytest.mark.parametrize(
    ("status", "code"),
    [(404, 3), (409, 4), (412, 4), (428, 4), (401, 5), (403, 5), (422, 2), (400, 2), (500, 6)],
)
def test_each_status_has_its_exit_code(
    engine: FakeEngine, client: Client, status: int, code: int
) -> None:
    engine.routes["GET", "/v1/definitions"] = lambda asked: problem(status, "TR999")
    with pytest.raises(EngineError) as caught:
        client.definitions()
    assert exit_code_of(caught.value) == code


def test_no_engine_is_a_clear_error(engine: FakeEngine, client: Client) -> None:
    engine.kill()
    with pytest.raises(EngineError) as caught:
        client.definitions()
    assert caught.value.code == "TR740"
    assert exit_code_of(caught.value) == 6
    assert "troth dev" in str(caught.value)


def test_something_else_at_the_address_is_a_clear_error(engine: FakeEngine, client: Client) -> None:
    """A proxy or another service answers: the error says that it is no engine."""
    engine.routes["GET", "/v1/definitions"] = lambda asked: (502, "gateway")
    with pytest.raises(EngineError, match="not from an engine"):
        client.definitions()


async def test_the_async_client_speaks_the_same(engine: FakeEngine) -> None:
    engine.routes["GET", "/v1/counts"] = lambda asked: (200, {"open": 3})
    async with AsyncClient(engine.url, tenant="north") as client:
        assert await client.counts() == {"open": 3}
    assert engine.seen[-1].headers["troth-tenant"] == "north"


def test_the_blocking_client_has_every_operation() -> None:
    """No twin is kept by hand, so none may be missing."""
    operations = {
        name for name, value in inspect.getmembers(People, inspect.iscoroutinefunction)
        if not name.startswith("_")
    }  # fmt: skip
    assert operations <= {name for name in vars(Client) if not name.startswith("_")}
    assert Client("http://x").start.__doc__ == AsyncClient.start.__doc__


def test_the_environment_says_where_the_engine_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TROTH_URL", "http://elsewhere:1/")
    with Client.from_env() as client:
        assert client.inner.url == "http://elsewhere:1"

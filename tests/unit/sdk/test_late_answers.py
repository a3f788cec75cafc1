"""Updates that answer when what they began is done: their form, and how a client waits for them."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from sagas.checks import check
from tests.unit.sdk.fake_engine import FakeEngine
from tests.unit.sdk.world import Order, Paid, check_stock, document_of
from troth import update, wait_for
from troth._client import Client
from troth._problems import EngineError, exit_code_of

ID = "5b1c9e07-1111-8222-8333-444455556666"
QUOTE = f"/v1/commitments/{ID}/updates/quote"
RUN = f"{QUOTE}@1"
BEGUN: Any = {
    "id": "k1", "status": "accepted", "answer": None, "run": "quote@1", "recorded": "1:0:41",
    "repeated": False, "follow": f"{QUOTE}%401?after_version=6",
}  # fmt: skip


class Ask(BaseModel):
    margin: int


@pytest.fixture
def client(engine: FakeEngine) -> Iterator[Client]:
    with Client(engine.url) as client:
        yield client


def test_its_answer_may_read_what_is_made_inside() -> None:
    def flow(order: Order) -> None:
        with update(
            "quote", Ask, answer=lambda ask: stock.count + ask.margin, answer_when="done"
        ) as ask:
            stock = check_stock(order, ask.margin)
        wait_for(Paid, order.number, within="2d")

    document = document_of(flow)
    (found,) = document["updates"]
    assert found["answer_when"] == "done"
    assert found["answer"] == "results.check_stock.count + args.margin"
    assert check(document) == []


def test_a_client_waits_for_the_answer(engine: FakeEngine, client: Client) -> None:
    said = [{"run": "quote@1", "status": "running"},
            {"run": "quote@1", "status": "done", "answer": {"price": 30}}]  # fmt: skip
    engine.routes["POST", QUOTE] = lambda asked: (202, BEGUN)
    engine.routes["GET", RUN] = lambda asked: (200, said.pop(0))
    assert client.update(ID, "quote", {"margin": 1}) == {"price": 30}
    assert engine.seen[-1].query["after_version"] == "6"


def test_what_is_answered_at_once_is_not_asked_again(engine: FakeEngine, client: Client) -> None:
    done = {"id": "k1", "status": "done", "answer": 3, "recorded": "1:0:41", "repeated": False}
    engine.routes["POST", QUOTE] = lambda asked: (200, done)
    assert client.update(ID, "quote", {"margin": 1}) == 3


def test_in_time_or_not(engine: FakeEngine, client: Client) -> None:
    """TR431, with the key under which to ask again; the command line ends with 7."""
    engine.routes["POST", QUOTE] = lambda asked: (202, BEGUN)
    engine.routes["GET", RUN] = lambda asked: (200, {"run": "quote@1", "status": "running"})
    with pytest.raises(EngineError, match="quote@1 is not done after 0 s") as caught:
        client.update(ID, "quote", {"margin": 1}, idempotency_key="mine", timeout_s=0)
    assert (caught.value.code, exit_code_of(caught.value)) == ("TR431", 7)
    assert "mine" in str(caught.value)


def test_stopped_it_has_no_answer(engine: FakeEngine, client: Client) -> None:
    engine.routes["POST", QUOTE] = lambda asked: (202, BEGUN)
    engine.routes["GET", RUN] = lambda asked: (200, {"run": "quote@1", "status": "stopped"})
    with pytest.raises(EngineError, match="TR464"):
        client.update(ID, "quote", {"margin": 1})

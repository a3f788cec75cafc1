"""A start that waits for what a node yields: the client and the command line."""

from typing import Any

import pytest

from tests.unit.sdk.fake_engine import FakeEngine
from troth._client import Client
from troth.cli._main import run

ID = "5b1c9e07-1111-8222-8333-444455556666"
OFFER = f"/v1/commitments/{ID}/results/offer"
RUNNING: Any = {"node": "offer", "status": "running"}
DONE: Any = {"node": "offer", "status": "done", "result": {"price": 3}}
STOPPED: Any = {"node": "offer", "status": "stopped"}


def started(until: Any) -> Any:
    said = {"id": ID, "key": "acme", "run": 1, "status": "open", "created": True, "until": until}
    return (202, {**said, "follow": OFFER}) if until == RUNNING else (201, said)


def test_the_engine_is_asked_to_wait(engine: FakeEngine) -> None:
    engine.routes["POST", "/v1/commitments"] = lambda asked: started(DONE)
    with Client(engine.url) as client:
        got = client.start("sales", {}, until="results.offer", timeout_s=3)
    assert got.until is not None
    assert (got.until.status, got.until.result) == ("done", {"price": 3})
    assert dict(engine.seen[-1].query) == {"until": "results.offer", "timeout_s": "3"}


def test_what_takes_longer_is_asked_on(engine: FakeEngine) -> None:
    said = [RUNNING, DONE]
    engine.routes["POST", "/v1/commitments"] = lambda asked: started(RUNNING)
    engine.routes["GET", OFFER] = lambda asked: (200, said.pop(0))
    with Client(engine.url) as client:
        got = client.start("sales", {}, until="results.offer", timeout_s=30)
    assert (got.until and got.until.result) == {"price": 3}


def test_not_in_time_it_is_running(engine: FakeEngine) -> None:
    engine.routes["POST", "/v1/commitments"] = lambda asked: started(RUNNING)
    engine.routes["GET", OFFER] = lambda asked: (200, RUNNING)
    with Client(engine.url) as client:
        got = client.start("sales", {}, until="results.offer", timeout_s=0)
        assert client.result(ID, "offer", timeout_s=0).status == "running"
    assert (got.until and got.until.status) == "running"


@pytest.mark.parametrize(
    ("until", "code", "told"),
    [(DONE, 0, 'offer done: {"price": 3}'), (RUNNING, 7, "offer running"),
     (STOPPED, 4, "offer stopped")],
)  # fmt: skip
def test_the_command_line_shows_it(
    engine: FakeEngine,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Any,
    until: Any,
    code: int,
    told: str,
) -> None:
    engine.routes["POST", "/v1/commitments"] = lambda asked: started(until)
    engine.routes["GET", OFFER] = lambda asked: (200, until)
    monkeypatch.setenv("TROTH_URL", engine.url)
    asked = ("start", "sales", "{}", "--until", "results.offer", "--timeout", "0")
    assert run(asked) == code
    assert told in capsys.readouterr().out

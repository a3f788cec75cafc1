"""The commands that talk to an engine: what they send, what they print, how they end."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from troth.cli import run
from troth.cli._main import hoisted

from .fake_engine import COMMITMENT, Asked, FakeEngine, problem
from .test_cli_screens import STEP

Cli = Callable[..., int]
KEY_PATH = "/v1/sagas/partner-activation/keys/acme"
STEP_HERE = {**STEP, "id": COMMITMENT, "approvals": ["a17"]}
REF = "partner-activation/acme"


@pytest.fixture
def cli(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cli:
    """Run a command against the fake engine, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TROTH_URL", engine.url)
    monkeypatch.setenv("TROTH_API_KEY", "secret")
    return lambda *arguments: run(arguments)


def serve(engine: FakeEngine, method: str, path: str, answer: Any, status: int = 200) -> list[Any]:
    """Answer a route; gives the list of what was asked."""
    asked: list[Asked] = []

    def route(one: Asked) -> tuple[int, Any]:
        asked.append(one)
        return status, answer

    engine.routes[method, path] = route
    return asked


def test_show_prints_the_screen_or_json(engine: FakeEngine, cli: Cli, capsys: Any) -> None:
    serve(engine, "GET", KEY_PATH, STEP_HERE)
    assert cli("show", REF) == 0
    assert "WAITING" in capsys.readouterr().out
    assert cli("show", REF, "--json") == 0
    assert json.loads(capsys.readouterr().out)["step"] == "partner_signed"


def test_a_run_and_an_id_name_a_commitment(engine: FakeEngine, cli: Cli) -> None:
    by_key = serve(engine, "GET", KEY_PATH, STEP_HERE)
    by_id = serve(engine, "GET", f"/v1/commitments/{COMMITMENT}", STEP_HERE)
    assert cli("show", f"{REF}#2", "--after", "01J") == 0
    assert cli("show", COMMITMENT) == 0
    assert by_key[0].query == {"run": "2", "after": "01J"}
    assert len(by_id) == 1


def test_the_beginning_of_an_id_is_enough_if_it_is_one(
    engine: FakeEngine, cli: Cli, capsys: Any
) -> None:
    """Pages are looked through; several that fit are an error that names them."""
    other = {**STEP_HERE, "id": "5b1c0000-0000-8000-8000-000000000009", "key": "hooli"}
    pages = {None: {"items": [STEP_HERE], "next": "2"}, "2": {"items": [other], "next": None}}
    engine.routes["GET", "/v1/commitments"] = lambda asked: (200, pages[asked.query.get("cursor")])
    assert cli("show", "5b1c9e") == 0
    assert cli("show", "5b1c") == 4
    assert "partner-activation/hooli#1" in capsys.readouterr().err
    assert cli("show", "ffff") == 3


@pytest.mark.parametrize("name", ["acme", "x", "/acme", "saga/"])
def test_what_can_name_nothing_is_not_found(cli: Cli, name: str, capsys: Any) -> None:
    assert cli("show", name) == 3
    assert "saga/key" in capsys.readouterr().err


def test_errors_say_code_what_and_do_without_a_stack_trace(
    engine: FakeEngine, cli: Cli, capsys: Any
) -> None:
    engine.routes["GET", KEY_PATH] = lambda asked: problem(404, "TR404")
    assert cli("show", REF) == 3
    said = capsys.readouterr().err
    assert said.splitlines() == [
        "error TR404: title of TR404: what happened", "  do     do this", "   troth explain TR404",
    ]  # fmt: skip
    assert cli("show", REF, "--json") == 3
    assert json.loads(capsys.readouterr().out)["code"] == "TR404"
    assert cli("show", REF, "--debug") == 3
    assert "Traceback" in capsys.readouterr().err


def test_no_engine_is_exit_6(engine: FakeEngine, cli: Cli, capsys: Any) -> None:
    engine.kill()
    assert cli("list") == 6
    assert "troth dev" in capsys.readouterr().err


def test_usage_is_exit_2(cli: Cli, capsys: Any) -> None:
    assert cli("show") == 2
    assert cli("start", "saga", "{not json") == 2
    assert "the input is not JSON" in capsys.readouterr().err
    assert cli("start", "saga", '{"a": {"b": 1, "b": 2}}') == 2
    assert "comes twice" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("code", "status", "kept"),
    [
        ("TR312", 422, "the event, as a dead letter"),
        ("TR703", 503, "everything that was acknowledged"),
        ("TR421", 409, "nothing of this"),
    ],
)
def test_a_refusal_says_what_was_kept(
    engine: FakeEngine, cli: Cli, capsys: Any, code: str, status: int, kept: str
) -> None:
    engine.routes["POST", "/v1/events"] = lambda _: problem(status, code)
    assert cli("send", "partner.signed", "{}") != 0
    told = capsys.readouterr().err
    assert f"  kept   {kept}" in told
    assert told.index("  kept") < told.index("troth explain")


def test_start_and_send_say_what_to_type_next(
    engine: FakeEngine, cli: Cli, capsys: Any, tmp_path: Path
) -> None:
    answer = {"id": COMMITMENT, "key": "acme", "run": 1, "status": "open", "created": True}
    started = serve(engine, "POST", "/v1/commitments", answer, 201)
    file = tmp_path / "input.json"
    file.write_text('{"company": "acme"}')
    assert cli("start", "partner-activation", f"@{file}", "--idempotency-key", "k1") == 0
    assert "started, open" in (said := capsys.readouterr().out)
    assert f"next: troth show {REF}#1" in said
    assert started[0].body["input"] == {"company": "acme"}
    accepted = {"accepted": ["01J"], "status": "accepted", "follow": f"{KEY_PATH}?after=01J"}
    sent = serve(engine, "POST", "/v1/events", accepted, 202)
    assert cli("send", "partner.signed", '{"company": "acme"}', "--id", "01J") == 0
    assert f"accepted   next: troth show {REF}" in capsys.readouterr().out
    assert (sent[0].body["id"], sent[0].body["type"]) == ("01J", "partner.signed")


def test_list_reads_pages(engine: FakeEngine, cli: Cli, capsys: Any) -> None:
    pages = {None: {"items": [STEP_HERE], "next": "2"}, "2": {"items": [STEP_HERE], "next": None}}
    engine.routes["GET", "/v1/commitments"] = lambda asked: (200, pages[asked.query.get("cursor")])
    assert cli("list", "--status", "waiting") == 0
    assert "--cursor 2" in capsys.readouterr().out
    assert cli("list", "--all", "--json") == 0
    assert len(json.loads(capsys.readouterr().out)["items"]) == 2


def history_of(engine: FakeEngine, count: int) -> None:
    def page(asked: Asked) -> tuple[int, Any]:
        after = int(asked.query["after_version"])
        events = [
            {"version": v, "type": "node.done.v1", "at": f"2026-11-30T09:0{v}:00Z",
             "text": f"line {v}", "prev_sha256": str(v - 1), "sha256": str(v)}
            for v in range(after + 1, min(after + 2, count) + 1)
        ]  # fmt: skip
        return 200, {"events": events, "next": after + 2 if after + 2 < count else None}

    engine.routes["GET", f"/v1/commitments/{COMMITMENT}/history"] = page


def test_history_is_the_whole_trail_or_up_to_a_time(
    engine: FakeEngine, cli: Cli, capsys: Any
) -> None:
    serve(engine, "GET", KEY_PATH, STEP_HERE)
    history_of(engine, 5)
    assert cli("history", REF) == 0
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 7
    assert said[-1] == " 5 events, each holds the hash of the one before"
    assert cli("history", REF, "--at", "2026-11-30T09:02:00Z", "--json") == 0
    assert [one["version"] for one in json.loads(capsys.readouterr().out)] == [1, 2]
    assert cli("history", REF, "--at", "yesterday") == 2


@pytest.mark.parametrize(("status", "code"), [("fulfilled", 0), ("compensated", 1)])
def test_watch_ends_with_the_commitment(
    engine: FakeEngine, cli: Cli, capsys: Any, status: str, code: int
) -> None:
    serve(engine, "GET", KEY_PATH, STEP_HERE)
    serve(engine, "GET", f"/v1/commitments/{COMMITMENT}", {**STEP_HERE, "status": status})
    history_of(engine, 3)
    assert cli("watch", REF, "--after", "1") == code
    said = capsys.readouterr().out
    assert "line 1" not in said
    assert "line 3" in said
    assert status.upper() in said


def test_watch_gives_up_after_its_time(engine: FakeEngine, cli: Cli) -> None:
    serve(engine, "GET", KEY_PATH, STEP_HERE)
    serve(engine, "GET", f"/v1/commitments/{COMMITMENT}", STEP_HERE)
    history_of(engine, 1)
    assert cli("watch", REF, "--timeout", "0") == 7


APPROVAL = {
    "id": "a17", "saga": "partner-activation", "key": "acme", "run": 1, "node": "gate/legal",
    "level": "A2", "digest": "7c1e90abcd", "due": None, "covers": [], "subject": None,
    "evidence": None, "missing": ["legal or finance"],
}  # fmt: skip


def test_a_decision_needs_the_digest_that_was_seen(
    engine: FakeEngine, cli: Cli, capsys: Any
) -> None:
    serve(engine, "GET", KEY_PATH, STEP_HERE)
    serve(engine, "GET", "/v1/approvals/a17", APPROVAL)
    answer = {
        "by": "legal-head", "actor_type": "human", "digest": "7c", "recorded": "1:0:9",
        "status": "seat_taken", "missing": ["function_head"],
    }  # fmt: skip
    asked = serve(engine, "POST", "/v1/approvals/a17/decision", answer)
    reason = ("--reason", "checked")
    assert cli("decide", REF, "legal", "approve", "--digest", "7c1e90", *reason) == 0
    assert "seat taken by legal-head   still wanted: function_head" in capsys.readouterr().out
    assert asked[0].headers["if-match"] == '"7c1e90abcd"'
    assert cli("decide", REF, "legal", "approve", "--digest", "000000") == 4
    assert cli("decide", REF, "legal", "approve", "--digest", "7") == 4
    assert cli("decide", REF, "board", "approve", "--digest", "7c1e90") == 3
    assert cli("decide", REF, "legal", "agree", "--digest", "7c1e90") == 2
    assert len(asked) == 1


def test_the_inbox_is_a_list(engine: FakeEngine, cli: Cli, capsys: Any) -> None:
    serve(engine, "GET", "/v1/approvals", {"items": [APPROVAL], "next": None})
    assert cli("inbox") == 0
    assert "troth decide partner-activation/acme#1 gate/legal approve" in capsys.readouterr().out


def test_controls_need_a_reason(engine: FakeEngine, cli: Cli, capsys: Any) -> None:
    serve(engine, "GET", KEY_PATH, STEP_HERE)
    path = f"/v1/commitments/{COMMITMENT}/controls"
    asked = serve(engine, "POST", path, {"status": "compensating"}, 202)
    for action in ("cancel", "pause", "resume"):
        assert cli(action, REF, "--reason", "r") == 0
    assert cli("retry", REF, "provision/create_account", "--reason", "r") == 0
    assert cli("cancel", REF) == 2
    assert [one.body["action"] for one in asked] == ["cancel", "pause", "resume", "retry"]
    assert asked[3].body["node"] == "provision/create_account"
    assert "cancel recorded, compensating" in capsys.readouterr().out


def test_what_is_held_is_released_by_resume(engine: FakeEngine, cli: Cli) -> None:
    serve(engine, "GET", KEY_PATH, {**STEP_HERE, "status": "held"})
    asked = serve(engine, "POST", f"/v1/commitments/{COMMITMENT}/controls", {"status": "open"}, 202)
    assert cli("resume", REF, "--reason", "corrected") == 0
    assert asked[0].body["action"] == "release"


def test_a_debt_is_settled_with_evidence(
    engine: FakeEngine, cli: Cli, tmp_path: Path, capsys: Any
) -> None:
    debt = {"id": "D-12", "commitment": COMMITMENT}
    serve(engine, "GET", "/v1/debts", {"items": [debt], "next": None})
    asked = serve(
        engine, "POST", f"/v1/commitments/{COMMITMENT}/controls", {"status": "compensated"}, 202
    )
    proof, note = tmp_path / "proof.json", tmp_path / "note.txt"
    proof.write_text('{"ticket": 812}')
    note.write_text("deleted by hand")
    assert cli("settle", "D-12", "--evidence", str(proof), "--reason", "r") == 0
    assert cli("settle", "D-12", "--evidence", str(note), "--reason", "r", "--not-done") == 0
    assert cli("settle", "D-13", "--evidence", str(note), "--reason", "r") == 3
    assert cli("settle", "D-12", "--evidence", "nowhere", "--reason", "r") == 2
    assert [one.body["outcome"] for one in asked] == ["done", "not_done"]
    assert asked[0].body["evidence"] == {"ticket": 812}
    assert asked[1].body["evidence"] == {"file": "note.txt", "text": "deleted by hand"}
    assert asked[0].body["node"] == "D-12"


LETTER = {
    "id": 7, "event_id": "01J9", "source": "urn:example:crm", "at": "2026-11-30T09:31:02Z",
    "seen": 1, "status": "open", "code": "TR312", "detail": "data.company must be a string",
    "raw": '{"id":"01J9","type":"partner.signed","data":{"company":42,"a":{"b":1}}}',
}  # fmt: skip


def test_a_dead_letter_is_shown_corrected_and_redriven(
    engine: FakeEngine, cli: Cli, capsys: Any
) -> None:
    serve(engine, "GET", "/v1/dead-letters", {"items": [LETTER], "next": None})
    serve(engine, "GET", "/v1/dead-letters/7", LETTER)
    asked = serve(engine, "POST", "/v1/dead-letters/7/redrive", {"status": "redriven"}, 202)
    away = serve(engine, "POST", "/v1/dead-letters/7/discard", {"status": "discarded"}, 202)
    assert cli("dead", "list") == 0
    assert cli("dead", "show", "7", "--raw") == 0
    assert '"company":42' in capsys.readouterr().out
    edits = ("--edit", 'company="acme"', "--edit", "a.b=2")
    assert cli("dead", "redrive", "7", *edits, "--reason", "r") == 0
    assert asked[0].body["event"]["data"] == {"company": "acme", "a": {"b": 2}}
    assert cli("dead", "redrive", "7", "--reason", "r") == 0
    assert "event" not in asked[1].body
    assert cli("dead", "redrive", "7", "--edit", "company", "--reason", "r") == 2
    assert cli("dead", "discard", "7", "--reason", "a test") == 0
    assert away[0].body == {"reason": "a test"}
    remedy = {"by": "ops-1", "reason": "a test", "at": "2026-11-30T09:31:02Z"}
    serve(engine, "GET", "/v1/dead-letters/7", {**LETTER, "status": "discarded", "remedy": remedy})
    capsys.readouterr()
    assert cli("dead", "show", "7") == 0
    assert "discarded by ops-1, 30 Nov 09:31:02 UTC: a test" in capsys.readouterr().out


def test_parked_and_debts_are_lists(engine: FakeEngine, cli: Cli, capsys: Any) -> None:
    serve(engine, "GET", "/v1/parked", {"items": [], "next": None})
    serve(engine, "GET", "/v1/debts", {"items": [], "next": None})
    assert cli("parked") == 0
    assert cli("debts") == 0
    assert capsys.readouterr().out.splitlines() == ["nothing is parked", "no debts"]


def test_options_of_every_command_may_stand_anywhere() -> None:
    assert hoisted(["show", "x", "--json", "--url", "u", "--api-key=k", "--after", "e"]) == [
        "--json", "--url", "u", "--api-key=k", "show", "x", "--after", "e"
    ]  # fmt: skip
    assert hoisted(["start", "s", "--", "--json"]) == ["start", "s", "--", "--json"]


def test_the_keys_of_dev_are_found_in_its_folder(
    engine: FakeEngine, cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any
) -> None:
    """In a project with `troth dev` commands need no setting; `--as` takes another key."""
    monkeypatch.delenv("TROTH_URL")
    monkeypatch.delenv("TROTH_API_KEY")
    (tmp_path / ".dev").mkdir()
    (tmp_path / ".dev" / "keys.json").write_text('{"keys": {"developer": "d", "legal": "l"}}')
    (tmp_path / ".dev" / "engine.json").write_text(json.dumps({"url": engine.url}))
    asked = serve(engine, "GET", "/v1/debts", {"items": [], "next": None})
    assert cli("debts") == 0
    assert cli("debts", "--as", "legal") == 0
    assert [one.headers["authorization"] for one in asked] == ["Bearer d", "Bearer l"]
    assert cli("debts", "--as", "board") == 5
    assert "developer, legal" in capsys.readouterr().err


def test_a_fault_of_our_own_is_told_with_its_code(
    engine: FakeEngine, cli: Cli, capsys: Any
) -> None:
    serve(engine, "GET", "/v1/debts", {"no": "page"})
    assert cli("debts") == 1
    said = capsys.readouterr().err
    assert "error TR999: ValidationError" in said
    assert "Traceback" not in said


def test_a_code_is_explained_without_an_engine(cli: Cli, engine: FakeEngine, capsys: Any) -> None:
    engine.kill()
    assert cli("explain", "TR201") == 0
    assert cli("explain", "def.no_approval") == 0
    first, second = capsys.readouterr().out.split("TR201 ")[1:]
    assert first == second
    assert cli("explain", "TR000") == 3


def test_the_table_of_codes_is_that_of_the_engine() -> None:
    """The SDK carries a copy; it is written from domain/error_table.py and never by hand."""
    from domain.errors import ALL
    from troth.cli._project import codes

    told = [{"code": c.number, "alias": c.alias, "status": c.status, "title": c.title, "do": c.do}
            for c in ALL]  # fmt: skip
    assert list(codes()) == told, "run: python -m tools.sdk_codes"

"""The commands that need no running engine: what they print, and how they say no."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from adapters.sqlite.offline import SqliteOffline
from engine.cli import run
from tests.integration.engine.world import engine_world

ROOT = Path(__file__).parents[3]
PARTNER = ROOT / "sagas/catalogue/partner_activation.v1.json"


class Terminal:
    """Runs commands in a folder of their own and keeps what they printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.out = self.err = ""

    def __call__(self, *arguments: str) -> int:
        code = run(list(arguments))
        self.out, self.err = self._capsys.readouterr()
        return code

    def json(self, *arguments: str) -> Any:
        self(*arguments, "--json")
        return json.loads(self.out)


@pytest.fixture
def terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Terminal:
    monkeypatch.chdir(tmp_path)
    return Terminal(capsys)


@pytest.mark.parametrize(
    ("arguments", "more", "code", "told"),
    [
        (("serve",), {}, 5, "TR712"),
        (("dev", "--listen", "0.0.0.0:0"), {}, 5, "TR713"),
        (("dev", "--listen", "example.org:80"), {}, 5, "TR713"),
        (("dev", "--listen", "here"), {}, 2, "TR714"),
        (("dev", "--clock", "sundial"), {}, 2, "TR714"),
        (("serve",), {"TROTH_LISTENN": "x"}, 2, "TR711"),
        (("serve",), {"TROTH_LANES": "many"}, 2, "TR714"),
        (("serve", "--store", "mysql://x"), {}, 2, "TR714"),
        (("verify",), {}, 3, "TR404"),
        (("verify", "nothing.ndjson"), {}, 3, "TR404"),
        (("export",), {}, 3, "TR404"),
        (("doctor",), {}, 3, "TR404"),
        (("check", "nothing.json"), {}, 3, "TR404"),
        (("keys", "revoke", "nobody"), {}, 3, "TR404"),
        (("keys", "add", "--role", "king"), {}, 2, "TR714"),
        (("keys", "add", "--role", "reader", "--seat", "legal"), {}, 2, "TR714"),
        (("migrate", "--lanes", "2"), {}, 4, "TR705"),
        (("nothing",), {}, 2, "No such command"),
        (("verify", "--fast"), {}, 2, "No such option"),
    ],
)
def test_every_error_says_its_code_place_and_remedy(
    terminal: Terminal,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    more: dict[str, str],
    code: int,
    told: str,
) -> None:
    for name, value in more.items():
        monkeypatch.setenv(name, value)
    assert (terminal(*arguments), told in terminal.err) == (code, True), terminal.err
    assert "Traceback" not in terminal.err
    if told.startswith("TR"):
        lines = terminal.err.splitlines()
        wanted = ("error TR", "  where  ", "  do     ", "  kept   ", "  more   ")
        assert all(line.startswith(start) for line, start in zip(lines, wanted, strict=True))


def test_errors_are_data_with_json_and_have_a_trace_with_debug(terminal: Terminal) -> None:
    terminal("verify", "--json")
    assert json.loads(terminal.err)["code"] == "TR404"
    terminal("verify", "--debug")
    assert "Traceback" in terminal.err


def test_a_fault_of_ours_is_tr999(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sees it at a terminal learns what to send, not where we stumbled."""

    def stumble(*_: Any) -> Any:
        raise ZeroDivisionError("of all things")

    monkeypatch.setattr("engine.cli_keys.read_settings", stumble)
    assert terminal("keys", "list") == 1
    assert "TR999" in terminal.err
    assert "Traceback" not in terminal.err


def test_a_damaged_file_is_said_by_every_command(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "troth.db").write_bytes(b"not a database, but long enough for one" * 200)
    for arguments in (("verify",), ("doctor",), ("export",), ("migrate",)):
        assert (terminal(*arguments), "TR702" in terminal.err) == (1, True), terminal.err


def test_settings_are_shown_with_their_origin(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "troth.toml").write_text("lease_s = 12\n")
    monkeypatch.setenv("TROTH_DRAIN_TIMEOUT_S", "3")
    given = ("serve", "--print-settings", "--listen", "127.0.0.1:9")
    shown = {row["name"]: (row["value"], row["origin"]) for row in terminal.json(*given)}
    assert shown["lease_s"] == (12.0, "troth.toml")
    assert shown["drain_timeout_s"] == (3.0, "TROTH_DRAIN_TIMEOUT_S")
    assert shown["listen"] == ("127.0.0.1:9", "command line")
    assert shown["store_url"] == ("sqlite:///troth.db", "default")
    assert terminal(*given) == 0
    assert "troth.toml" in terminal.out


def test_a_key_is_shown_once_listed_without_its_text_and_revoked(terminal: Terminal) -> None:
    key = terminal.json("keys", "add", "--role", "approver", "--seat", "legal", "--tenant", "north")
    assert (key["seats"], key["actor_type"]) == (["legal"], "human")
    assert key["key"].startswith("troth_")
    assert terminal("keys", "add", "--role", "approver", "--seat", "legal") == 0
    (first, second) = terminal.json("keys", "list")
    assert (first["name"], second["name"]) == ("approver-legal", "approver-legal-2")
    assert terminal("keys", "revoke", first["id"]) == 0
    assert terminal("keys", "revoke", first["id"]) == 3
    assert terminal.json("keys", "list")[0]["revoked"] is not None
    assert terminal("keys", "list") == 0
    assert key["key"] not in terminal.out


def test_check_tells_faults_with_their_place(terminal: Terminal, tmp_path: Path) -> None:
    assert (terminal("check", str(PARTNER)), terminal.out[0]) == (0, "✓")
    (told,) = terminal.json("check", str(PARTNER))
    assert told["gates"] == {"activate": "legal(A2)"}
    assert told["undo"] == ["crm/activate@1:undo", "crm/create-account@1:undo"]
    document = json.loads(PARTNER.read_text())
    document["contracts"]["crm/create-account@1"].pop("S")
    bad = tmp_path / "bad.json"
    bad.write_text(json.dumps(document))
    assert terminal("check", str(PARTNER), str(bad)) == 1
    assert "error TR203" in terminal.out
    assert "  do     " in terminal.out
    assert terminal.json("check", str(bad))[0]["faults"][0]["code"] == "TR203"
    bad.write_text("{")
    assert (terminal("check", str(bad)), "TR400" in terminal.err) == (1, True)


def test_migrate_makes_a_store_that_the_other_commands_read(terminal: Terminal) -> None:
    assert (terminal("migrate"), "from nothing" in terminal.out) == (0, True)
    assert (terminal("migrate"), "is there already" in terminal.out) == (0, True)
    assert terminal("verify") == 0
    assert terminal("doctor") == 0
    assert (terminal("export"), "TR404" in terminal.err) == (3, True)


async def test_what_doctor_finds_is_told_with_its_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What no engine may leave behind: an overdue lease, a commitment that nothing wakes."""
    terminal = Terminal(capsys)
    async with engine_world(tmp_path) as world:
        await world.register()
        await world.publish("partner.applied", {"company": "acme"}, "e1")
        await world.claim("registry")
    store = ("--store", f"sqlite:///{tmp_path / 'troth.db'}")
    assert (terminal("doctor", *store), "FAIL" in terminal.out) == (0, False)
    with closing(sqlite3.connect(tmp_path / "troth.db")) as db:
        db.execute("UPDATE dispatches SET lease_until_us = 1")
        db.commit()
        assert terminal("doctor", *store) == 1
        assert "FAIL 6 leases are swept" in terminal.out
        assert "partner-activation/acme#1" in terminal.out
        db.execute("DELETE FROM dispatches")
        db.execute("DELETE FROM timers")
        db.execute("UPDATE lanes SET head = head + 1")
        db.commit()
    assert terminal("doctor", *store) == 1
    assert "FAIL 6 every commitment has a next wake-up" in terminal.out
    assert "FAIL 2 9 chain of the newest events" in terminal.out
    assert "  do   troth retry" in terminal.out
    found = {one["check"]: one["ok"] for one in terminal.json("doctor", *store)}
    assert found["6 every commitment has a next wake-up"] is False
    assert found["13 no stream is parked"] is True


async def test_an_export_is_of_what_was_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = Terminal(capsys)
    async with engine_world(tmp_path) as world:
        await world.register()
        await world.publish("partner.applied", {"company": "acme"}, "e1")
        current = await world.step()
    store = ("--store", f"sqlite:///{tmp_path / 'troth.db'}")
    for named in ("partner-activation/acme", "partner-activation/acme#1", current["id"]):
        path = tmp_path / "one.ndjson"
        assert terminal("export", named, *store, "--tenant", "north", "-o", str(path)) == 0
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        assert {line["stream"] for line in lines} == {current["id"]}
        assert len(lines) == current["version"] + 1
        assert terminal("verify", str(path)) == 0
    for named in ("partner-activation/other", "partner-activation/acme#2", "nonsense"):
        assert terminal("export", named, *store) == 3
    assert terminal("export", "partner-activation/acme", *store, "--tenant", "south") == 3
    assert terminal("export", "--lane", "1", *store) == 3
    with closing(SqliteOffline(store[1])) as opened:
        assert opened.damage() == []

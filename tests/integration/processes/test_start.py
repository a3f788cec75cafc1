"""What a process says when it cannot be as it was told, and what each of them answers."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.integration.processes.world import LANES, Site, Speaker, site, until

Json = Any
COMMANDS = (
    ("serve", "--keys-file", "keys.jsonl"),
    ("serve", "--with-lanes", "--keys-file", "keys.jsonl"),
    ("work",),
    ("work", "--processes", "2"),
)
LISTEN = ("--listen", "127.0.0.1:0")


@pytest.fixture
def empty(tmp_path: Path, fresh_database: str) -> Any:
    with site(tmp_path, fresh_database) as found:
        yield found


def said(here: Site, *command: str, **settings: str) -> tuple[int, str, str]:
    """Exit code, code and detail of a command that refuses to start."""
    ended = here.run(*command, *LISTEN, "--json", **settings)
    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    told = next(line for line in lines if "alias" in line)
    return ended.returncode, told["alias"], told["detail"]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_tables_that_are_missing_are_made_by_migrate_alone(
    empty: Site, command: tuple[str, ...]
) -> None:
    code, alias, detail = said(empty, *command)
    assert (code, alias) == (4, "store.format")
    assert "run `troth-engine migrate`" in detail


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_another_number_of_lanes_is_refused_with_the_way_to_it(
    here: Site, command: tuple[str, ...]
) -> None:
    code, alias, detail = said(here, *command, TROTH_LANES=str(LANES + 1))
    assert (code, alias) == (4, "store.lanes")
    assert f"has {LANES} lanes, not {LANES + 1}" in detail
    assert "run `troth-engine copy --to URL --lanes N`" in detail


def test_migrate_and_dev_refuse_another_number_of_lanes(here: Site) -> None:
    for command in (("migrate",), ("dev", *LISTEN, "--store", here.store)):
        ended = here.run(*command, TROTH_LANES=str(LANES + 1))
        assert ended.returncode == 4, ended.stderr
        assert ended.stderr.startswith("error TR705 store.lanes:")


@pytest.mark.parametrize(
    "command",
    [*COMMANDS[:3], ("migrate",), ("dev",), ("verify",), ("doctor",)],
    ids=" ".join,
)
def test_a_database_that_cannot_be_reached_is_named_without_its_password(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    store = f"postgresql://troth:secret@127.0.0.1:{port}/troth"
    with site(tmp_path, store) as here:
        listen = LISTEN if command[0] in {"serve", "work", "dev"} else ()
        given = ("--store", store) if command[0] == "dev" else ()
        ended = here.run(*command, *listen, *given)
    assert ended.returncode == 6, ended.stderr
    assert "error TR715 store.gone:" in ended.stderr
    assert f"127.0.0.1:{port}/troth" in ended.stderr
    assert "secret" not in ended.stderr + ended.stdout


def test_a_port_in_use_is_said_before_the_store_is_touched(here: Site) -> None:
    api = here.serve()
    address = api.url.removeprefix("http://")
    for command in (("serve", "--keys-file", "keys.jsonl"), ("work",)):
        ended = here.run(*command, "--listen", address, "--json")
        assert ended.returncode == 4
        assert json.loads(ended.stderr.splitlines()[-1])["alias"] == "port.in_use"
    assert here.rows("processes") == 1


def test_two_engines_on_a_store_of_one_lane_share_what_there_is(empty: Site) -> None:
    """One owns the lane and the other passes on; when the owner goes the other has it."""
    empty.migrate(1)
    first = empty.serve("--with-lanes")
    until(lambda: empty.shares(first) == [1])
    second = empty.serve("--with-lanes")
    with Speaker(first.url, empty.keys) as one, Speaker(second.url, empty.keys) as other:
        assert one.register().status_code == 201
        assert other.begin("acme").status_code == 201
        assert empty.shares(first, second) == [1, 0]
        again = other.begin("acme")
        assert (again.status_code, again.json()["alias"]) == (409, "start.conflict")
        assert one.step("acme")["run"] == 1
        assert first.end() == 0
        until(lambda: empty.shares(second) == [1])
        assert other.begin("hooli").status_code == 201
    assert empty.is_gapless()


def test_a_process_for_lanes_says_how_it_is_and_nothing_else(here: Site) -> None:
    worker = here.work()
    until(lambda: here.is_shared(worker))
    with Speaker(worker.url, here.keys) as speaker:
        assert speaker.http.get("/healthz").json() == {"alive": True}
        ready = speaker.http.get("/readyz")
        assert (ready.status_code, len(ready.json()["lanes"])) == (200, LANES)
        assert "troth_lane_head{" in speaker.http.get("/metrics").text
        for found in (
            speaker.begin("acme"),
            speaker.call("reader", "GET", "/v1/commitments"),
            speaker.http.get("/v1/approvals"),
            speaker.http.get("/docs"),
        ):
            assert (found.status_code, found.json()["alias"]) == (404, "http.not_found")
            assert "troth-engine serve" in found.json()["detail"]


def test_an_api_without_lanes_is_ready_and_owns_none(here: Site) -> None:
    api = here.serve()
    status, told = api.readiness()
    assert (status, told["lanes"]) == (200, [])
    assert api.end() == 0
    assert [line["action"] for line in api.logged()] == [
        "lanes_opened",
        "engine_started",
        "engine_draining",
        "engine_stopped",
    ]
    assert here.rows("processes") == 0

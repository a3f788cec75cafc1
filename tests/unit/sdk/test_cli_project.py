"""Commands of a project: check, compile, register, worker, dev; the engine is a script."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from troth._problems import EngineError
from troth.cli import run
from troth.cli._engine import check_documents, find_engine

from .fake_engine import Asked, FakeEngine, problem

Cli = Callable[..., int]

APP = """
    from pydantic import BaseModel
    from troth import App, Participant, event, saga

    @event("partner.applied", version=1, key="company")
    class PartnerApplied(BaseModel):
        company: str

    registry = Participant("registry")

    @registry.step("check-company")
    def check_company(applied: PartnerApplied) -> str:
        return applied.company

    @saga("partner-activation", version=1, starts_on=PartnerApplied)
    def activation(applied: PartnerApplied) -> str:
        return check_company(applied)

    app = App(sagas=[activation], participants=[registry])
"""

ENGINE = """\
#!{python}
import json, signal, sys
if sys.argv[1] == "check":
    faults = [{{"code": "TR205", "message": "nothing", "file": "partner.py", "line": 3,
               "node": "check_company", "do": "pass it"}}] if {faults} else []
    found = [{{"file": one, "faults": faults, "hash": "18aee480aa", "gates": {gates},
              "undo": {undo}}} for one in sys.argv[3:]]
    print(json.dumps(found))
    sys.exit(1 if faults else 0)
if {broken}:
    print("the port is in use", file=sys.stderr)
    sys.exit(4)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
told = {{"url": "{url}", "store": "x.db", "keys": {{"developer": "d", "participant": "p"}}}}
print(json.dumps(told),
      flush=True)
signal.pause()
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with an app, that is the current one."""
    (tmp_path / "partner.py").write_text(textwrap.dedent(APP))
    (tmp_path / "pyproject.toml").write_text('[tool.troth]\napp = "partner:app"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    sys.modules.pop("partner", None)
    yield tmp_path
    sys.modules.pop("partner", None)


@pytest.fixture
def cli(engine: FakeEngine, project: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Run a command in the project, with a troth-engine that finds no fault."""
    use_engine(project, monkeypatch, url=engine.url)
    monkeypatch.setenv("TROTH_URL", engine.url)

    def command(*arguments: str) -> int:
        sys.modules.pop("partner", None)
        return run(arguments)

    return command


def use_engine(
    project: Path, monkeypatch: pytest.MonkeyPatch, *, faults: bool = False, broken: bool = False,
    url: str = "", gates: Any = (), undo: Sequence[Any] = (),
) -> None:  # fmt: skip
    script = project / "troth-engine"
    script.write_text(
        ENGINE.format(
            python=sys.executable, faults=faults, broken=broken, url=url, gates=dict(gates),
            undo=list(undo),
        )
    )  # fmt: skip
    script.chmod(0o755)
    monkeypatch.setenv("TROTH_ENGINE", str(script))


def test_check_traces_and_asks_the_engines_rules(cli: Cli, project: Path, capsys: Any) -> None:
    assert cli("check") == 0
    assert capsys.readouterr().out == "✓ partner-activation v1 18aee480\n"
    assert cli("check", "partner:app", "--json") == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["saga"], told["faults"]) == ("partner-activation", [])
    assert not (project / "definitions").exists()


def test_check_tells_what_a_saga_asks_for_and_undoes(
    cli: Cli, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """Undos are told by their functions; one of another app by its contract."""
    undo = """
    @registry.effect("open", "A0", "R1", "S0")
    def open_(fx: Effect) -> str:
        return fx.key

    @open_.undo
    def close_again(fx: Effect, opened: str) -> None:
        print(fx.key, opened)
"""
    text = APP.replace("\n    @saga(", f"{undo}\n    @saga(").replace("App,", "App, Effect,")
    (project / "partner.py").write_text(textwrap.dedent(text))
    use_engine(
        project, monkeypatch, gates={"pay": "legal(A2)", "ship": "legal(A2)"},
        undo=["registry/open@1:undo", "bank/pay@1:undo"],
    )  # fmt: skip
    assert cli("check") == 0
    promises = "gate legal(A2) covers pay, ship   undo order close-again, bank/pay@1:undo"
    assert capsys.readouterr().out == f"✓ partner-activation v1 18aee480   {promises}\n"


def test_a_fault_has_its_line_and_what_to_write(
    cli: Cli, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    use_engine(project, monkeypatch, faults=True)
    assert cli("check") == 1
    assert capsys.readouterr().out.splitlines() == [
        "error TR205: nothing",
        (
            "  where  partner.py:3   partner-activation v1 / check_company"
            "   | from troth import App, Participant, event, saga"
        ),
        "  write  pass it",
        "✗ 1 fault · nothing was registered · troth explain TR205 · docs/errors.md#TR205",
    ]


def test_a_saga_that_cannot_be_traced_is_told_beside_the_others(
    cli: Cli, project: Path, capsys: Any
) -> None:
    (project / "partner.py").write_text(
        textwrap.dedent(APP).replace("return check_company(applied)", "if applied: pass")
    )
    assert cli("check") == 1
    assert "error TR120" in capsys.readouterr().out


def test_what_the_apps_own_import_raises_names_its_line(
    cli: Cli, project: Path, capsys: Any
) -> None:
    (project / "partner.py").write_text("\nimport nowhere_to_be_found\n")
    assert cli("check") == 3
    said = capsys.readouterr().err
    assert "TR125: importing the app raised ModuleNotFoundError" in said
    assert "partner.py:2" in said


def test_compile_freezes_a_version(cli: Cli, project: Path, capsys: Any) -> None:
    """The file holds the definition without lines; another content needs another version."""
    assert cli("compile") == 0
    file = project / "definitions" / "partner-activation.v1.json"
    frozen = json.loads(file.read_text())
    assert frozen["saga"] == "partner-activation"
    assert "source" not in frozen
    assert cli("compile") == 0
    assert "= definitions/partner-activation.v1.json" in capsys.readouterr().out
    (project / "partner.py").write_text("\n\n" + textwrap.dedent(APP))
    assert cli("check") == 0
    changed = textwrap.dedent(APP).replace("check-company", "look-up")
    (project / "partner.py").write_text(changed)
    before = file.read_text()
    assert cli("check") == 1
    assert cli("compile") == 1
    assert "error TR130" in capsys.readouterr().out
    assert file.read_text() == before


def test_check_against_an_engine_says_what_runs_there(
    engine: FakeEngine, cli: Cli, capsys: Any
) -> None:
    path = "/v1/definitions/partner-activation/1"
    registered: dict[str, Any] = {}

    def put(asked: Asked) -> tuple[int, Any]:
        registered.update(asked.body)
        return 201, {"saga": "s", "version": 1, "hash": "99887766aa", "created": True}

    def get(asked: Asked) -> tuple[int, Any]:
        if not registered:
            return problem(404, "TR404")
        return 200, {"hash": "99887766aa", "document": registered}

    engine.routes["PUT", path], engine.routes["GET", path] = put, get
    listed = [{"saga": "partner-activation", "version": 1}]
    engine.routes["GET", "/v1/definitions"] = lambda asked: (
        200, {"items": listed if registered else [], "next": None}
    )  # fmt: skip
    counts(engine, waiting=30, paused=7, fulfilled=900)
    assert cli("check", "--against", engine.url) == 0
    assert "not registered yet" in capsys.readouterr().out
    assert cli("register") == 0
    assert capsys.readouterr().out == "✓ partner-activation v1 99887766   registered\n"
    assert cli("check", "--against", engine.url) == 0
    told = "99887766   registered   37 running, all steps served"
    assert told in capsys.readouterr().out
    registered["flow"] = []
    assert cli("check", "--against", engine.url) == 1
    assert "error TR410" in capsys.readouterr().out


def counts(engine: FakeEngine, **status: int) -> None:
    engine.routes["GET", "/v1/counts"] = lambda asked: (200, {"status": status, "steps": {}})


def test_a_step_that_a_running_version_needs_must_be_served(
    engine: FakeEngine, cli: Cli, capsys: Any
) -> None:
    """Its function went with the flow, and commitments of the old version will come to it."""
    old = {"registry/look-up@1": {"participant": "registry"}, "bank/pay@1": {"participant": "bank"}}
    here = "/v1/definitions/partner-activation"
    engine.routes["GET", f"{here}/1"] = lambda asked: problem(404, "TR404")
    engine.routes["GET", f"{here}/7"] = lambda asked: (200, {"document": {"contracts": old}})
    listed = [{"saga": "partner-activation", "version": 7}]
    engine.routes["GET", "/v1/definitions"] = lambda asked: (200, {"items": listed, "next": None})
    rows = [{"status": "fulfilled", "saga_version": 7}]
    engine.routes["GET", "/v1/commitments"] = lambda asked: (200, {"items": rows, "next": None})
    counts(engine, waiting=1)
    assert cli("check", "--against", engine.url) == 0
    rows.append({"status": "waiting", "saga_version": 7})
    assert cli("check", "--against", engine.url) == 1
    said = capsys.readouterr().out
    assert "TR131: registry/look-up@1 is served by nothing here, and partner-activation v7" in said
    assert "bank/pay" not in said


def test_definition_files_are_checked_without_an_app(
    cli: Cli, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    assert cli("compile") == 0
    (project / "definitions" / "torn.json").write_text('{"troth": 1')
    assert cli("check", "definitions/partner-activation.v1.json") == 0
    assert cli("check", "definitions") == 1
    said = capsys.readouterr().out
    assert "✓ partner-activation v1 18aee480" in said
    assert "error TR229: it is not JSON" in said
    assert "  where  definitions/torn.json:1" in said
    (project / "empty").mkdir()
    assert cli("check", "empty") == 3
    assert cli("check", "definitions", "partner:app") == 2


def test_a_plan_of_undoing_shows_its_blocks(
    cli: Cli, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    beside = {"beside": [["a@1:undo", "b@1:undo"], [{"one_of": [["c@1:undo"], ["d@1:undo"]]}]]}
    loop = {"rounds": "touches", "plan": ["e@1:undo"]}
    use_engine(project, monkeypatch, undo=[beside, loop, {"items": "xs", "plan": ["f@1:undo"]}])
    assert cli("check") == 0
    assert capsys.readouterr().out.endswith(
        "undo order (a@1:undo, b@1:undo beside (c@1:undo or d@1:undo)), "
        "(each round of touches, the last first: e@1:undo), (each of xs: f@1:undo)\n"
    )


def test_register_tells_the_faults_the_engine_found(
    engine: FakeEngine, cli: Cli, capsys: Any
) -> None:
    fault = {"code": "TR201", "message": "no decision", "node": "activate", "do": "approve"}
    path = "/v1/definitions/partner-activation/1"
    engine.routes["PUT", path] = lambda asked: problem(422, "TR201", errors=[fault])
    assert cli("register") == 1
    said = capsys.readouterr().out
    assert "error TR201: no decision" in said
    assert "partner-activation v1 / activate" in said


def test_an_engine_that_is_nowhere_is_exit_6(
    cli: Cli, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv("TROTH_ENGINE", str(project / "nothing"))
    assert cli("check") == 6
    assert "TR742" in capsys.readouterr().err


def test_the_engine_is_found_in_path_or_beside(tmp_path: Path) -> None:
    for place in (tmp_path / "bin", tmp_path / ".venv" / "bin"):
        place.mkdir(parents=True)
        (place / "troth-engine").write_text("#!/bin/sh\n")
        (place / "troth-engine").chmod(0o755)
    in_path = str(tmp_path / "bin" / "troth-engine")
    assert find_engine({"PATH": str(tmp_path / "bin")}, tmp_path) == in_path
    assert find_engine({"TROTH_ENGINE": in_path, "PATH": ""}, tmp_path) == in_path


def test_an_engine_that_gives_no_answer_is_told(tmp_path: Path) -> None:
    script = tmp_path / "engine"
    script.write_text("#!/bin/sh\necho broken >&2\nexit 3\n")
    script.chmod(0o755)
    with pytest.raises(EngineError, match="broken"):
        check_documents(str(script), [tmp_path / "x.json"])


def test_an_engine_that_does_not_start_says_its_last_words(
    cli: Cli, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    use_engine(project, monkeypatch, broken=True)
    assert cli("dev") == 6
    assert "the port is in use" in capsys.readouterr().err


def test_an_engine_that_does_not_start_says_its_own_error(
    cli: Cli, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """What the engine tells as data is told as an error of this command."""
    script = project / "troth-engine"
    told = {"code": "TR710", "title": "The port is in use", "detail": "x:1", "do": "another"}
    script.write_text(f"#!/bin/sh\necho '{json.dumps(told)}' >&2\nexit 4\n")
    assert cli("dev") == 4
    assert "error TR710: The port is in use: x:1" in capsys.readouterr().err


def test_dev_registers_works_and_restarts_on_a_change(
    engine: FakeEngine, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One command: sagas are registered, steps run, a changed file runs anew; a signal ends it."""
    use_engine(project, monkeypatch, url=engine.url)
    answer = {"saga": "partner-activation", "version": 1, "hash": "18aee480", "created": True}
    engine.routes["PUT", "/v1/definitions/partner-activation/1"] = lambda asked: (201, answer)
    with subprocess.Popen(
        [sys.executable, "-m", "troth.cli", "dev"],
        cwd=project, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ},
    ) as process:  # fmt: skip
        try:
            first = step(engine, "acme")
            changed = textwrap.dedent(APP).replace(
                "return applied.company", "return applied.company.upper()"
            )
            (project / "partner.py").write_text(changed)
            engine.wait(lambda: engine.calls["1"] == 2)
            second = step(engine, "hooli")
        finally:
            process.send_signal(signal.SIGTERM)
            out, said = process.communicate(timeout=30)
    assert (first["result"], second["result"]) == ("acme", "HOOLI"), said
    keys = {one.headers["authorization"] for one in engine.seen if one.path.endswith("/claims")}
    registering = {one.headers["authorization"] for one in engine.seen if one.method == "PUT"}
    assert (keys, registering) == ({"Bearer p"}, {"Bearer d"})
    assert process.returncode == 0
    assert re.search(r"engine   http://127.0.0.1:\d+/docs", out)
    assert "✓ partner-activation v1 18aee480   registered" in out
    assert "changed  partner.py" in out
    assert not (project / ".dev" / "engine.json").exists()


def step(engine: FakeEngine, company: str) -> dict[str, Any]:
    """Offer a step and wait for its reply."""
    effect = engine.offer("registry/check-company@1", {"applied": {"company": company}})
    return engine.wait(
        lambda: next((one for one in engine.replies if one["effect"] == effect), None), 20.0
    )

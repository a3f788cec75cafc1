"""`troth check` with the real engine as its child: the catalogue, and a wrong one for each rule."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from domain.errors import CODES
from troth.cli import run

ROOT = Path(__file__).resolve().parents[3]
WRONG = "tests/definitions/wrong"


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("TROTH_ENGINE", str(Path(sys.executable).parent / "troth-engine"))


def test_every_saga_of_the_catalogue_passes_and_is_drawn(tmp_path: Path, capsys: Any) -> None:
    assert run(["check", "sagas/catalogue", "--draw", str(tmp_path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found) == len(list((ROOT / "sagas/catalogue").glob("*.json")))
    for one in found:
        name = f"{one['saga']}.v{one['version']}"
        assert {Path(file).name for file in one["drawn"]} == {f"{name}.svg", f"{name}.mmd"}
        assert all(Path(file).stat().st_size for file in one["drawn"])


def test_the_catalogue_tells_its_gates_and_what_it_undoes(capsys: Any) -> None:
    assert run(["check", "sagas/catalogue/partner_activation.v1.json"]) == 0
    said = capsys.readouterr().out
    assert re.match(
        r"✓ partner-activation v1 [0-9a-f]{8}   gate legal\(A2\) covers activate ", said
    )
    assert "   undo order crm/activate@1:undo, crm/create-account@1:undo\n" in said


def test_every_wrong_definition_has_its_code_its_place_and_what_to_write(capsys: Any) -> None:
    """Code and what happened; file, line, saga and node; what to write; what was kept."""
    assert run(["check", WRONG]) == 1
    *lines, last = capsys.readouterr().out.splitlines()
    told = dict[str, str]()
    for error, where, write in zip(lines[::3], lines[1::3], lines[2::3], strict=True):
        code = re.fullmatch(r"error (TR\d+): \S.*", error)
        place = re.fullmatch(rf"  where  {WRONG}/(\S+)\.json(:\d+)?   \S.*", where)
        assert code, error
        assert place, where
        assert re.fullmatch(r"  write  \S.*", write), write
        told[place[1]] = code[1]
        if " / " in where and place[2]:
            assert "   | " in where, "the line of the definition is shown"
    expected = {file.stem: file.stem for file in (ROOT / WRONG).glob("*.json")}
    assert told == {
        name: CODES[".".join(name.split(".")[:2])].number for name in expected
    }  # fmt: skip
    faults = f"✗ {len(expected)} faults · nothing was registered · troth explain TR"
    assert last.startswith(faults)


def test_a_definition_that_is_a_fault_of_form_only_is_exit_1(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "empty.json").write_text("{}")
    assert run(["check", str(tmp_path)]) == 1
    assert "error TR229" in capsys.readouterr().out

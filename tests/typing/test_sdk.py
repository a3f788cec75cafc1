"""An editor finds what is wrong in a saga, and nothing in one that is right."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
CHECK_TIMEOUT_S = 100

# Argument of another type, no such attribute, missing argument (twice), argument of another type,
# a policy that R2 may not have, an undo of another result, an event without a key.
WRONG_LINES = [8, 9, 10, 11, 13, 15, 18, 21]


def checked(tmp_path: Path, paths: list[Path], mode: str) -> list[dict[str, Any]]:
    """What the type checker says about files or folders."""
    config = {
        "typeCheckingMode": mode,
        "pythonVersion": "3.11",
        "include": [str(path) for path in paths],
        "extraPaths": [str(ROOT), str(ROOT / "sdk" / "src")],
        "venvPath": str(Path(sys.prefix).parent),
        "venv": Path(sys.prefix).name,
    }
    project = tmp_path / "pyrightconfig.json"
    project.write_text(json.dumps(config), "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "basedpyright", "-p", str(project), "--outputjson"],
        capture_output=True,
        text=True,
        timeout=CHECK_TIMEOUT_S,
        check=False,
    )
    found = json.loads(done.stdout)
    assert found["summary"]["filesAnalyzed"] > 0, done.stdout
    return found["generalDiagnostics"]


def errors_in(tmp_path: Path, path: str, mode: str) -> list[tuple[int, str]]:
    """Line and message of every error in a file or folder."""
    return [
        (found["range"]["start"]["line"] + 1, found["message"])
        for found in checked(tmp_path, [ROOT / path], mode)
        if found["severity"] == "error"
    ]


def test_the_sagas_users_are_shown_are_right_under_strict_rules(tmp_path: Path) -> None:
    assert errors_in(tmp_path, "tests/typing/right", "strict") == []


def test_an_editor_finds_all_eight_wrong_lines(tmp_path: Path) -> None:
    errors = errors_in(tmp_path, "tests/typing/wrong/wrong.py", "standard")
    assert sorted({line for line, _ in errors}) == WRONG_LINES, errors
    messages = dict(reversed(errors))
    assert 'cannot be assigned to parameter "company" of type "Company"' in messages[8]
    assert 'Cannot access attribute "risk" for class "Account"' in messages[9]
    assert 'Argument missing for parameter "company"' in messages[10]
    assert "\"Literal['probe', 'ask']\"" in messages[15]
    assert 'No overloads for "undo" match' in messages[18]
    assert 'Argument missing for parameter "key"' in messages[21]


@pytest.mark.parametrize("name", ["steps", "family", "parties", "people", "touches"])
def test_an_editor_finds_the_lines_that_are_marked_and_no_others(tmp_path: Path, name: str) -> None:
    path = f"tests/typing/wrong/{name}.py"
    lines = (ROOT / path).read_text("utf-8").splitlines()
    marked = [number for number, line in enumerate(lines, 1) if "  # wrong: " in line]
    errors = errors_in(tmp_path, path, "standard")
    assert sorted({line for line, _ in errors}) == marked, errors


def test_steps_and_sagas_show_their_types(tmp_path: Path) -> None:
    shown = tmp_path / "shown.py"
    shown.write_text(
        "from tests.typing.right.partner import activation, create_account\n"
        "reveal_type(create_account)\nreveal_type(activation)\n",
        "utf-8",
    )
    found = checked(tmp_path, [shown], "standard")
    assert [said["message"] for said in found if said["severity"] == "information"] == [
        'Type of "create_account" is "Step[(company: Company), Account]"',
        'Type of "activation" is "Saga[PartnerApplied, Account]"',
    ]

"""Every rule refuses one wrong definition for one reason, and passes its corrected twin.

The pairs lie in `tests/definitions`: `wrong/def.no_undo.json` and `right/def.no_undo.json`. A
further word in a name tells cases of one rule apart. `messages.txt` holds what is said.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from domain.errors import CODES
from sagas.checks import check

FOLDER = Path(__file__).resolve().parents[2] / "definitions"
NAMES = sorted(path.stem for path in (FOLDER / "wrong").glob("*.json"))

# Said elsewhere: by the SDK's frozen files, by the registry, and about nodes that come later.
ELSEWHERE = {"def.changed", "def.child", "def.version_taken"}


def definition(kind: str, name: str) -> Any:
    return json.loads((FOLDER / kind / f"{name}.json").read_text("utf-8"))


def messages() -> dict[str, tuple[str, str]]:
    lines = (FOLDER / "messages.txt").read_text("utf-8").splitlines()
    parts = (line.split(" | ", 2) for line in lines)
    return {name: (node, message) for name, node, message in parts}


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_definition_is_refused_for_its_reason(name: str) -> None:
    (fault,) = check(definition("wrong", name))
    assert fault.alias == ".".join(name.split(".")[:2])
    assert fault.number == CODES[fault.alias].number
    assert (fault.node, fault.message) == messages()[name]


@pytest.mark.parametrize("name", NAMES)
def test_its_corrected_twin_passes(name: str) -> None:
    assert check(definition("right", name)) == []


def test_every_rule_has_its_pair() -> None:
    rules = {code.alias for code in CODES.values() if code.alias.startswith("def.")} - ELSEWHERE
    assert {".".join(name.split(".")[:2]) for name in NAMES} == rules
    assert {path.stem for path in (FOLDER / "right").glob("*.json")} == set(NAMES)
    assert sorted(messages()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_fault_says_what_to_write_instead(name: str) -> None:
    """Advice is a sentence for the author, never a bare repetition of the message."""
    (fault,) = check(definition("wrong", name))
    assert fault.do
    assert fault.do != fault.message

"""What a person at a terminal sees of bad input, from the real engine: never a stack trace."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.engine.test_command_line import Running, running
from tests.integration.engine.world import PARTNER
from troth.cli import run

REF = "partner-activation/acme"
BIG = '{"company":"x","n":"' + "y" * 1_100_000 + '"}'


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder: Path = tmp_path_factory.mktemp("engine")
    with running(folder) as started:
        with started.client("operator") as client:
            client.put("/v1/definitions/partner-activation/1", json=PARTNER)
            event = {"saga": "partner-activation", "input": {"company": "acme"}}
            assert client.post("/v1/commitments", json=event).status_code == 201
        yield started


@pytest.fixture
def troth(engine: Running, monkeypatch: pytest.MonkeyPatch, capsys: Any, tmp_path: Path) -> Any:
    """Run a command; the exit code and what was said on stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TROTH_URL", engine.told["url"])
    monkeypatch.setenv("TROTH_API_KEY", engine.told["keys"]["developer"])

    def call(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        return run(arguments), capsys.readouterr().err

    return call


@pytest.mark.parametrize(
    ("arguments", "code", "ends", "kept"),
    [
        (("send", "partner.signd", '{"company":"x"}'), "TR307", 2, "as a dead letter"),
        (("send", "partner.applied", '{"company":42}'), "TR312", 2, "as a dead letter"),
        (("send", "partner.applied", '{"company":""}'), "TR309", 2, "as a dead letter"),
        (("send", "partner.applied", '{"company":"x","n":9007199254740992}'), "TR507", 2,
         "nothing of this"),
        (("send", "partner.applied", '{"company":"\\u0000"}'), "TR508", 2, "nothing of this"),
        (("send", "partner.applied", BIG), "TR306", 2, "nothing of this"),
        (("start", "partner-activation", '{"company":"acme"}'), "TR421", 4, "nothing of this"),
        (("start", "partner-activation", '{"company":7}'), "TR412", 2, "nothing of this"),
        (("start", "nothing", "{}"), "TR411", 3, None),
        (("show", "partner-activation/none"), "TR404", 3, None),
        (("decide", REF, "legal", "approve", "--digest", "0" * 64), "TR4", 3, None),
        (("resume", REF, "--reason", "x"), "TR422", 4, "nothing of this"),
        (("dead", "show", "999"), "TR404", 3, None),
    ],
)  # fmt: skip
def test_every_screen_says_code_what_to_do_and_what_was_kept(
    troth: Any, arguments: tuple[str, ...], code: str, ends: int, kept: str | None
) -> None:
    exit_code, told = troth(*arguments)
    assert re.match(rf"error {code}\d*: ", told), told
    assert "Traceback" not in told
    assert f"\n   troth explain {code}" in told
    assert re.search(r"\n  (?:do|write)  ", told), told
    assert (kept is None) == ("\n  kept   " not in told), told
    assert kept is None or kept in told
    assert exit_code == ends, told


def test_the_same_as_json(troth: Any, capsys: Any) -> None:
    exit_code = run(("send", "partner.signd", '{"company":"x"}', "--json"))
    told = json.loads(capsys.readouterr().out)
    assert (exit_code, told["code"]) == (2, "TR307")
    assert told["do"]


def test_a_wrong_key_is_exit_5(troth: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TROTH_API_KEY", "wrong")
    exit_code, told = troth("list")
    assert (exit_code, told[:11]) == (5, "error TR402")

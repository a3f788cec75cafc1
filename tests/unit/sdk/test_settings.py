"""Settings of the SDK: where they come from, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from troth._errors import TrothError
from troth._settings import Settings


def test_the_environment_comes_before_the_project(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[tool.troth]\napp = "partner:app"\nurl = "http://project"\nworker_concurrency = 4\n'
    )
    (tmp_path / "deep").mkdir()
    settings = Settings.load({"TROTH_URL": "http://env", "TROTH_STORE_URL": "x"}, tmp_path / "deep")
    assert (settings.url, settings.app, settings.worker_concurrency) == (
        "http://env", "partner:app", 4
    )  # fmt: skip
    assert settings.journal_url is None


def test_without_anything_the_defaults_hold(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("")
    assert Settings.load({}, tmp_path) == Settings()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("wurl = 'x'", "unknown setting 'wurl'"),
        ("worker_concurrency = 'many'", "'many' is no int"),
        ("drain_timeout_s = 0", "not above 0"),
    ],
)
def test_a_wrong_setting_is_an_error(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "pyproject.toml").write_text(f"[tool.troth]\n{text}\n")
    with pytest.raises(TrothError, match="TR711") as caught:
        Settings.load({}, tmp_path)
    assert said in str(caught.value)


def test_a_broken_pyproject_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool")
    with pytest.raises(TrothError, match="cannot be read"):
        Settings.load({}, tmp_path)

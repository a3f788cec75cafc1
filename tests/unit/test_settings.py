"""Settings: where a value is from, and that no misspelled name is ignored."""

from pathlib import Path

import pytest

from domain.errors import Refusal
from engine.settings import OF_THE_SDK, Settings, listen_parts, origins, read_settings


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_setting_has_a_default_and_says_what_it_is() -> None:
    settings = read_settings()
    assert all(field.description for field in Settings.model_fields.values())
    assert {one.origin for one in origins(settings)} == {"default"}
    assert settings.listen == "127.0.0.1:8080"


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "troth.toml").write_text("lease_s = 1\ndrain_timeout_s = 1\nlanes = 1\n")
    monkeypatch.setenv("TROTH_LEASE_S", "2")
    monkeypatch.setenv("TROTH_DRAIN_TIMEOUT_S", "2")
    given = {"lease_s": 3.0, "listen": None}
    settings = read_settings(given)
    assert (settings.lease_s, settings.drain_timeout_s, settings.lanes) == (3.0, 2.0, 1)
    found = {one.name: one.origin for one in origins(settings, given)}
    assert found["lease_s"] == "command line"
    assert found["drain_timeout_s"] == "TROTH_DRAIN_TIMEOUT_S"
    assert found["lanes"] == "troth.toml"
    assert found["listen"] == "default"


@pytest.mark.parametrize(
    ("name", "hint"), [("TROTH_LEASE", "lease_s"), ("TROTH_LISTENS", "listen"), ("TROTH_ZZ", "")]
)
def test_an_unknown_variable_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, hint: str
) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(Refusal) as refused:
        read_settings()
    assert refused.value.code.number == "TR711"
    assert hint in refused.value.detail


def test_the_variables_of_the_sdk_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """One environment may hold both."""
    for name in OF_THE_SDK:
        monkeypatch.setenv(f"TROTH_{name.upper()}", "1")
    read_settings()


@pytest.mark.parametrize(
    ("text", "alias"),
    [
        ("lease = 3", "settings.unknown"),
        ("url = 'x'", "settings.unknown"),
        ("lease_s = ", "settings.value"),
        ("lease_s = 'soon'", "settings.value"),
        ("lease_s = 0", "settings.value"),
        ("lanes = 0", "settings.value"),
        ("bus_url = 'kafka://x'", "settings.value"),
        ("store_url = 'mysql://x'", "settings.value"),
        ("listen = '8080'", "settings.value"),
        ("listen = '127.0.0.1:99999'", "settings.value"),
        ("log_format = 'xml'", "settings.value"),
    ],
)
def test_a_file_that_says_something_wrong_is_refused(folder: Path, text: str, alias: str) -> None:
    (folder / "troth.toml").write_text(text)
    with pytest.raises(Refusal) as refused:
        read_settings()
    assert refused.value.alias == alias
    assert "troth.toml" in refused.value.detail


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("127.0.0.1:8080", ("127.0.0.1", 8080)),
        ("localhost:0", ("localhost", 0)),
        ("[::1]:80", ("::1", 80)),
    ],
)
def test_an_address_has_a_host_and_a_port(text: str, parts: tuple[str, int]) -> None:
    assert listen_parts(text) == parts

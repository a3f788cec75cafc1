"""What users copy to deploy is what the engine understands: read as far as it can be here."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import tidy
from tests.docs.deploying import (
    check_command,
    check_settings,
    commands_in,
    compose,
    instructions,
    substituted,
    unit,
)

DEPLOY = tidy.ROOT / "deploy"
PAGE = tidy.ROOT / "docs" / "deployment.md"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
GIVEN = {"POSTGRES_PASSWORD": "secret"}
CONTAINERFILE = instructions(DEPLOY / "Containerfile")
COMPOSE = compose(DEPLOY / "compose.yaml")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: one for name, one in SERVICES.items() if one["image"] == "troth-engine"}

OF_COMPOSE = {"name", "services", "volumes", "x-engine"}
OF_A_SERVICE = {
    "build", "cap_drop", "command", "depends_on", "deploy", "environment", "healthcheck", "image",
    "ports", "read_only", "restart", "security_opt", "stop_grace_period", "tmpfs", "volumes",
}  # fmt: skip
OF_HEALTH = {"test", "interval", "timeout", "retries", "start_period", "disable"}
CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}
RESTARTS = {"no", "always", "on-failure", "unless-stopped"}
DURATION = re.compile(r"(\d+)s")

OF_A_UNIT = {
    "Unit": {"Description", "After", "Wants", "Requires", "StartLimitIntervalSec"},
    "Install": {"WantedBy"},
    "Service": {
        "Type", "User", "Group", "EnvironmentFile", "StateDirectory", "WorkingDirectory",
        "ExecStart", "KillMode", "KillSignal", "TimeoutStopSec", "TimeoutStartSec", "Restart",
        "RestartSec", "RestartPreventExitStatus", "RemainAfterExit", "NoNewPrivileges",
        "ProtectSystem", "ProtectHome", "PrivateTmp", "PrivateDevices", "ProtectKernelTunables",
        "ProtectKernelModules", "ProtectControlGroups", "RestrictAddressFamilies",
        "RestrictNamespaces", "LockPersonality", "SystemCallArchitectures",
        "CapabilityBoundingSet", "LimitNOFILE",
    },
}  # fmt: skip


def texts_of(word: str) -> list[str]:
    return [one.text for one in CONTAINERFILE if one.word == word]


def seconds(text: str) -> int:
    found = DURATION.fullmatch(text)
    assert found is not None, text
    return int(found[1])


# --- the image ----------------------------------------------------------------------------------


def test_the_image_is_built_in_two_stages_from_names_alone() -> None:
    """Which registry they come from is a setting of the machine that builds."""
    assert CONTAINERFILE[0].word == "FROM"
    stages = [text.split() for text in texts_of("FROM")]
    assert [stage[1:] for stage in stages] == [["AS", "build"], []]
    for image, *_ in stages:
        name, _, tag = image.partition(":")
        assert "/" not in name
        assert tag
        assert tag != "latest"


def test_what_is_copied_is_there_and_what_is_built_is_all_of_it() -> None:
    copied = {word for text in texts_of("COPY") for word in text.split()[:-1]}
    sources = {one for one in copied if not one.startswith(("--", "/"))}
    assert [one for one in sorted(sources) if not (tidy.ROOT / one).exists()] == []
    packages = re.findall(r'^    "(\w+)",$', _wheel(), re.MULTILINE)
    assert packages
    assert set(packages) <= sources


def _wheel() -> str:
    text = (tidy.ROOT / "pyproject.toml").read_text("utf-8")
    return text.split("[tool.hatch.build.targets.wheel]")[1].split("\n[")[0]


def test_the_image_runs_as_somebody_and_gets_its_signals() -> None:
    """A shell as first process would keep SIGTERM to itself, and nothing would drain."""
    words = [one.word for one in CONTAINERFILE]
    assert texts_of("USER") == ["troth"]
    assert words.index("USER") < words.index("ENTRYPOINT")
    assert "RUN" not in words[words.index("USER") :]
    (entrypoint,) = (one.listed for one in CONTAINERFILE if one.word == "ENTRYPOINT")
    assert entrypoint == ["troth-engine"]
    (command,) = (one.listed for one in CONTAINERFILE if one.word == "CMD")
    check_command(command)
    assert texts_of("STOPSIGNAL") == ["SIGTERM"]


def test_the_image_is_asked_for_its_health_where_it_listens() -> None:
    (text,) = texts_of("HEALTHCHECK")
    (port,) = texts_of("EXPOSE")
    assert f"http://127.0.0.1:{port}/healthz" in text
    (command,) = (one.listed for one in CONTAINERFILE if one.word == "CMD")
    assert command[-1].endswith(f":{port}")
    program = re.search(r"CMD \[(.*)\]$", text)
    assert program is not None
    compile(json.loads(f"[{program[1]}]")[2], "healthcheck", "exec")


def test_the_environment_of_the_image_is_of_settings() -> None:
    found = dict(word.split("=", 1) for text in texts_of("ENV") for word in shlex.split(text))
    check_settings(found)


# --- compose ------------------------------------------------------------------------------------


def test_the_compose_file_holds_what_compose_knows() -> None:
    assert set(COMPOSE) == OF_COMPOSE
    for name, one in SERVICES.items():
        assert set(one) <= OF_A_SERVICE, name
        assert set(one.get("healthcheck", {})) <= OF_HEALTH, name
        assert one["restart"] in RESTARTS, name
        assert re.fullmatch(r"[a-z-]+(/[a-z-]+)?(:[\w.]+)?", one["image"]), name
        for other, how in one.get("depends_on", {}).items():
            assert other in SERVICES
            assert how["condition"] in CONDITIONS
        for mount in one.get("volumes", ()):
            assert mount.partition(":")[0] in COMPOSE["volumes"]


def test_nobody_waits_for_a_health_that_is_not_asked_for() -> None:
    for one in SERVICES.values():
        for other, how in one.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "test" in SERVICES[other]["healthcheck"]
            if how["condition"] == "service_completed_successfully":
                assert SERVICES[other]["restart"] == "no"


@pytest.mark.parametrize("name", sorted(OURS))
def test_a_service_of_ours_has_a_command_and_settings_that_are_real(name: str) -> None:
    one = OURS[name]
    check_command(one["command"])
    environment = {key: substituted(text, GIVEN) for key, text in one["environment"].items()}
    assert all(key.startswith("TROTH_") for key in environment)
    settings = check_settings(environment)
    assert seconds(one["stop_grace_period"]) > settings.drain_timeout_s


def test_the_services_of_ours_are_those_of_the_page() -> None:
    assert set(OURS) == {"migrate", "serve", "work"}
    built = OURS["migrate"]["build"]
    assert (DEPLOY / built["context"] / built["dockerfile"]).samefile(DEPLOY / "Containerfile")


# --- systemd ------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_drains_and_is_started_again(path: Path) -> None:
    read = unit(path)
    assert set(read) == set(OF_A_UNIT)
    for section, known in OF_A_UNIT.items():
        assert set(read[section]) <= known
    service = read["Service"]
    program, *arguments = shlex.split(service["ExecStart"])
    assert program == "/opt/troth/bin/troth-engine"
    check_command(arguments)
    assert service["NoNewPrivileges"] == "yes"
    assert service["User"] != "root"
    if service["Type"] == "oneshot":
        return
    assert service["KillSignal"] == "SIGTERM"
    # A second SIGTERM, straight to a child, would cut its drain short.
    assert service["KillMode"] == "mixed"
    assert int(service["TimeoutStopSec"]) > check_settings({}).drain_timeout_s
    assert service["Restart"] == "always"


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_systemd_finds_no_fault_in_a_unit(path: Path, tmp_path: Path) -> None:
    """Where systemd is; its programs and the other units are put where it looks for them."""
    analyze = shutil.which("systemd-analyze")
    for one in UNITS:
        text = one.read_text("utf-8").replace("/opt/troth/bin/troth-engine", sys.executable)
        (tmp_path / one.name).write_text(text, "utf-8")
    if analyze is None:
        assert unit(path)
        return
    done = subprocess.run(
        [analyze, "verify", "--man=no", str(tmp_path / path.name)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


# --- the page -----------------------------------------------------------------------------------


def test_the_page_shows_the_units_as_they_are() -> None:
    page = PAGE.read_text("utf-8")
    for path in UNITS:
        shown = page.split(f"`deploy/systemd/{path.name}`:\n```ini\n")[1].split("\n```")[0]
        assert shown == path.read_text("utf-8").rstrip()


def test_every_command_and_setting_of_the_page_is_real() -> None:
    text = PAGE.read_text("utf-8").replace("PASSWORD@HOST", "x@host")
    found = [one for one in commands_in(text) if one[0] != "work" or "N" not in one]
    assert {one[0] for one in found} >= {"migrate", "serve", "keys", "verify", "doctor", "dev"}
    for arguments in found:
        check_command(arguments)
    for name in re.findall(r"\bTROTH_[A-Z_]+\b", text):
        if name != "TROTH_":
            assert name.removeprefix("TROTH_").lower() in type(check_settings({})).model_fields


@pytest.mark.parametrize(
    "wrong", [["sreve"], ["serve", "--lisen", "x"], ["work", "--processes", "0"], ["keys", "ad"]]
)
def test_a_wrong_command_is_found(wrong: list[str]) -> None:
    with pytest.raises(ValueError):
        check_command(wrong)


def test_a_wrong_setting_and_a_wrong_instruction_are_found(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="drain_timeout"):
        check_settings({"TROTH_DRAIN_TIMEOUT": "3"})
    wrong = tmp_path / "Containerfile"
    wrong.write_text("FROM a\nCOPPY a b\n", "utf-8")
    with pytest.raises(ValueError, match="COPPY"):
        instructions(wrong)
    twice = tmp_path / "compose.yaml"
    twice.write_text("services:\n  a: {}\n  a: {}\n", "utf-8")
    with pytest.raises(ValueError, match="twice"):
        compose(twice)

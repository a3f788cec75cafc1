"""The README's code runs against a real engine, and everything it names is there."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import httpx
import pytest
import typer

from engine.cli import app as engine_app
from sagas.checks import check, gates
from tests import tidy
from tests.integration.engine.world import engine_world
from troth import AsyncClient
from troth.cli._main import app as user_app

README = (tidy.ROOT / "README.md").read_text("utf-8")
PYTHON = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
SHELL = [line[4:] for line in README.splitlines() if line.startswith("    ")]
LINK = re.compile(r"\]\(([^)#]+)\)")
PATH = re.compile(r"`((?:[\w.-]+/)+[\w.-]*|[A-Z]+\.md)`")
COMMAND_TIMEOUT_S = 60


def module_of(name: str, source: str, folder: Path) -> ModuleType:
    """A block of the README as a module on disk: a trace reads the source of its flow."""
    path = folder / f"{name}.py"
    path.write_text(source, "utf-8")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def invoice(tmp_path: Path) -> Iterator[ModuleType]:
    try:
        yield module_of("invoice", PYTHON[0], tmp_path)
    finally:
        sys.modules.pop("invoice", None)


def test_the_first_saga_may_be_registered_as_it_stands(invoice: ModuleType) -> None:
    document = invoice.pay_invoice.document()
    assert check(document) == []
    assert {step: str(gate) for step, gate in gates(document).items()} == {"pay": "manager(A1)"}


def test_the_first_saga_fits_a_screen() -> None:
    """More than that is not read before the second scroll."""
    assert len(PYTHON[0].strip().splitlines()) <= 24


async def test_the_service_sends_and_reads_its_own_write(
    invoice: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The FastAPI block of the README, in front of a real engine."""
    monkeypatch.setenv("TROTH_API_KEY", "not used")
    try:
        service = module_of("readme_service", PYTHON[1], tmp_path)
    finally:
        sys.modules.pop("readme_service", None)
    async with engine_world(tmp_path) as engine:
        await engine.register(invoice.pay_invoice.document())
        inner = httpx.ASGITransport(app=engine.engine.app)
        service_any: Any = service
        service_any.troth = AsyncClient("http://troth", engine.keys["producer"], http=inner)
        outer = httpx.ASGITransport(app=service_any.api)
        async with httpx.AsyncClient(transport=outer, base_url="http://service") as client:
            sent = await client.post("/invoices", json={"number": "2026-17"})
            assert sent.status_code == 202, sent.text
            read = (await client.get(sent.json()["follow"])).json()
    assert (read["status"], read["step"]) == ("waiting", "manager")


def test_the_check_of_the_readme_passes(tmp_path: Path) -> None:
    """The first command a reader tries after saving the saga, in the environment of users."""
    (tmp_path / "invoice.py").write_text(PYTHON[0], "utf-8")
    [line] = [line for line in SHELL if line.startswith("troth check")]
    command = [str(tidy.ROOT / ".venv-user" / "bin" / "troth"), *words(line)[1:]]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S,
        env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pay-invoice v1" in done.stdout


def words(line: str) -> list[str]:
    """A line of the README without the remark that stands after three spaces."""
    return shlex.split(re.split(r"\s{3,}", line)[0])


@pytest.mark.parametrize("line", [line for line in SHELL if line.startswith("troth")])
def test_every_command_and_option_exists(line: str) -> None:
    name, *rest = words(line)
    group: Any = typer.main.get_command(user_app if name == "troth" else engine_app)
    known = {option for param in group.params for option in param.opts}
    while rest and rest[0].startswith("--"):
        assert rest[0] in known
        rest = rest[2:]
    command: click.Command = group.commands[rest[0]]
    known |= {option for param in command.params for option in param.opts}
    assert {word for word in rest if word.startswith("--")} <= known


def test_every_make_target_exists() -> None:
    targets = set(
        re.findall(r"^([a-z]+):", (tidy.ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    )
    assert set(re.findall(r"(?:`|    )make ([a-z]+)", README)) <= targets


def test_every_page_and_path_exists() -> None:
    named = set(LINK.findall(README)) | set(PATH.findall(README))
    foreign = {"domain/", "api/", "pay-invoice/2026-17"}
    assert sorted(p for p in named - foreign if not (tidy.ROOT / p).exists()) == []

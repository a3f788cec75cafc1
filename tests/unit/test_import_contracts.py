"""Each import contract of pyproject.toml breaks when somebody violates it.

A contract that can never break holds nothing: a misspelt module is silently fine. So each is run
against a small copy of the house, once clean and once with one planted import.
"""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
LINT_TIMEOUT_S = 60

# contract, the module that is planted, what it imports
VIOLATIONS = [
    ("layers", "domain/planted.py", "import sagas"),
    ("layers", "domain/planted.py", "import adapters"),
    ("layers", "sagas/planted.py", "import consumers"),
    ("layers", "sagas/planted.py", "import projections"),
    ("layers", "projections/planted.py", "import api"),
    ("layers", "api/planted.py", "import adapters"),
    ("layers", "consumers/planted.py", "import engine"),
    ("layers", "adapters/planted.py", "def late() -> None:\n    import consumers"),
    ("layers", "schemas/planted.py", "import domain"),
    ("sdk", "troth/planted.py", "from domain import planted"),
    ("sdk", "troth/planted.py", "import schemas"),
    ("engine-alone", "engine/planted.py", "import troth"),
    ("drivers", "consumers/planted.py", "import sqlite3"),
    ("drivers", "engine/planted.py", "from sqlalchemy import text"),
    ("drivers", "api/planted.py", "import psycopg"),
    ("drivers", "projections/planted.py", "import aiokafka"),
    ("drivers", "engine/planted.py", "from alembic import command"),
    ("pure", "domain/planted.py", "import time"),
    ("pure", "domain/planted.py", "from asyncio import Queue"),
    ("pure", "sagas/planted.py", "import random"),
    ("pure", "sagas/planted.py", "import logging"),
    ("pure", "sagas/planted.py", "import os"),
    ("pure", "sagas/planted.py", "import httpx"),
    ("pure", "domain/planted.py", "import socket"),
]


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """The packages with nothing in them, under the contracts of the real house."""
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    for package in CONFIG["root_packages"]:
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("", "utf-8")
    return tmp_path


def lint(house: Path, contract: str | None = None) -> subprocess.CompletedProcess[str]:
    only = ["--contract", contract] if contract else []
    return subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", *only],
        cwd=house,
        env={"PYTHONPATH": str(house), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=LINT_TIMEOUT_S,
        check=False,
    )


def test_a_house_without_violations_keeps_every_contract(house: Path) -> None:
    """The copy itself is clean, so what breaks below breaks by the planted line."""
    done = lint(house)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(CONFIG['contracts'])} kept, 0 broken" in done.stdout


@pytest.mark.parametrize(("contract", "module", "code"), VIOLATIONS)
def test_a_planted_import_breaks_its_contract(
    house: Path, contract: str, module: str, code: str
) -> None:
    """One wrong line is found, and the report names the module that holds it."""
    (house / module).write_text(code + "\n", "utf-8")
    if "from domain import planted" in code:
        (house / "domain/planted.py").write_text("", "utf-8")
    done = lint(house, contract)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "0 kept, 1 broken" in done.stdout
    assert module.removesuffix(".py").replace("/", ".") in done.stdout


def test_every_contract_has_a_violation_that_breaks_it() -> None:
    """A new contract comes with its proof."""
    shown = {contract for contract, _, _ in VIOLATIONS}
    assert shown == {contract["id"] for contract in CONFIG["contracts"]}


def test_every_pure_package_refuses_every_source_of_chance_and_time() -> None:
    """The list that keeps decide deterministic is not shortened by accident."""
    [pure] = [contract for contract in CONFIG["contracts"] if contract["id"] == "pure"]
    wanted = {"time", "random", "secrets", "asyncio", "logging", "os", "socket", "sqlite3", "httpx"}
    assert set(pure["source_modules"]) == {"domain", "sagas"}
    assert wanted <= set(pure["forbidden_modules"])

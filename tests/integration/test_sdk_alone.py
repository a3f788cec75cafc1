"""The SDK's wheel alone, in a user's environment and project, against an engine of its own.

The project has packages named `domain` and `api`, as many have: they and the engine's never meet.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import tidy

BUILD_TIMEOUT_S = 90
ENDS_WITHIN_S = 60

USER_DOMAIN = '"""Ours."""\n\nSUPPLIER = "acme"\n'
USER_API = '"""Ours."""\n\nfrom domain import SUPPLIER\n\nNUMBER = f"{SUPPLIER}-17"\n'

DRIVE = """
import importlib.util
import json
import os
import sys

import api
import domain
import troth
from invoice import pay_invoice
from troth import Client

assert troth.__file__.startswith(sys.prefix), troth.__file__
here = os.path.dirname(os.path.abspath(__file__))
for ours in (api, domain):
    assert ours.__file__.startswith(here), ours.__file__
for theirs in ("sagas", "engine", "consumers", "eventsourcing"):
    assert importlib.util.find_spec(theirs) is None, theirs

URL, KEYS = os.environ["TROTH_URL"], json.loads(os.environ["KEYS"])
developer, manager = Client(URL, KEYS["developer"]), Client(URL, KEYS["function_head"])
developer.register(pay_invoice)
sent = developer.send("invoice.due", {"number": api.NUMBER}, id="due-17")
step = developer.step_of(pay_invoice, key=api.NUMBER, after=sent.event_id)
assert step.step == "manager", step
[asked] = manager.inbox().items
manager.decide(asked["id"], "approve", digest=asked["digest"], reason="ordered")
# Nobody waits for the goods yet: what comes early is kept.
developer.send("goods.received", {"number": api.NUMBER})
events = list(developer.follow(step.id, timeout_s=30))
print(developer.commitment(step.id).status, [event.actor for event in events][-1])
"""


def site_packages(python: Path) -> Path:
    """Where an environment's distributions lie."""
    [found] = python.parents[1].glob("lib/python*/site-packages")
    return found


def run(*command: str | Path, cwd: Path = tidy.ROOT) -> str:
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True,
        timeout=BUILD_TIMEOUT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """A fresh environment with the wheel and its dependencies, made without the network."""
    run(
        sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", tmp_path,
        cwd=tidy.ROOT / "sdk",
    )  # fmt: skip
    [wheel] = tmp_path.glob("*.whl")
    uv = run(tidy.ROOT / "tools" / "setup", "uv")
    made = tmp_path / "venv" / "bin" / "python"
    run(uv, "venv", "--quiet", "--python", sys.executable, tmp_path / "venv")
    run(uv, "pip", "install", "--quiet", "--offline", "--no-deps", "--python", made, wheel)
    # The dependencies are the pinned ones that `make setup` put beside the editable SDK.
    for entry in site_packages(tidy.ROOT / ".venv-user" / "bin" / "python").iterdir():
        target = site_packages(made) / entry.name
        if not re.match(r"_*(?:editable|troth|virtualenv)", entry.name) and not target.exists():
            target.symlink_to(entry)
    return made


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A user's project: the README's saga beside packages of their own."""
    folder = tmp_path / "project"
    for name, source in (("domain", USER_DOMAIN), ("api", USER_API)):
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text(source, "utf-8")
    readme = (tidy.ROOT / "README.md").read_text("utf-8")
    [saga, *_] = re.findall(r"^```python\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    (folder / "invoice.py").write_text("import api, domain\n" + saga, "utf-8")
    (folder / "drive.py").write_text(DRIVE, "utf-8")
    return folder


@dataclass(frozen=True, slots=True)
class Engine:
    url: str
    keys: dict[str, str]


@contextmanager
def child(
    command: list[str | Path], cwd: Path, env: dict[str, str], log: Path
) -> Iterator[subprocess.Popen[str]]:
    """A process that is stopped in order at the end."""
    with (
        log.open("w") as words,
        subprocess.Popen(
            [str(part) for part in command], cwd=cwd, env=env, text=True,
            stdout=subprocess.PIPE, stderr=words,
        ) as process,
    ):  # fmt: skip
        try:
            yield process
        finally:
            process.terminate()
            code = process.wait(ENDS_WITHIN_S)
        assert code == 0, log.read_text("utf-8")


@contextmanager
def engine(cwd: Path, state: Path) -> Iterator[Engine]:
    """An engine started in the user's project, as `troth dev` would."""
    command: list[str | Path] = [
        Path(sys.executable).with_name("troth-engine"), "dev", "--json",
        "--listen", "127.0.0.1:0", "--state", state,
    ]  # fmt: skip
    with child(command, cwd, dict(os.environ), state.with_suffix(".log")) as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        yield Engine(told["url"], told["keys"])


def test_a_saga_runs_from_the_wheel_alone(python: Path, project: Path, tmp_path: Path) -> None:
    """Worker and client from the user's environment, both against a real engine."""
    with engine(project, tmp_path / "engine") as running:
        env = {
            "PATH": f"{python.parent}:/usr/bin:/bin",
            "TROTH_URL": running.url,
            "TROTH_API_KEY": running.keys["participant"],
            "KEYS": json.dumps(running.keys),
        }
        worker: list[str | Path] = [
            python.with_name("troth"), "worker", "invoice:app",
            "--name", "bank-1", "--claim-wait", "0.5",
        ]  # fmt: skip
        with child(worker, project, env, tmp_path / "worker.log"):
            driven = subprocess.run(
                [str(python), "drive.py"], cwd=project, env=env, capture_output=True, text=True,
                timeout=ENDS_WITHIN_S, check=False,
            )  # fmt: skip
    assert driven.returncode == 0, driven.stderr
    assert driven.stdout.split()[0] == "fulfilled"

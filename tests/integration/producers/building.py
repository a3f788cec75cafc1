"""The four producers, built once for all workers of a run and kept for the next run."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).parents[3]
SOURCES = ROOT / "examples/producers"
BUILT = ROOT / "build/producers"
LANGUAGES = ("python", "go", "java", "node")
BUILD_TIMEOUT_S = 300
RUN_TIMEOUT_S = 60

# What a machine must have; the names are those of the commands.
NEEDS = {"python": (), "go": ("go",), "java": ("java", "mvn"), "node": ("node", "npm")}

Command = list[str]


class ProducerFailed(Exception):
    """A producer that could not be built, or that was refused."""


def built(language: str) -> Command:
    """The command of a producer, built now if its sources changed. Raises ProducerFailed."""
    folder = BUILT / f"{language}-{_digest(language)}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    # One worker builds, the others wait; the lock goes with the process that holds it.
    with (BUILT / f"{language}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "ready").exists():
            for old in BUILT.glob(f"{language}-*"):
                shutil.rmtree(old)
            shutil.copytree(SOURCES / language, folder, ignore=shutil.ignore_patterns(*_LEFT))
            _BUILDS[language](folder)
            (folder / "ready").touch()
    return _COMMANDS[language](folder)


_LEFT = ("__pycache__", "target", "node_modules", "producer")


def _digest(language: str) -> str:
    found = sha256()
    for path in sorted((SOURCES / language).rglob("*")):
        if path.is_file() and not set(_LEFT) & {part.name for part in (path, *path.parents)}:
            found.update(f"{path.relative_to(SOURCES)}\0".encode() + path.read_bytes())
    return found.hexdigest()[:16]


def _say(folder: Path, *command: str) -> None:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=BUILD_TIMEOUT_S
    )
    if done.returncode != 0:
        raise ProducerFailed(f"{' '.join(command)}:\n{done.stdout}{done.stderr}")


def _go(folder: Path) -> None:
    _say(folder, "go", "build", "-o", "producer.out", ".")


def _java(folder: Path) -> None:
    _say(folder, "mvn", "--batch-mode", "--quiet", "compile")


def _node(folder: Path) -> None:
    _say(
        folder, "npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts"
    )


_BUILDS: dict[str, Callable[[Path], None]] = {
    "python": lambda _: None, "go": _go, "java": _java, "node": _node,
}  # fmt: skip
# The C1 compiler alone: these programs live for a second.
_JAVA = ("java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp")
_COMMANDS: dict[str, Callable[[Path], Command]] = {
    "python": lambda at: [sys.executable, str(at / "producer.py")],
    "go": lambda at: [str(at / "producer.out")],
    "java": lambda at: [*_JAVA, f"{at}/target/classes:{at}/target/lib/*", "Producer"],
    "node": lambda at: ["node", str(at / "producer.js")],
}


def send(command: Command, to: str, mode: str, api_key: str = "", **given: str) -> str:
    """Run a producer to its end; what it printed. Raises ProducerFailed with what it said."""
    words = [word for name, value in given.items() for word in (f"--{name}", value)]
    done = subprocess.run(
        [*command, "--to", to, "--mode", mode, *words],
        capture_output=True, text=True, check=False, timeout=RUN_TIMEOUT_S,
        env={**os.environ, "TROTH_KEY": api_key},
    )  # fmt: skip
    if done.returncode != 0:
        raise ProducerFailed(done.stderr)
    return done.stdout

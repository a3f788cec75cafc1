"""Reading what users deploy with: Containerfiles, Compose files, units, and commands in text."""

import configparser
import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from typer.core import TyperGroup
from typer.exceptions import TyperException
from typer.main import get_command

from engine.cli import app
from engine.settings import PREFIX, Settings

__all__ = [
    "Instruction", "check_command", "check_settings", "commands_in", "compose", "instructions",
    "substituted", "unit",
]  # fmt: skip

INSTRUCTIONS = frozenset(
    {"ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "RUN",
     "STOPSIGNAL", "USER", "WORKDIR"}
)  # fmt: skip
_VARIABLE = re.compile(r"\$\{(?P<name>[A-Z_]+)(?::[?-](?P<told>[^}]*))?\}")
_FENCE = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction of a Containerfile, its continued lines joined."""

    word: str
    text: str

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text)

    @property
    def listed(self) -> list[str]:
        """Its JSON form; raises ValueError for the shell form, which swallows signals."""
        return json.loads(self.text)


def instructions(path: Path) -> list[Instruction]:
    """The instructions of a Containerfile. Raises ValueError for a word that is none."""
    text = re.sub(r"^\s*#.*\n", "", path.read_text("utf-8"), flags=re.MULTILINE)
    found: list[Instruction] = []
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        if not line.strip():
            continue
        word, _, rest = line.partition(" ")
        if word not in INSTRUCTIONS or not rest.strip():
            raise ValueError(f"no instruction: {line}")
        found.append(Instruction(word, rest.strip()))
    return found


class _Strict(yaml.SafeLoader):
    """Refuses a key that stands twice: the first would silently be lost."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if key.value != "<<"]
        doubled = {key for key in keys if keys.count(key) > 1}
        if doubled:
            raise ValueError(f"twice: {sorted(doubled)}")
        return super().construct_mapping(node, deep)


def compose(path: Path) -> dict[str, Any]:
    """A Compose file as YAML reads it, merges done."""
    return yaml.load(path.read_text("utf-8"), _Strict)


def substituted(text: str, given: Mapping[str, str]) -> str:
    """`${NAME:?...}` replaced as Compose does it. Raises KeyError for one that is not given."""
    return _VARIABLE.sub(lambda found: given[found["name"]], text)


class _Unit(configparser.ConfigParser):
    """Keeps keys as they are written."""

    def optionxform(self, optionstr: str) -> str:
        return optionstr


def unit(path: Path) -> dict[str, dict[str, str]]:
    """A unit of systemd by section. Raises for a key that stands twice."""
    parser = _Unit(interpolation=None, delimiters=("=",), strict=True)
    parser.read_string(path.read_text("utf-8"))
    return {name: dict(parser[name]) for name in parser.sections()}


def check_command(arguments: Sequence[str]) -> None:
    """Read the arguments of `troth-engine` as it would. Raises ValueError.

    A command alone may be one that is only named.
    """
    command: Any = get_command(app)
    rest = list(arguments)
    while isinstance(command, TyperGroup):
        name = rest.pop(0)
        command = command.commands.get(name)
    if command is None:
        raise ValueError(f"no such command: {arguments}")
    try:
        command.make_context(command.name, rest, resilient_parsing=len(arguments) == 1)
    except TyperException as wrong:
        raise ValueError(f"{arguments}: {wrong}") from None


def check_settings(environment: Mapping[str, str]) -> Settings:
    """The settings of these TROTH_ variables. Raises ValueError for one that is none."""
    given: dict[str, Any] = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environment.items()
        if name.startswith(PREFIX)
    }
    unknown = given.keys() - Settings.model_fields.keys()
    if unknown:
        raise ValueError(f"no settings: {sorted(unknown)}")
    return Settings(**given)


def commands_in(text: str) -> Iterator[list[str]]:
    """The arguments of every `troth-engine` in the code of a Markdown text."""
    code = "\n".join(_FENCE.findall(text))
    code += "\n" + "\n".join(re.findall(r"`(troth-engine [^`]+)`", text))
    for line in code.splitlines():
        if line.startswith("troth-engine "):
            yield shlex.split(line)[1:]

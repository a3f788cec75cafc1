"""Settings of the SDK: the environment first, then `[tool.troth]` of pyproject.toml."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, cast

from ._errors import TrothError

__all__ = ["Settings"]

PARENTS_MAX = 32
"""How many folders up a pyproject.toml is looked for."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the SDK needs to know. Each is TROTH_ and its name in upper case in the environment.

    Attributes:
        url: address of the engine. api_key: its bearer key. tenant: for keys of all tenants.
        app: where the App is, `module:name`.
        worker_concurrency: handlers that run at once, for each participant.
        journal_url: where effects are recorded; a file serves the workers of one machine.
        drain_timeout_s: how long a worker waits for its handlers when it is stopped.
        bus_url: `kafka://HOST:PORT` where commands also come by Kafka.
        topic_prefix: of the topics there.
        outbox_url: the database of `troth outbox`.
    """

    url: str = "http://127.0.0.1:8080"
    api_key: str | None = None
    tenant: str | None = None
    app: str | None = None
    worker_concurrency: int = 16
    journal_url: str | None = None
    drain_timeout_s: float = 25.0
    bus_url: str | None = None
    topic_prefix: str | None = None
    outbox_url: str | None = None

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None, folder: Path | None = None) -> Settings:
        """The settings that hold here. Raises TrothError TR711 for a wrong name or value.

        TROTH_ names that the SDK does not know are left to the engine, which shares the prefix.
        """
        environ = os.environ if environ is None else environ
        values = _of_project(folder or Path.cwd())
        for field in fields(cls):
            text = environ.get(f"TROTH_{field.name.upper()}")
            if text:
                values[field.name] = text
        return cls(**{name: _fit(name, value) for name, value in values.items()})


def _of_project(folder: Path) -> dict[str, Any]:
    for place in [folder, *folder.parents][:PARENTS_MAX]:
        file = place / "pyproject.toml"
        if file.is_file():
            return _tool_table(file)
    return {}


def _tool_table(file: Path) -> dict[str, Any]:
    try:
        document = tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TrothError("TR711", f"{file.name} cannot be read: {error}") from error
    table = cast(dict[str, Any], document.get("tool", {}).get("troth", {}))
    known = {field.name for field in fields(Settings)}
    for name in table:
        if name not in known:
            raise TrothError(
                "TR711",
                f"[tool.troth] has an unknown setting {name!r}",
                file=str(file),
                do=", ".join(sorted(known)),
            )
    return dict(table)


def _fit(name: str, value: Any) -> Any:
    kind = {"worker_concurrency": int, "drain_timeout_s": float}.get(name, str)
    try:
        fitted = kind(value)
    except (TypeError, ValueError) as error:
        raise TrothError("TR711", f"setting {name}: {value!r} is no {kind.__name__}") from error
    if not isinstance(fitted, str) and fitted <= 0:
        raise TrothError("TR711", f"setting {name}: {value!r} is not above 0")
    return fitted

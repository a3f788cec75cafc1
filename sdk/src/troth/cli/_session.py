"""What holds for every command: where the engine is, whose key, how answers are printed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from pydantic import BaseModel
from rich.console import Console
from rich.text import Text

from troth._client import Client
from troth._errors import TrothError
from troth._settings import Settings

__all__ = ["STATE_FOLDER", "Session", "dev_state"]

STATE_FOLDER = ".dev"
"""Where `troth dev` keeps store, keys and address, in the project."""
DEV_KEY = "developer"
PARENTS_MAX = 32
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_STYLES = (
    (r"^ ?✓", "green"),
    (r"^ ?(✗|error\b)", "bold red"),
    (r"^ ?▶", "bold yellow"),
    (r"\b(DEBT|UNKNOWN|overdue)\b", "bold red"),
    (r"\btroth [a-z]+ .*$", "cyan"),
    (r"^  (do|write|where) ", "dim"),
)


@dataclass
class Session:
    """The options given before (or among) those of a command."""

    url: str | None = None
    api_key: str | None = None
    tenant: str | None = None
    actor: str | None = None
    json: bool = False
    debug: bool = False
    folder: Path = field(default_factory=Path.cwd)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def settings(self) -> Settings:
        """The settings that hold, with what was given on the command line."""
        found = Settings.load(folder=self.folder)
        state = dev_state(self.folder)
        default = Settings().url
        url = self.url or (found.url if found.url != default else str(state.get("url", default)))
        key = self.api_key or (None if self.actor else found.api_key) or self._dev_key(url, state)
        tenant = self.tenant or found.tenant
        return Settings(
            url=url,
            api_key=key,
            tenant=tenant,
            app=found.app,
            worker_concurrency=found.worker_concurrency,
            journal_url=found.journal_url,
            drain_timeout_s=found.drain_timeout_s,
        )

    def client(self) -> Client:
        """A client of the engine; close it."""
        settings = self.settings()
        return Client(settings.url, settings.api_key, tenant=settings.tenant)

    def _dev_key(self, url: str, state: dict[str, Any]) -> str | None:
        keys = cast(dict[str, str], state.get("keys", {}))
        if self.actor is not None and self.actor not in keys:
            raise TrothError(
                "TR402",
                f"there is no key {self.actor!r} in {STATE_FOLDER}/keys.json",
                do=", ".join(keys) or "troth dev makes keys; elsewhere give --api-key",
            )
        if urlsplit(url).hostname not in _LOOPBACK:
            return None
        return keys.get(self.actor or DEV_KEY)

    # --- printing ---

    def give(self, answer: Any, lines: Sequence[str] | Callable[[], Sequence[str]]) -> None:
        """Print an answer: as JSON with --json, else as its screen."""
        if self.json:
            self.data(answer)
            return
        self.say(*(lines() if callable(lines) else lines))

    def data(self, answer: Any) -> None:
        """Print JSON."""
        print(json.dumps(_plain(answer), ensure_ascii=False, indent=2))

    def say(self, *lines: str, error: bool = False) -> None:
        """Print lines for people; colours only on a terminal."""
        console = Console(file=sys.stderr if error else sys.stdout, highlight=False, soft_wrap=True)
        for line in lines:
            text = Text(line)
            for pattern, style in _STYLES:
                text.highlight_regex(pattern, style)
            console.print(text)


def _plain(answer: Any) -> Any:
    if isinstance(answer, BaseModel):
        return answer.model_dump(mode="json")
    if isinstance(answer, list):
        return [_plain(one) for one in cast(list[Any], answer)]
    return answer


def dev_state(folder: Path) -> dict[str, Any]:
    """What `troth dev` left for other terminals of this project: url and keys; may be empty."""
    for place in [folder, *folder.parents][:PARENTS_MAX]:
        keys = place / STATE_FOLDER / "keys.json"
        if keys.is_file():
            found = _read(keys)
            return {**_read(place / STATE_FOLDER / "engine.json"), "keys": found.get("keys", {})}
    return {}


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return cast(dict[str, Any], found) if isinstance(found, dict) else {}

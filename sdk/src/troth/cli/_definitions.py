"""Definitions of an app: traced, frozen in files, held against those files and an engine."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from troth._app import App
from troth._client import Client
from troth._contract import Contract
from troth._errors import TrothError
from troth._problems import EngineError

from ._engine import check_documents

__all__ = ["Traced", "against", "freeze", "frozen_file", "rules", "trace"]

FOLDER = "definitions"


@dataclass
class Traced:
    """One saga of an app: its document, or what is wrong with it."""

    name: str
    version: int
    document: dict[str, Any] = field(default_factory=dict[str, Any])
    faults: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    hash: str = ""
    notes: list[str] = field(default_factory=list[str])

    @property
    def title(self) -> str:
        return f"{self.name} v{self.version}"


def trace(app: App) -> list[Traced]:
    """Trace every saga; one that is wrong stops no other."""
    found: list[Traced] = []
    for saga in app.sagas:
        traced = Traced(saga.name, saga.version)
        found.append(traced)
        try:
            traced.document = cast(dict[str, Any], cast(Any, saga).document())
        except TrothError as error:
            traced.faults.append(fault_of(error))
    return found


def fault_of(error: TrothError) -> dict[str, Any]:
    """An error of the authoring side in the form of the engine's faults."""
    return {
        "code": error.code, "message": error.message, "file": error.file, "line": error.line,
        "node": error.where, "do": error.do, "shown": str(error),
    }  # fmt: skip


def frozen_file(folder: Path, traced: Traced) -> Path:
    """Where a version is kept in the repository."""
    return folder / FOLDER / f"{traced.name}.v{traced.version}.json"


def check_frozen(folder: Path, traced: Traced) -> None:
    """Hold a traced saga against its file: the same number means the same content (TR130)."""
    file = frozen_file(folder, traced)
    if not traced.document or not file.is_file():
        return
    name = file.relative_to(folder).as_posix()
    if _content(json.loads(file.read_text("utf-8"))) == _content(traced.document):
        traced.notes.append(f"= {name}")
        return
    traced.faults.append({
        "code": "TR130", "message": f"{traced.title} is not what {name} holds",
        "do": f"version={traced.version + 1}, or restore {name}",
    })  # fmt: skip


def freeze(folder: Path, traced: Traced) -> bool:
    """Write the file of a version; False when it is there already with this content.

    Lines of the source are left out: moving code must not change the file.
    """
    file = frozen_file(folder, traced)
    if file.is_file():
        check_frozen(folder, traced)
        return False
    file.parent.mkdir(exist_ok=True)
    text = json.dumps(_content(traced.document), indent=2, ensure_ascii=False, sort_keys=True)
    file.write_text(f"{text}\n", "utf-8")
    return True


def rules(engine: str, app: App, found: Sequence[Traced]) -> None:
    """Add what the engine's own command finds: faults, or the gates and the order of undoing."""
    traced = [one for one in found if one.document]
    if not traced:
        return
    with tempfile.TemporaryDirectory(prefix="troth-check-") as folder:
        files: list[Path] = []
        for index, one in enumerate(traced):
            file = Path(folder) / f"{index}.{one.name}.v{one.version}.json"
            file.write_text(json.dumps(one.document), "utf-8")
            files.append(file)
        for one, answer in zip(traced, check_documents(engine, files), strict=True):
            one.faults += answer["faults"]
            one.hash = str(answer.get("hash") or "")
            one.notes += _promises(answer, app)


def _promises(answer: dict[str, Any], app: App) -> list[str]:
    """Which approve covers which steps, and what undoing takes, the first to be undone first."""
    gates: dict[str, list[str]] = {}
    for step, gate in cast(dict[str, str], answer.get("gates", {})).items():
        gates.setdefault(gate, []).append(step)
    notes = [f"gate {gate} covers {', '.join(steps)}" for gate, steps in gates.items()]
    contracts = app.contracts()
    undo = [_undo_name(contracts, name) for name in cast(list[str], answer.get("undo", []))]
    return [*notes, f"undo order {', '.join(undo)}"] if undo else notes


def _undo_name(contracts: Mapping[str, Contract], name: str) -> str:
    """What its function is called; the contract where the app does not serve it."""
    function = contracts[name].handler("undo") if name in contracts else None
    return name if function is None else function.__name__.replace("_", "-")


def against(client: Client, found: Sequence[Traced]) -> None:
    """Hold the definitions against those of a running engine."""
    for one in found:
        if not one.document:
            continue
        try:
            registered = client.definition(one.name, one.version)
        except EngineError as error:
            if error.status != 404:
                raise
            one.notes.append("not registered yet")
            continue
        one.hash = str(registered.get("hash", "")) or one.hash
        if _content(registered.get("document", registered)) != _content(one.document):
            one.faults.append({
                "code": "TR410", "message": f"{one.title} is registered with another content",
                "do": f"version={one.version + 1}",
            })  # fmt: skip
            continue
        running = _running(client.counts(one.name))
        one.notes.append(f"registered, {running} running")


def _running(counts: dict[str, Any]) -> int:
    ended = {"fulfilled", "compensated", "failed", "cancelled"}
    statuses: dict[str, int] = counts.get("status", {})
    return sum(count for status, count in statuses.items() if status not in ended)


def _content(document: dict[str, Any]) -> Any:
    """What counts of a document: all but where its nodes stand in the source."""
    kept = {name: value for name, value in document.items() if name != "source"}
    return json.loads(json.dumps(kept))

"""Definitions of an app: traced, frozen in files, held against those files and an engine."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from troth._app import App
from troth._contract import Contract
from troth._errors import TrothError

from ._engine import check_documents

__all__ = ["Traced", "check_frozen", "content", "freeze", "frozen_file", "rules", "trace"]

FOLDER = "definitions"


@dataclass
class Traced:
    """One saga: its document, or what is wrong with it.

    `file`: it was read from there, `shown` its name; `explored`: what trying every run found.
    """

    name: str
    version: int
    document: dict[str, Any] = field(default_factory=dict[str, Any])
    faults: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    hash: str = ""
    notes: list[str] = field(default_factory=list[str])
    drawn: list[str] = field(default_factory=list[str])
    explored: dict[str, Any] = field(default_factory=dict[str, Any])
    file: Path | None = None
    shown: str = ""

    @property
    def title(self) -> str:
        return f"{self.name} v{self.version}" if self.version else self.name


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
    if content(json.loads(file.read_text("utf-8"))) == content(traced.document):
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
    text = json.dumps(content(traced.document), indent=2, ensure_ascii=False, sort_keys=True)
    file.write_text(f"{text}\n", "utf-8")
    return True


def rules(
    engine: str, app: App, found: Sequence[Traced], *, draw: Path | None = None,
    explore_s: float | None = None, bounds: str | None = None,
) -> None:  # fmt: skip
    """Add what the engine's own command finds: faults, or the gates and the order of undoing."""
    traced = [one for one in found if one.document or one.file is not None]
    if not traced:
        return
    with tempfile.TemporaryDirectory(prefix="troth-check-") as folder:
        files: list[Path] = []
        for index, one in enumerate(traced):
            file = one.file or Path(folder) / f"{index}.{one.name}.v{one.version}.json"
            if one.file is None:
                file.write_text(json.dumps(one.document), "utf-8")
            files.append(file)
        answers = check_documents(engine, files, draw=draw, explore_s=explore_s, bounds=bounds)
        for one, file, answer in zip(traced, files, answers, strict=True):
            one.faults += [_placed(fault, one, file) for fault in answer["faults"]]
            one.hash = str(answer.get("hash") or "")
            one.notes += _promises(answer, app)
            one.drawn = list(answer.get("drawn", ()))
            one.explored = answer.get("explored") or {}


def _placed(fault: dict[str, Any], one: Traced, file: Path) -> dict[str, Any]:
    """A fault without the place in a file that nobody knows, or with its name as it was given."""
    if fault.get("file") != str(file):
        return fault
    return fault | ({"file": one.shown} if one.file else {"file": None, "line": None})


def _promises(answer: dict[str, Any], app: App) -> list[str]:
    """Which approve covers which steps, and what undoing takes, the first to be undone first."""
    gates: dict[str, list[str]] = {}
    for step, gate in cast(dict[str, str], answer.get("gates", {})).items():
        gates.setdefault(gate, []).append(step)
    notes = [f"gate {gate} covers {', '.join(steps)}" for gate, steps in gates.items()]
    undo = _plan(app.contracts(), answer.get("undo", []))
    return [*notes, f"undo order {undo}"] if undo else notes


def _plan(contracts: Mapping[str, Contract], plan: Sequence[Any]) -> str:
    """A plan of undoing in one line, the first to be undone first; blocks in brackets."""
    return ", ".join(_item(contracts, item) for item in plan)


def _item(contracts: Mapping[str, Contract], item: Any) -> str:
    if isinstance(item, str):
        return _undo_name(contracts, item)
    for several, word in (("beside", " beside "), ("one_of", " or ")):
        if several in item:
            return f"({word.join(_plan(contracts, plan) for plan in item[several])})"
    inner = _plan(contracts, item.get("plan", ()))
    if "rounds" in item:
        return f"(each round of {item['rounds']}, the last first: {inner})"
    return f"(each of {item.get('items')}: {inner})"


def _undo_name(contracts: Mapping[str, Contract], name: str) -> str:
    """What its function is called; the contract where the app does not serve it."""
    function = contracts[name].handler("undo") if name in contracts else None
    return name if function is None else function.__name__.replace("_", "-")


def content(document: dict[str, Any]) -> Any:
    """What counts of a document: all but where its nodes stand in the source."""
    kept = {name: value for name, value in document.items() if name != "source"}
    return json.loads(json.dumps(kept))

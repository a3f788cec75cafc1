"""`troth-engine check`: the rules of registration on files, without an engine."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from domain.errors import refusal
from engine.cli_errors import Exit
from engine.cli_explore import EXPLORE_S, bounds_of, explored, told

if TYPE_CHECKING:
    from sagas.checks import Fault

__all__ = ["check"]

Json = Any


def check(
    files: Annotated[list[Path], typer.Argument(help="Definition documents (JSON), or folders.")],
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    draw: Annotated[
        Path | None, typer.Option(help="Folder to draw into what is right: SAGA.vN.svg and .mmd.")
    ] = None,
    explore: Annotated[
        bool, typer.Option("--explore", help="Try every run of what is right, within bounds.")
    ] = False,
    limit_s: Annotated[
        float,
        typer.Option("--explore-seconds", min=1, help="Seconds of the processor for each."),
    ] = EXPLORE_S,
    bounds: Annotated[
        str | None,
        typer.Option("--explore-bounds", help="How far, in place of the usual: attempts=3,items=2"),
    ] = None,
) -> None:
    """Check definitions as registering would; exit 1 when one has a fault.

    With --explore exit 7 when no run broke, and not all were looked at.
    """
    try:
        within = bounds_of(bounds)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--explore-bounds") from None
    limit = (limit_s, within) if explore else None
    found = _all_checked(_files(files), draw, limit)
    if json:
        typer.echo(orjson.dumps(found))
    else:
        for one in found:
            _tell(one)
    if any(one["faults"] for one in found):
        raise typer.Exit(Exit.FOUND_BAD)
    if any(one.get("explored", {}).get("cut") for one in found):
        raise typer.Exit(Exit.TIMED_OUT)


def _files(given: list[Path]) -> list[Path]:
    """The files that are named, and the definitions of the folders, by name."""
    found: list[Path] = []
    for path in given:
        found += sorted(path.glob("*.json")) if path.is_dir() else [path]
    if not found:
        raise refusal("http.not_found", f"no definitions in {', '.join(map(str, given))}")
    return found


def _all_checked(
    paths: list[Path], draw: Path | None, limit: tuple[float, dict[str, int]] | None
) -> list[dict[str, Json]]:
    """What is to be said of each: of its own, and, where that is right, together with the rest."""
    # The checks bring the type checker of expressions along: only where it is wanted.
    from sagas.checks import check as faults_of

    read = [_read(path) for path in paths]
    faults = [faults_of(document) for _, document in read]
    crossed = _crossed(read[i][1] for i, own in enumerate(faults) if not own)
    found: list[dict[str, Json]] = []
    for path, (text, document), own in zip(paths, read, faults, strict=True):
        told = [fault.as_json() for fault in own or crossed(document)]
        placed = [_placed(fault, path, text) for fault in told]
        found.append(_checked(path, document, placed, draw, limit))
    return found


def _read(path: Path) -> tuple[str, Json]:
    try:
        text = path.read_text("utf-8")
        return text, orjson.loads(text)
    except ValueError as error:
        raise refusal("http.body", f"{path} is not JSON: {error}") from None
    except OSError as error:
        raise refusal("http.not_found", f"{path}: {error.strerror}") from None


def _crossed(right: Iterable[Json]) -> Callable[[Json], list[Fault]]:
    """What finds the faults of the newest version of a saga and of those of all others together."""
    from sagas.checks.lock_order import Locks, crossings, locks_of

    every = {(one["saga"], one["version"]): locks_of(one) for one in right}
    newest: dict[str, int] = {}
    for saga, version in every:
        newest[saga] = max(version, newest.get(saga, version))

    def find(saga: str, version: int | None) -> Locks | None:
        return every.get((saga, newest.get(saga, 0) if version is None else version))

    def faults(document: Json) -> list[Fault]:
        if newest[document["saga"]] != document["version"]:
            return []
        return crossings(document, [every[one] for one in newest.items()], find)

    return faults


def _checked(
    path: Path, document: Json, faults: list[dict[str, Json]], draw: Path | None,
    limit: tuple[float, dict[str, int]] | None,
) -> dict[str, Json]:  # fmt: skip
    one = {"file": str(path), "faults": faults, **_facts(document, draw, is_right=not faults)}
    if limit is not None and not faults:
        one["explored"] = explored(document, *limit)
        one["faults"] = one["explored"].pop("faults")
        if draw is not None and one["explored"]["mermaid"]:
            one["drawn"].append(_draw_run(document, one["explored"]["mermaid"], draw))
    return one


def _draw_run(document: dict[str, Json], mermaid: str, folder: Path) -> str:
    """Write the shortest run that breaks a promise as a sequence diagram."""
    file = folder / f"{document['saga']}.v{document['version']}.broken.mmd"
    file.write_text(mermaid, "utf-8")
    return str(file)


def _placed(fault: dict[str, Json], path: Path, text: str) -> dict[str, Json]:
    """A fault whose document says nothing of a source: it stands in the file that was given."""
    if fault["line"] is None:
        fault["file"], fault["line"] = str(path), _line_of(text, fault["node"])
    return fault


def _line_of(text: str, node: str) -> int | None:
    """The line at which a node, handler or update of this path is named, the last if twice."""
    name = node.rpartition("/")[2]
    found = list(re.finditer(rf'"name"\s*:\s*"{re.escape(name)}"', text)) if name else []
    return text.count("\n", 0, found[-1].start()) + 1 if found else None


def _facts(document: dict[str, Json], draw: Path | None, *, is_right: bool) -> dict[str, Json]:
    """What a definition is, asks for and undoes.

    Its hash, `gates` by step, `undo` in order: names of contracts, and what `undo_plan` says of
    blocks; `drawn` are the files that were written.
    """
    from consumers.registering import definition_hash
    from sagas.checks import gates, undo_plan

    if not is_right:
        return {"hash": None, "gates": {}, "undo": [], "drawn": []}
    return {
        "hash": definition_hash(document).hex(),
        "gates": {step: str(gate) for step, gate in gates(document).items()},
        "undo": [_named(item) for item in undo_plan(document)],
        "drawn": [] if draw is None else _draw(document, draw),
    }


def _named(item: Json) -> Json:
    """An item of a plan with contracts in place of its steps."""
    if "contract" in item:
        return item["contract"]
    named = dict(item)
    for several in ("beside", "one_of"):
        if several in item:
            named[several] = [[_named(one) for one in plan] for plan in item[several]]
    if "plan" in item:
        named["plan"] = [_named(one) for one in item["plan"]]
    return named


def _draw(document: dict[str, Json], folder: Path) -> list[str]:
    """Write the two pictures; the files that are there are written anew."""
    from sagas.drawing import mermaid, svg

    folder.mkdir(parents=True, exist_ok=True)
    name = f"{document['saga']}.v{document['version']}"
    drawn = {folder / f"{name}.svg": svg(document), folder / f"{name}.mmd": mermaid(document)}
    for file, text in drawn.items():
        file.write_text(text, "utf-8")
    return [str(file) for file in drawn]


def _tell(one: dict[str, Json]) -> None:
    path, faults = one["file"], one["faults"]
    if not faults:
        typer.echo("   ".join([f"✓ {path}", *one["drawn"]]))
        _tell_explored(one)
        return
    for fault in faults:
        place = f"{fault['file']}:{fault['line']}" if fault["line"] else str(path)
        node = f"   {fault['node']}" if fault["node"] else ""
        typer.echo(f"error {fault['code']} {fault['alias']}: {fault['message']}")
        typer.echo(f"  where  {place}{node}")
        typer.echo(f"  do     {fault['do']}")
    _tell_explored(one)
    count = f"{len(faults)} fault{'s' if len(faults) > 1 else ''}"
    typer.echo(f"✗ {path}: {count}, nothing was registered · docs/errors.md")


def _tell_explored(one: dict[str, Json]) -> None:
    for line in told(one["explored"]) if "explored" in one else ():
        typer.echo(line)

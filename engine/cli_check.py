"""`troth-engine check`: the rules of registration on files, without an engine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from domain.errors import refusal
from engine.cli_errors import Exit

__all__ = ["check"]


def check(
    files: Annotated[list[Path], typer.Argument(help="Definition documents (JSON).")],
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check definitions as registering would; exit 1 when one has a fault."""
    found = [(path, _faults(path)) for path in files]
    if json:
        body = [
            {"file": str(path), "faults": faults, **_facts(path, is_right=not faults)}
            for path, faults in found
        ]
        typer.echo(orjson.dumps(body))
    else:
        for path, faults in found:
            _tell(path, faults)
    if any(faults for _, faults in found):
        raise typer.Exit(Exit.FOUND_BAD)


def _faults(path: Path) -> list[dict[str, Any]]:
    # The checks bring the type checker of expressions along: only where it is wanted.
    from sagas.checks import check as faults_of

    try:
        document = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise refusal("http.body", f"{path} is not JSON: {error}") from None
    except OSError as error:
        raise refusal("http.not_found", f"{path}: {error.strerror}") from None
    return [fault.as_json() for fault in faults_of(document)]


def _facts(path: Path, *, is_right: bool) -> dict[str, Any]:
    """What a definition is, asks for and undoes: its hash, `gates` by step, `undo` in order."""
    from consumers.registering import definition_hash
    from sagas.checks import gates, undo_order, undo_plan

    if not is_right:
        return {"hash": None, "gates": {}, "undo": []}
    document = orjson.loads(path.read_bytes())
    return {
        "hash": definition_hash(document).hex(),
        "gates": {step: str(gate) for step, gate in gates(document).items()},
        "undo": undo_order(undo_plan(document), "contract"),
    }


def _tell(path: Path, faults: list[dict[str, Any]]) -> None:
    if not faults:
        typer.echo(f"✓ {path}")
        return
    for fault in faults:
        place = f"{fault['file']}:{fault['line']}" if fault["line"] else str(path)
        node = f"   {fault['node']}" if fault["node"] else ""
        typer.echo(f"error {fault['code']} {fault['alias']}: {fault['message']}")
        typer.echo(f"  where  {place}{node}")
        typer.echo(f"  do     {fault['do']}")
    count = f"{len(faults)} fault{'s' if len(faults) > 1 else ''}"
    typer.echo(f"✗ {path}: {count}, nothing was registered · docs/errors.md")

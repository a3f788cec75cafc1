"""`python -m tools.explored` explores every built-in saga and writes the table of docs/checking.md.

    python -m tools.explored                 print the table
    python -m tools.explored --write         put it into docs/checking.md
    python -m tools.explored dd_room         one saga, by the name of its file; --write: its row

Seconds are of the processor, on one core, so that other work on the machine does not count.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from time import process_time

from engine.cli_explore import spent
from sagas.explore import LEFT, NARROW, Bounds, explore

__all__ = ["PAGE", "table"]

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "checking.md"
CATALOGUE = ROOT / "sagas" / "catalogue"
LIMIT_S = 60.0
"""Processor seconds for one saga."""
BEGIN, END = "<!-- explored: begin -->\n", "<!-- explored: end -->\n"
HEAD = (
    "| saga | narrow: states, moves, s | as it goes: states, moves, s | how far |\n"
    "|---|---|---|---|\n"
)


def table(names: Sequence[str] = ()) -> str:
    """The table: what was looked at within narrow bounds, and as `--explore` goes, and how far."""
    rows = [HEAD]
    for file in sorted(CATALOGUE.glob("*.json")):
        if not names or file.stem.partition(".")[0] in names:
            document = json.loads(file.read_text("utf-8"))
            cells = [*_cells(document, NARROW)[:1], *_cells(document, None)]
            rows.append(f"| {document['saga']} v{document['version']} | {' | '.join(cells)} |\n")
    return "".join(rows)


def _cells(document: dict[str, object], bounds: Bounds | None) -> tuple[str, str]:
    """What was counted, and how far it came."""
    began_s = process_time()
    found = explore(document, bounds, over=spent(LIMIT_S))
    counted = f"{found.states:,}, {found.moves:,}, {process_time() - began_s:.1f}"
    if found.broken is not None:
        return counted, "broken"
    left = [*found.cut, *(text for text in found.reached if text.endswith(LEFT))]
    return counted, "; ".join(left) or "wide"


def main() -> None:
    """Print the table, or write it into the page."""
    words = sys.argv[1:]
    made = table([word for word in words if not word.startswith("-")])
    if "--write" not in words:
        sys.stdout.write(made)
        return
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    old, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}{_merged(old, made)}{END}{after}", "utf-8")


def _merged(old: str, made: str) -> str:
    """The rows that were made, and the old ones of sagas that were not explored now."""
    rows = {
        line.split("|")[1]: line
        for text in (old, made) for line in text.removeprefix(HEAD).splitlines(keepends=True)
        if text.startswith(HEAD)
    }  # fmt: skip
    return HEAD + "".join(rows[name] for name in sorted(rows))


if __name__ == "__main__":
    main()

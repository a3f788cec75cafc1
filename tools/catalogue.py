"""`python -m tools.catalogue` traces the catalogue's sagas into their documents.

A document that is there already is overwritten with `--change` only: an engine that has registered
a version keeps it, so another definition is another version.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from examples.loan_offers.saga import loan_offer
from sagas.catalogue.dd_room import dd_room
from sagas.catalogue.partner_activation import activation
from sagas.catalogue.pmi import milestone, pmi
from sagas.catalogue.prospecting import prospecting
from sagas.catalogue.self_improvement import improvement
from sagas.catalogue.signature import signature
from troth import Saga

__all__ = ["CATALOGUE", "FOLDER", "path_of", "text_of"]

FOLDER = Path(__file__).resolve().parents[1] / "sagas" / "catalogue"
CATALOGUE: tuple[Saga[Any, Any], ...] = (
    activation, signature, loan_offer, dd_room, pmi, milestone, improvement, prospecting,
)  # fmt: skip


def path_of(saga: Saga[Any, Any]) -> Path:
    """The file of a saga's document: its name with `_`, and its version."""
    return FOLDER / f"{saga.name.replace('-', '_')}.v{saga.version}.json"


def text_of(saga: Saga[Any, Any]) -> str:
    """The document as it is written; `source` is left out, lines move without a change of it."""
    document = {name: part for name, part in saga.document().items() if name != "source"}
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> int:
    """Write what is missing; exit code 1 if a written one differs and --change was not given."""
    parser = argparse.ArgumentParser(prog="python -m tools.catalogue", description=__doc__)
    parser.add_argument("--change", action="store_true", help="overwrite documents that differ")
    chosen = parser.parse_args(arguments)
    differs = False
    for saga in CATALOGUE:
        path, text = path_of(saga), text_of(saga)
        if path.exists() and path.read_text("utf-8") == text:
            print(f"same      {path.name}")
        elif path.exists() and not chosen.change:
            differs = True
            print(f"differs   {path.name}: raise version=, or --change if no engine has it yet")
        else:
            path.write_text(text, "utf-8")
            print(f"written   {path.name}")
    return int(differs)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

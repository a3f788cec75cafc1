"""A card as a Mermaid flowchart: blocks and lanes are subgraphs, lists are arrows."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from sagas.drawing.cards import Card, Lane

__all__ = ["mermaid_of"]

TEXT_MAX = 80
"""Characters of one line of a label; the rest is in the definition."""
_TONES = {
    "effect": "fill:#e8f1fb,stroke:#2b6cb0",
    "gate": "fill:#fdf3dc,stroke:#b7791f",
    "pivot": "fill:#fde8e8,stroke:#c53030,stroke-width:3px",
    "wait": "fill:#eef7ee,stroke:#2f855a",
    "end": "fill:#edf2f7,stroke:#1a202c,stroke-width:2px",
}
_ASIDE = "fill:#fafafa,stroke:#718096,stroke-dasharray:5 4"
_ASIDE_ROLES = frozenset({"clause", "handler", "update"})


def mermaid_of(saga: Card) -> str:
    """The text of the flowchart, with accTitle and accDescr for readers that do not see it."""
    writer = _Writer()
    writer.lines += [
        "flowchart TB",
        f"  accTitle: {_plain(saga.title)}",
        f"  accDescr: {_plain('The flow of ' + saga.title + '; ' + '; '.join(saga.notes))}",
    ]
    writer.card(saga, "  ")
    writer.styles()
    return "\n".join(writer.lines) + "\n"


class _Writer:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self._toned: dict[str, list[str]] = {}
        self._count = 0

    def card(self, card: Card, indent: str) -> str:
        """Write a card, and give its id."""
        id_ = self._id()
        if card.tone in _TONES:
            self._toned.setdefault(card.tone, []).append(id_)
        first = card.title if card.kind == "saga" else f"{card.kind} {card.title}"
        label = _label([first, *card.notes, *card.marks])
        if not card.lanes:
            self.lines.append(f"{indent}{id_}{_boxed(card, label)}")
            return id_
        self.lines += [f'{indent}subgraph {id_}["{label}"]', f"{indent}  direction TB"]
        for lane in card.lanes:
            self._lane(lane, indent + "  ")
        self.lines.append(f"{indent}end")
        return id_

    def _lane(self, lane: Lane, indent: str) -> None:
        if lane.role == "main":
            self._list(lane, indent)
            return
        id_ = self._id()
        if lane.role in _ASIDE_ROLES:
            self._toned.setdefault("aside", []).append(id_)
        label = _label([lane.title, *lane.notes])
        self.lines += [f'{indent}subgraph {id_}["{label}"]', f"{indent}  direction TB"]
        self._list(lane, indent + "  ")
        self.lines.append(f"{indent}end")

    def _list(self, lane: Lane, indent: str) -> None:
        ids = [self.card(card, indent) for card in lane.cards]
        if not ids:
            self.lines.append(f'{indent}{self._id()}["nothing"]')
        for one, other in pairwise(ids):
            self.lines.append(f"{indent}{one} --> {other}")

    def styles(self) -> None:
        for tone, style in {**_TONES, "aside": _ASIDE}.items():
            if tone in self._toned:
                # `end` is a word of Mermaid's own: no class has a bare tone as its name.
                self.lines.append(f"  classDef is_{tone} {style}")
                self.lines.append(f"  class {','.join(self._toned[tone])} is_{tone}")

    def _id(self) -> str:
        self._count += 1
        return f"n{self._count}"


def _boxed(card: Card, label: str) -> str:
    match card.tone:
        case "wait":
            return f'(["{label}"])'
        case "end":
            return f'[["{label}"]]'
        case _:
            return f'["{label}"]'


def _label(lines: Iterable[str]) -> str:
    return "<br/>".join(_escaped(_cut(line)) for line in lines if line)


def _cut(line: str) -> str:
    return line if len(line) <= TEXT_MAX else f"{line[: TEXT_MAX - 1]}…"


def _escaped(text: str) -> str:
    """Entities as Mermaid has them: quotes and angles end labels, # begins an entity."""
    for mark, entity in (("#", "#35;"), ("&", "#amp;"), ('"', "#quot;"), ("<", "#lt;"),
                         (">", "#gt;"), ("`", "#96;")):  # fmt: skip
        text = text.replace(mark, entity)
    return " ".join(text.split())


def _plain(text: str) -> str:
    """A line of free text: no new line, no mark that ends it."""
    return " ".join(text.replace("{", "(").replace("}", ")").replace("#", "").split())

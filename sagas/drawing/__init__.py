"""Pictures of a definition that passed the checks: as SVG, and as the text of Mermaid.

Both show every node, branch, handler, update and clause of on_failure, what each step undoes, which
approve allows it, and where the way back ends. The same document always gives the same bytes.
"""

from __future__ import annotations

from typing import Any

from sagas.checks.tree import Document
from sagas.drawing.cards import card_of
from sagas.drawing.mermaid import mermaid_of
from sagas.drawing.svg import svg_of

__all__ = ["mermaid", "svg"]


def mermaid(document: dict[str, Any]) -> str:
    """A Mermaid flowchart of a definition document that passed the checks."""
    return mermaid_of(card_of(Document(document)))


def svg(document: dict[str, Any]) -> str:
    """An SVG picture of a definition document that passed the checks, with title and desc."""
    return svg_of(card_of(Document(document)))

"""Pictures of a definition show all of it, and the same document gives the same picture."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from sagas.checks.tree import Document
from sagas.drawing import mermaid, svg

ROOT = Path(__file__).resolve().parents[2]
FILES = [
    *sorted((ROOT / "sagas/catalogue").glob("*.json")),
    *sorted((ROOT / "tests/definitions/right").glob("*.json")),
]
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(params=FILES, ids=[file.stem for file in FILES])
def document(request: pytest.FixtureRequest) -> Any:
    return json.loads(request.param.read_text("utf-8"))


def named(document: Any) -> set[str]:
    """What must be seen: every node, branch, handler, update and clause."""
    d = Document(document)
    found = {f"{node.kind} {node.name}" for node in d.nodes}
    found |= {f"on {handler.name}" for handler in d.handlers}
    found |= {f"update {update.name}" for update in d.updates}
    for node in (d.root, *d.nodes):
        found |= {branch.name for branch in node.branches}
        found |= {f"on failure {', '.join(clause.on)}" for clause in node.clauses}
    return found


def test_the_mermaid_text_shows_every_part(document: Any) -> None:
    text = mermaid(document)
    labels = {label.split("<br/>")[0] for label in re.findall(r'\["([^"]*)"\]', text)}
    assert {one.replace("#", "#35;").replace("&", "#amp;") for one in named(document)} <= labels
    lines = [line.strip() for line in text.splitlines()]
    assert lines.count("end") == sum(line.startswith("subgraph ") for line in lines)
    assert lines[1].startswith("accTitle: ")
    assert lines[2].startswith("accDescr: ")


def test_the_svg_shows_every_part_and_says_it_in_words(document: Any) -> None:
    root = ElementTree.fromstring(svg(document))
    title, desc = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None
    assert title.text == f"{document['saga']} v{document['version']}"
    assert desc is not None
    assert root.get("aria-labelledby") == "title desc"
    told = {line.strip().split(": ")[0].split("; ")[0] for line in (desc.text or "").splitlines()}
    assert named(document) <= told | {line.split(":")[0] for line in told}
    drawn = {text.text for text in root.iter(f"{SVG}text")}
    assert {node.name for node in Document(document).nodes} <= drawn


def test_nothing_lies_outside_of_the_picture(document: Any) -> None:
    root = ElementTree.fromstring(svg(document))
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    for rect in root.iter(f"{SVG}rect"):
        x, y = float(rect.attrib["x"]), float(rect.attrib["y"])
        assert 0 <= x <= x + float(rect.attrib["width"]) <= width
        assert 0 <= y <= y + float(rect.attrib["height"]) <= height


def test_the_same_definition_gives_the_same_picture(document: Any) -> None:
    again = json.loads(json.dumps(document))
    assert (svg(again), mermaid(again)) == (svg(document), mermaid(document))


def test_gates_undos_and_pivots_are_drawn() -> None:
    document = json.loads((ROOT / "sagas/catalogue/signature.v1.json").read_text("utf-8"))
    for text in (svg(document), mermaid(document)):
        assert "allowed by legal(A2)" in text
        assert "undo esign/send-envelope@1:undo" in text
        assert "pivot: no way back from here" in text
        assert "envelope.declined" in text

"""How a run is told: what others are asked, and how it ends; nothing breaks the diagram."""

from __future__ import annotations

from typing import Any

from domain import messages as msg
from sagas.explore import as_lines, as_mermaid
from sagas.explore.moves import Move
from sagas.explore.search import Seen
from tests.semantics.language import Story, approve, child, given, saga, step, task

Json = Any


def told(story: Story) -> list[str]:
    """All that the engine said in a story, as the lines of a run."""
    lines = as_lines([Seen(0, None, None, story.w.events)], "so it is")
    return [line.strip().removeprefix("troth → ") for line in lines]


def test_a_run_tells_who_is_asked_for_what_and_how_it_ends() -> None:
    document = saga(
        step("book", undo=True), task("look"), child("kid"),
        approve("ok", step("pay", risk="R1", level="A1")),
    )  # fmt: skip
    story = given(document).done("book").works("look", "claim").works("look", "complete")
    story.kid("kid", "fulfilled").decides("ok", "ann", "manager", answer="reject")
    story.failed("book").control("settle", node="book", evidence="a letter")
    assert told(story) == [
        "shop: book", "person: look is offered", "saga kid: begin for kid",
        "person: ok wants a decision (A1)", "shop: undo of book", "person: undo debt at book",
        "troth: compensated", "✗ so it is",
    ]  # fmt: skip


def test_a_diagram_stays_whole_whatever_a_message_says() -> None:
    move = Move("a; b", "x" * 200 + "\n# : ;", msg.Wake(0))
    drawn = as_mermaid([Seen(0, None, move, ())], "one; two: three # four").splitlines()
    assert drawn[2] == "  participant p1 as a, b"
    assert drawn[3] == f"  p1->>troth: {'x' * 99}…"
    assert drawn[4] == "  Note over troth: one, two, three , four"
    assert as_lines([], "nothing") == ["  ✗ nothing"]

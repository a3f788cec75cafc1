"""The simulator's rule of late dones objects to one that is only noted, for it is forgotten."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

from consumers.registry import Registry
from domain.commitment import Commitment
from domain.folds import effects
from tests.semantics import language as say
from tests.simulation.books import Books
from tests.simulation.oracles import Oracles
from tests.simulation.store import Leases

Json = Any
ONCE: Json = {"attempts": 1}
PAY = say.step("pay", irreversible="pivot")


def saga(step: Json) -> Json:
    """In each round a step that nobody answers, and a pivot behind it."""
    part = say.scope("s", step, on_failure=[say.on_failure("*", undo="none")])
    return say.saga(say.repeat("r", part, PAY, max=2))


def judged(document: Json) -> list[str]:
    """What the rules say of a done that comes when its round is over."""
    story = say.given(document).started("a").lost("a").done("pay").late("r#1/s/a").late("r#1/s/a")
    registry = Registry()
    registry.add(document, "hash")
    oracles = Oracles(registry, Leases(), Books())
    c, found = Commitment(), list[str]()
    for event in story.w.events:
        if event is not story.w.events[0]:
            found.append(oracles.see(c.id, c, event) or "")
        c.evolve(event)
    return [told for told in found if told]


def test_what_leads_to_a_debt_is_right() -> None:
    assert judged(saga(say.step("a", undo=True, retry=ONCE))) == []


def test_what_is_forgotten_and_only_noted_is_wrong() -> None:
    with patch.object(effects, "_may_have_happened", lambda *_: False):
        told = judged(saga(say.step("a", undo=True, retry=ONCE)))
    assert set(told) == {"a done of r#1/s/a is only noted, for it is forgotten"}


def test_what_nobody_would_undo_may_be_forgotten() -> None:
    assert judged(saga(say.step("a", retry=ONCE))) == []

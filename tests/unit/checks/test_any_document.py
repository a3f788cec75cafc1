"""Whatever document comes in: the checks answer, and what passed them the engine can load."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sagas.checks import Fault, check, gates, typed, undo_plan
from sagas.loading import load

Json = Any
Place = tuple[str | int, ...]

FOLDER = Path(__file__).resolve().parents[2] / "definitions"
FILES = sorted(FOLDER.glob("*/*.json"))
DOCUMENTS: list[Json] = [json.loads(path.read_text("utf-8")) for path in FILES]
STRANGE: list[Json] = [None, True, -1, 1e300, "", "input", [], {}, [[]], {"node": "step"}, "1d"]


def places(value: Json, at: Place = ()) -> Iterator[tuple[Place, Json]]:
    """Every place of a document below its top, with what stands there."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for step, inner in items:
        yield (*at, step), inner
        if isinstance(inner, dict | list):
            yield from places(inner, (*at, step))


def member(at: Place) -> str:
    """What stands at a place, for swapping like with like."""
    names = [step for step in at if isinstance(step, str)]
    return names[-1] + ("[]" if isinstance(at[-1], int) else "")


ALIKE: dict[str, list[Json]] = {}
for whole in DOCUMENTS:
    for where, value in places(whole):
        ALIKE.setdefault(member(where), []).append(value)


@st.composite
def mutated(draw: st.DrawFn) -> Json:
    """A definition with one to three changes: taken out, replaced by its like, or by anything."""
    document = copy.deepcopy(draw(st.sampled_from(DOCUMENTS)))
    for _ in range(draw(st.integers(1, 3))):
        at, _ = draw(st.sampled_from(list(places(document))))
        holder = document
        for step in at[:-1]:
            holder = holder[step]
        how = draw(st.sampled_from(["alike", "alike", "alike", "strange", "out"]))
        if how == "out":
            del holder[at[-1]]
        else:
            chosen = ALIKE[member(at)] if how == "alike" else STRANGE
            holder[at[-1]] = copy.deepcopy(draw(st.sampled_from(chosen)))
        if not document:
            break
    return document


@settings(max_examples=300)
@given(mutated())
def test_every_document_is_answered(document: Json) -> None:
    """A fault of ours here would turn a typing error into TR999."""
    faults = check(document)
    assert all(isinstance(fault, Fault) and fault.message for fault in faults)
    if not faults:
        load(document, "00")
        gates(document)
        undo_plan(document)
        typed(document)

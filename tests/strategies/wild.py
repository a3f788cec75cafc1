"""Definitions with more corners than `flows`: of a few kinds of blocks each, one inside the other.

What a block keeps, losers that run on, ends of time and pivots stand wherever they may; what the
rules of registration refuse is not drawn. For walks, which try many thousands of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

from sagas.checks import check
from tests.strategies.flows import KEEPING, Shape, documents

__all__ = ["wild_documents"]

Json = Any
_DEEP = ("each", "parallel", "scope", "lock", "repeat", "race", "choose", "gated")
_TIMED = ("choose", "race", "parallel", "repeat", "for_each")
_NUMBERED = {"type": "object", "properties": {"number": {"type": "string"}}}
_EVENT = {"version": 1, "schema": _NUMBERED, "key": "number"}
_INPUT = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}


@st.composite
def wild_documents(draw: st.DrawFn) -> Json:
    """A definition that passes registration; its events are `ping`, `poke` and `told`."""
    document: Json = draw(documents(draw(_shapes())))
    document["events"] = dict.fromkeys(("ping", "poke", "told"), _EVENT)
    document["input"] = _INPUT
    if draw(st.integers(0, 4)) == 0:
        document["undo_deadline"] = draw(st.sampled_from(["1h", "30m"]))
    often = draw(st.integers(0, 5))
    pivots = draw(st.integers(0, 9)) < 3
    for node in nodes_of(document):
        _spice(draw, node, often)
        if pivots and node["node"] == "step" and "undo" not in node and draw(st.integers(0, 9)) < 3:
            node["irreversible"] = "pivot"
    if has_pivot(document):
        for node in nodes_of(document):
            if node["node"] == "step":
                node.setdefault("within", "30h")
    assume(not check(document))
    return document


@st.composite
def _shapes(draw: st.DrawFn) -> Shape:
    """Often of one to three kinds of blocks alone: then these meet each other."""
    few: list[str] = []
    if draw(st.integers(0, 4)) > 1:
        few = draw(st.lists(st.sampled_from(_DEEP), min_size=1, max_size=3, unique=True))
    return Shape(
        nodes_max=draw(st.sampled_from([6, 10, 14, 18])),
        depth_max=draw(st.sampled_from([2, 3, 3, 4])),
        blocks=few * 3,
    )


def _spice(draw: st.DrawFn, node: Json, often: int) -> None:
    """Give a node what it may have; `often` of ten times what keeps what was done."""
    kind = node["node"]
    if kind in KEEPING and draw(st.integers(0, 19)) < often:
        node["keep"] = True
    if kind in ("parallel", "for_each") and draw(st.integers(0, 3)) == 0:
        node["losers"] = "run_on"
        if draw(st.integers(0, 9)) < 6:
            node["join"] = "any"
    if kind == "approve":
        node.setdefault("within", "9h")
        node.setdefault("on_expiry", draw(st.sampled_from(["fail", "continue"])))
    if kind == "repeat" and draw(st.integers(0, 9)) < often:
        node["keep_rounds"] = True
    if kind in _TIMED and draw(st.integers(0, 7)) == 0:
        node.setdefault("within", draw(st.sampled_from(["2h", "30m"])))
        node.setdefault("on_expiry", draw(st.sampled_from(["fail", "continue"])))
    if kind == "for_each":
        node.setdefault("max_items", 10)


def has_pivot(document: Json) -> bool:
    """Whether a step of it cannot be undone, nor anything before it."""
    return any(node.get("irreversible") == "pivot" for node in nodes_of(document))


def nodes_of(part: Json) -> Iterator[Json]:
    """Every node in a flow below a part, in document order; triggers of races are none."""
    for member in ("flow", "else"):
        for node in part.get(member, ()):
            yield node
            yield from nodes_of(node)
    for member in ("branches", "on_failure", "handlers", "updates"):
        for below in part.get(member, ()):
            yield from nodes_of(below)

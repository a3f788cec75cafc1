"""Definitions with more corners than `flows`: of a few kinds of blocks each, one inside the other.

What a block keeps, losers that run on, ends of time and pivots stand wherever they may; what the
rules of registration refuse is not drawn. For walks, which try many thousands of them.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

from sagas.checks import Fault, check
from tests.semantics import language as say
from tests.strategies.flows import KEEPING, ONE_TRY, Shape, documents
from tests.strategies.wide import flows_of, nodes_of, settled, widen

__all__ = ["has_pivot", "wild_documents"]

Json = Any
_DEEP = ("each", "parallel", "scope", "lock", "repeat", "race", "choose", "gated")
_TIMED = ("choose", "race", "parallel", "repeat", "for_each")
_NUMBERED = {"type": "object", "properties": {"number": {"type": "string"}}}
_EVENT = {"version": 1, "schema": _NUMBERED, "key": "number"}
_INPUT = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}
PIVOTS_OF_TEN = 3
TRIES_MAX, REPAIRS_MAX = 3, 5


@st.composite
def wild_documents(draw: st.DrawFn) -> Json:
    """A definition that passes registration; its events are `ping`, `poke` and `told`."""
    document: Json = draw(documents(draw(_shapes())))
    document["events"] = dict.fromkeys(("ping", "poke", "told"), _EVENT)
    document["input"] = _INPUT
    if draw(st.integers(0, 4)) == 0:
        document["undo_deadline"] = draw(st.sampled_from(["1h", "30m"]))
    often = draw(st.integers(0, 5))
    for node in nodes_of(document):
        _spice(draw, node, often)
    document = _widened(draw, document)
    for node in nodes_of(document):
        if node.get("irreversible") == "pivot":
            node["irreversible"] = "accepted"
    if draw(st.integers(0, 9)) < PIVOTS_OF_TEN:
        document = _pivoted(draw, document)
    assume(not check(document))
    return document


def _widened(draw: st.DrawFn, document: Json) -> Json:
    """Often with members that are seldom drawn: one of a few tries that no rule refuses."""
    often = draw(st.sampled_from([0, 2, 4, 6]))
    for _ in range(TRIES_MAX if often else 0):
        wide = deepcopy(document)
        widen(draw, wide, often)
        wide = settled(wide)
        if not check(wide):
            return wide
        often = max(1, often // 2)
    return document


# --- pivots -------------------------------------------------------------------------------------


def _pivoted(draw: st.DrawFn, document: Json) -> Json:
    """With a pivot or two, and whatever may fail behind or beside one caught or going on."""
    steps = [n for n in nodes_of(document) if n["node"] == "step"]
    for node in draw(st.lists(st.sampled_from(steps), min_size=1, max_size=2)) if steps else ():
        node.pop("undo", None)
        node["irreversible"] = "pivot"
    for count in range(REPAIRS_MAX):
        for node in nodes_of(document):
            if node["node"] == "step":
                node.setdefault("within", "30h")
                node.setdefault("retry", ONE_TRY)
        faults = [f for f in check(document) if f.alias in ("def.stranded", "def.pivot_beside")]
        for number, where in enumerate(dict.fromkeys(_who(fault) for fault in faults)):
            _go_on(draw, document, where, f"{count + 1}0{number}")
        document = settled(document)
        if not faults:
            break
    return document


def _who(fault: Fault) -> str:
    """The node that is stranded, or the branch that may fail."""
    words = fault.message.split()
    return words[1] if words[0] == "branch" else fault.node.rpartition("/")[2]


def _go_on(draw: st.DrawFn, document: Json, name: str, number: str) -> None:
    """The failures of a node or a branch go somewhere: it goes on, or a scope catches them."""
    if not name:
        document.pop("deadline", None)
    for flow in flows_of(document):
        for at, node in enumerate(flow):
            inside = [branch.get("on", branch)["name"] for branch in node.get("branches", ())]
            if node["name"] != name and name not in inside:
                continue
            branch = next((b for b in node.get("branches", ()) if b["name"] == name), None)
            if node["node"] == "scope":
                node.pop("deadline", None)
                node.pop("while", None)
            elif node["name"] == name and "on_expiry" in node and draw(st.booleans()):
                node["on_expiry"] = "continue"
            elif branch is not None:
                branch["flow"] = [_catching(draw, branch["flow"], number)]
            else:
                flow[at] = _catching(draw, [node], number)
            return


def _catching(draw: st.DrawFn, flow: list[Json], number: str) -> Json:
    step = say.step(f"a{number}", undo=draw(st.sampled_from([True, None])))
    if "undo" not in step:
        step["irreversible"] = "accepted"
    clause = say.on_failure("*", step, name=f"o{number}")
    clause["undo"] = draw(st.sampled_from(["all", "all", "none"]))
    return say.scope(f"s{number}", *flow, on_failure=[clause])


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

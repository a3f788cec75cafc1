"""Members that nodes seldom have: each of them is drawn here, of every kind of node and block.

What comes of it is refused by registration more often than what `flows` draws.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from itertools import count
from typing import Any

from hypothesis import strategies as st

from tests.semantics import language as say

__all__ = ["flows_of", "nodes_of", "settled", "widen"]

Json = Any
Draw = Callable[[st.SearchStrategy[Any]], Any]
_SLOW = {"attempts": 3, "first": "1h", "jitter": 0}
_SOON = "meta.now < meta.started_at + duration('2h')"
_LATER = "meta.now > meta.started_at + duration('2h')"
FIRST_NAME = 1_000
"""Names of what is added here have numbers from there on."""

_MEMBERS: Mapping[str, Mapping[str, Sequence[Json]]] = {
    "step": {
        "retry": ({"attempts": 1}, _SLOW, {"attempts": 2, "first": "1s", "on": ["no"]},
                  {"attempts": 4, "first": "20m", "factor": 2}),
        "within": ("40m", "2h", "5h"),
        "timeout": ("30m",),
        "undo.retry": ({"attempts": 1}, _SLOW),
        "undo.when": ("attempted",),
    },
    "wait_for": {
        "collect": ({"max": 2}, {"quiet": "20m"}, {"max": 3, "quiet": "1h"}),
        "early": ("transient",),
    },
    "sleep": {"until": ("meta.started_at + duration('3h')", "meta.started_at",
                        "meta.now + duration('1h')")},
    "repeat": {
        "until": (_SOON, _LATER, "true", "false"), "while": (_SOON, _LATER, "true"),
        "max": (1, 3), "out": ("'o'",),
    },
    "parallel": {
        "exclusive": ("branch", "step"), "join": ({"until": "size(results.NAME.failed) > 0"},),
        "undo_order": ("reverse",),
    },
    "for_each": {
        "width": (1, 2), "join": ({"until": "size(results.NAME.done) > 0"},),
        "undo_order": ("reverse",), "out": ("1",),
        "close_when": ("size(results.NAME.done) > 0",),
    },
    "scope": {
        "deadline": ({"after": "90m"}, {"after": "30m"},
                     {"at": "meta.started_at + duration('4h')"}),
        "while": (_SOON, "vars.n < 1"), "undo_order": ("reverse",),
        "handlers": (), "on_failure": (), "undo_flow": (),
    },
    "approve": {"within": ("1h", "3h"), "valid": ("20m", "1h"), "level": ("A2", "A3"), "flow": ()},
    "choose": {"branches": ()},
    "race": {"branches": ()},
    "child": {"wait": (False,), "on_stop": ("cancel", "leave"), "within": ("1h",)},
    "lock": {"max_hold": ("30m", "90m"), "within": ("30m",)},
}  # fmt: skip
_HANDLER: Mapping[str, Sequence[Json]] = {
    "after_pivot": (True,), "width": (1, 2), "early": ("transient",),
    "when": ("meta.now > meta.started_at + duration('30m')",),
}  # fmt: skip
_OUT = {"until": {"while", "for"}, "while": {"until"}, "collect": {"peek"}}
"""What another member takes the place of."""


def widen(draw: Draw, document: Json, often: int) -> None:
    """Give `often` of ten nodes a member or two that they seldom have."""
    names = iter(count(FIRST_NAME))
    for node in [*nodes_of(document)]:
        members = _MEMBERS.get(node["node"], {})
        if members and draw(st.integers(0, 9)) < often:
            for _ in range(draw(st.integers(1, 2))):
                _give(draw, node, draw(st.sampled_from(sorted(members))), members, names)
        if node["node"] in ("step", "scope", "lock") and draw(st.integers(0, 59)) < often:
            node["when"] = draw(st.sampled_from(["false", _SOON]))
    for part in [document, *nodes_of(document)]:
        for handler in part.get("handlers", ()):
            name = draw(st.sampled_from([*sorted(_HANDLER), ""]))
            if name and (name != "after_pivot" or handler.get("mode") == "interrupt"):
                handler[name] = draw(st.sampled_from(_HANDLER[name]))
    _counts(draw, document, names)
    if draw(st.integers(0, 29)) < often:
        document["deadline"] = {"after": draw(st.sampled_from(["3h", "6h"]))}
    if draw(st.integers(0, 29)) < often:
        _caught(draw, document, names, ["cancelled", "deadline", "timeout", "*"])


def _give(
    draw: Draw, node: Json, name: str, members: Mapping[str, Sequence[Json]], names: Iterator[int]
) -> None:
    if not members[name]:
        _BELOW[node["node"], name](draw, node, names)
        return
    value = deepcopy(draw(st.sampled_from(members[name])))
    for other in _OUT.get(name, ()):
        node.pop(other, None)
    if name.startswith("undo."):
        if "undo" in node:
            node["undo"][name.removeprefix("undo.")] = value
        return
    if name == "join":
        value["until"] = value["until"].replace("NAME", node["name"])
    if name == "close_when":
        if not node.get("open"):
            return
        value = value.replace("NAME", node["name"])
    if node["node"] == "repeat" and name in ("until", "while"):
        node["on_max"] = draw(st.sampled_from(["fail", "continue"]))
    node[name] = value


# --- what lies in a node ------------------------------------------------------------------------


def _step(names: Iterator[int], **members: Json) -> Json:
    return say.step(f"a{next(names)}", undo=True, **members)


def _handles(draw: Draw, node: Json, names: Iterator[int]) -> None:
    mode = draw(st.sampled_from(["beside", "interrupt"]))
    handler = say.handler(f"h{next(names)}", "poke", _step(names), mode=mode)
    node["handlers"] = [*node.get("handlers", ()), handler]


def _catches(draw: Draw, node: Json, names: Iterator[int]) -> None:
    _caught(draw, node, names, ["*", "timeout", "deadline", "cancelled", "business:no"])


def _caught(draw: Draw, part: Json, names: Iterator[int], classes: list[str]) -> None:
    step = _step(names)
    clause = say.on_failure(draw(st.sampled_from(classes)), step, name=f"o{next(names)}")
    clause["undo"] = draw(st.sampled_from(["all", "all", "none"]))
    part["on_failure"] = [*part.get("on_failure", ()), clause]


def _undoes(draw: Draw, node: Json, names: Iterator[int]) -> None:
    if node.get("keep"):
        return
    more: Json = draw(st.sampled_from(["", "", "sleep", "repeat"]))
    flow = [say.step(f"u{next(names)}")]
    if more == "sleep":
        flow.append(say.sleep(f"l{next(names)}", "10m"))
    elif more == "repeat":
        flow.append(say.repeat(f"r{next(names)}", say.step(f"u{next(names)}"), max=2))
    node.setdefault("undo_flow", flow)


def _covers(draw: Draw, node: Json, names: Iterator[int]) -> None:
    unknown = draw(st.sampled_from(["ask", "probe"]))
    risk = draw(st.sampled_from(["R1", "R2"]))
    step = _step(names, risk=risk, unknown=unknown, probe=True, args={"id": "input.id"})
    node["flow"] = [*node.get("flow", ()), step]


def _chooses(draw: Draw, node: Json, names: Iterator[int]) -> None:
    when = draw(st.sampled_from(["true", "meta.now > meta.started_at"]))
    node["branches"].append(say.branch(f"b{next(names)}", _step(names), when=when))


def _runs(draw: Draw, node: Json, names: Iterator[int]) -> None:
    name = f"l{next(names)}"
    late: Json = {"within": "5h", "on_expiry": "continue"}
    triggers = [
        say.task(name, claim_lease="30m", **late), say.milestone(name, _LATER, **late),
        say.approve(name, subject="{'x': 1}", **late), say.sleep(name, "1h"),
    ]  # fmt: skip
    draw(st.sampled_from(node["branches"]))["on"] = draw(st.sampled_from(triggers))


_BELOW: Mapping[tuple[str, str], Callable[[Draw, Json, Iterator[int]], None]] = {
    ("scope", "handlers"): _handles, ("scope", "on_failure"): _catches,
    ("scope", "undo_flow"): _undoes, ("approve", "flow"): _covers,
    ("choose", "branches"): _chooses, ("race", "branches"): _runs,
}  # fmt: skip


def _counts(draw: Draw, document: Json, names: Iterator[int]) -> None:
    """A variable that is counted up, where one is read or at random."""
    is_read = any(node.get("while") == "vars.n < 1" for node in nodes_of(document))
    if not is_read and draw(st.integers(0, 5)) > 0:
        return
    document["vars"] = {"n": {"schema": {"type": "integer"}, "initial": 0}}
    flows = [flow for flow in flows_of(document) if flow]
    for _ in range(draw(st.integers(1, 2))):
        draw(st.sampled_from(flows)).insert(0, say.put(f"v{next(names)}", n="vars.n + 1"))


# --- reading ------------------------------------------------------------------------------------


def settled(document: Json) -> Json:
    """The definition with the contracts of the steps that were added to it."""
    given = document["contracts"]
    members = {name: value for name, value in document.items() if name != "flow"}
    whole = say.saga(*document["flow"], **(members | {"contracts": {}}))
    return whole | {"contracts": given | whole["contracts"]}


def nodes_of(part: Json) -> Iterator[Json]:
    """Every node in a flow below a part, in document order; triggers of races are none."""
    for flow in flows_of(part):
        yield from flow


def flows_of(part: Json) -> Iterator[list[Json]]:
    """Every flow below a part; those of an `undo_flow` and of triggers are none."""
    for member in ("flow", "else"):
        if member in part:
            yield part[member]
            for node in part[member]:
                yield from flows_of(node)
    for member in ("branches", "on_failure", "handlers", "updates"):
        for below in part.get(member, ()):
            yield from flows_of(below)

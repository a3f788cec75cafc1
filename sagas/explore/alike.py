"""When two states of a commitment have the same future: the text by which they are told apart.

Left out is what no future move reads: times, versions, digests of what is there itself, who worked,
how long it took. Order of the past is kept where undoing asks for it (`UndoOracle.signature`).

**Symmetry.** Branches of a parallel that are the same but for their names, and items of a list
whose definition reads neither their index nor an order, are interchangeable: a permutation of them
maps every run to a run. Of the texts under these permutations the smallest stands for all, so of
the states that differ only in *which* branch is how far, one is looked at.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import islice, permutations, product
from typing import Any, cast

import orjson

from domain.commitment import Commitment
from domain.state import Effect, changed, in_flight
from sagas.definition import Definition, Node
from sagas.explore.samples import ITEMS

__all__ = ["Alike"]

Json = Any
PERMUTATIONS_MAX = 24
"""Orders of equal branches and items that are tried for one state."""
# What no future move reads: who and when it was, counts, and what is written beside it anyway.
_PAST = frozenset({
    "tenant", "saga", "saga_version", "definition", "key", "run", "input", "params", "parent",
    "start", "started_us", "clock_us", "taken", "trail", "effects", "timers", "events_taken",
    "undone", "debt_count", "ended",
})  # fmt: skip
# What is left of them once the whole commitment undoes, and its flow never goes on.
_UNDOING = ("nodes", "locks", "entries", "stops", "undoing", "debts", "cancelling", "revoking")
_ENDING = frozenset({"failure", "cancel"})
_DIGESTS = frozenset({"digest", "digests", "result_digest", "approval", "timers"})
_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS


class Alike:
    """Gives each state of one definition its text."""

    def __init__(self, d: Definition, attempts: int) -> None:
        self.d = d
        self.attempts = attempts
        self._groups = list(_equal_branches(d.root))
        self._lists = [n for n in d.by_name.values() if n.kind == "for_each" and _unordered(d, n)]
        self._undoes_by_flow = "undo_flow" in str(d.document)
        self._reads_errors = "error." in str(d.document.get("flow", ()))
        self.is_symmetric = bool(self._groups or self._lists)

    def key(self, c: Commitment, undone: Json, gated: Json, used: Mapping[str, int]) -> bytes:
        """A digest of the text of a state, of what the oracles still know, and what is counted.

        States that are over have no future, so there is one for each way to end.
        """
        if c.ended is not None:
            return c.status.encode()
        flow_is_over = self._flow_is_over(c)
        state = vars(c)
        names = _UNDOING if flow_is_over else [n for n in state if n[0] != "_" and n not in _PAST]
        parts: dict[str, Json] = {name: state[name] for name in names}
        parts["effects"] = {key: self._effect(effect) for key, effect in c.effects.items()}
        if flow_is_over:
            open_ = {k: e for k, e in c.effects.items() if in_flight(e)}
            parts["effects"] = {k: parts["effects"][k] for k in open_}
        else:
            parts["trail"] = {path: trail.state for path, trail in c.trail.items()}
            parts["gated"] = gated
        parts["entries"] = {path: changed(entry, seq=0) for path, entry in c.entries.items()}
        parts["children"] = {path: changed(child, ask=0) for path, child in c.children.items()}
        parts["places"] = {path: changed(place, ask=0) for path, place in c.places.items()}
        parts["locks"] = {path: changed(hold, ask=0) for path, hold in c.locks.items()}
        if not self._reads_errors:
            parts["stops"] = {p: [_brief(s.cause), s.keep, s.pending] for p, s in c.stops.items()}
            parts["undoing"] = {path: _brief(u.cause) for path, u in c.undoing.items()}
            parts.pop("errors", None)
        parts["debts"] = [(debt.node, debt.kind) for debt in c.debts.values()]
        parts["paused"], parts["timers"] = c.paused, sorted(c.timers)
        text = orjson.dumps([parts, undone, used], option=_OPTIONS)
        if self.is_symmetric:
            text = min(self._renamed(c, _with_paths(c, text.decode())))
        given = b"" if flow_is_over else orjson.dumps(c.input, option=_OPTIONS)
        return sha256(given + text).digest()

    def _flow_is_over(self, c: Commitment) -> bool:
        root = None if self._undoes_by_flow else c.undoing.get("")
        return root is not None and root.cause["kind"] in _ENDING and "clause" not in root.cause

    def _effect(self, effect: Effect) -> Json:
        """Of a settled effect only how it ended; of one in flight all but what is counted on."""
        if not in_flight(effect):
            return [effect.node, effect.kind, effect.state]
        attempt = min(effect.attempt, self.attempts)
        unanswered = (0,) if effect.unanswered else ()
        return changed(
            effect, attempt=attempt, unanswered=unanswered, probes=0, error=None, worker=None
        )

    def _renamed(self, c: Commitment, text: str) -> Iterator[bytes]:
        for names in islice(self._permutations(c), PERMUTATIONS_MAX):
            yield orjson.dumps(_sorted(orjson.loads(_rename(text, names))), option=_OPTIONS)

    def _permutations(self, c: Commitment) -> Iterator[Mapping[str, str]]:
        """Ways to rename what is interchangeable, none changed first."""
        groups = [*self._groups, *self._items(c)]
        for orders in product(*(permutations(range(len(group))) for group in groups)):
            names: dict[str, str] = {}
            for group, order in zip(groups, orders, strict=True):
                for index, other in enumerate(order):
                    names |= dict(zip(group[index], group[other], strict=True))
            yield names

    def _items(self, c: Commitment) -> Iterator[Sequence[Sequence[str]]]:
        for node in self._lists:
            start = f"{node.template}["
            keys = {p[len(start) :].partition("]")[0] for p in c.nodes if p.startswith(start)}
            if len(keys) > 1:
                yield [[key] for key in sorted(keys)]


def _brief(cause: Json) -> Json:
    """Why a part stops, without the words: they change no future unless a flow reads them."""
    error = cause.get("error")
    if error is None:
        return cause
    return {**cause, "error": [error.get("class"), error.get("code")]}


def _with_paths(c: Commitment, text: str) -> str:
    """Effect ids, which say nothing of branches, by the paths that they are made of."""
    names = {key: f"{effect.kind} {effect.node}" for key, effect in c.effects.items()}
    names |= {e.effect: f"do {path}" for path, e in c.entries.items()}
    for path, instance in c.nodes.items():
        if instance.asked is not None:
            names[instance.asked.approval] = f"ask {path} {instance.asked.asked}"
        if instance.task is not None:
            names[instance.task.id] = f"task {path}"
    for path, binding in c.bindings.items():
        names[binding.approval] = f"ask {binding.node} {binding.asked} {path}"
    if not names:
        return text
    return re.sub("|".join(map(re.escape, names)), lambda found: names[found[0]], text)


def _rename(text: str, names: Mapping[str, str]) -> str:
    changed = {old: new for old, new in names.items() if old != new}
    if not changed:
        return text
    return re.sub(rf"\b({'|'.join(map(re.escape, changed))})\b", lambda f: changed[f[0]], text)


def _sorted(value: Json) -> Json:
    """Without digests of names, and what was entered in the order of names: both were renamed."""
    if isinstance(value, dict):
        members = cast(dict[str, Json], value).items()
        found = {k: _sorted(v) for k, v in members if k not in _DIGESTS}
        if isinstance(found.get("guards"), list):
            found["guards"] = sorted(found["guards"])
        return found
    return [_sorted(one) for one in cast(list[Json], value)] if isinstance(value, list) else value


# --- what is interchangeable -----------------------------------------------------------------


def _equal_branches(block: Node) -> Iterator[Sequence[Sequence[str]]]:
    """Groups of branches that are the same but for names: each with its names in order.

    What another expression reads by name is not interchangeable, nor are branches in an order.
    """
    for flow in block.flows():
        for node in flow.nodes:
            if node.kind == "parallel" and "undo_order" not in node.doc:
                yield from _groups_of(node)
            yield from _equal_branches(node)


def _groups_of(node: Node) -> Iterator[Sequence[Sequence[str]]]:
    shapes: dict[str, list[list[str]]] = {}
    outside = json.dumps({k: v for k, v in node.doc.items() if k != "branches"})
    for branch, doc in zip(node.branches, node.doc["branches"], strict=True):
        if "after" in doc or any(branch.name in b.after for b in node.branches):
            continue
        names = [branch.name, *(n.name for n in _inside(branch.flow.nodes))]
        unique = list(dict.fromkeys(names))
        numbers = {name: f"name{index}" for index, name in enumerate(unique)}
        shapes.setdefault(_rename(json.dumps(doc, sort_keys=True), numbers), []).append(unique)
    for group in shapes.values():
        read = {name for names in group for name in names}
        if len(group) > 1 and not any(re.search(rf"\b{re.escape(n)}\b", outside) for n in read):
            yield group


def _inside(nodes: Sequence[Node]) -> Iterator[Node]:
    for node in nodes:
        yield node
        for flow in node.flows():
            yield from _inside(flow.nodes)


def _unordered(d: Definition, node: Node) -> bool:
    """Whether no item knows its place: no index is read, none waits for another, all begin."""
    text = json.dumps(d.document["flow"])
    reads = f"each.{node.name}.index" in text
    limited = node.doc.get("width", ITEMS) < ITEMS or "after" in node.doc or node.doc.get("open")
    return not reads and not limited

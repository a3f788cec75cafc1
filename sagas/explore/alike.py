"""When two states of a commitment have the same future: the text by which they are told apart.

Left out is what no future move reads: times, versions, digests of what is there itself, who worked,
how long it took, and what nothing names any more (`alive`). Order of the past is kept where undoing
asks for it (`UndoOracle.signature`). Ids stand for what they are made of: a node, or arguments. The
text is a set of lines; what is interchangeable is renamed in them (`symmetry`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any, cast

import orjson

from domain.commitment import Commitment
from domain.state import (
    Asked,
    Binding,
    Child,
    Effect,
    Entry,
    Hold,
    Instance,
    Place,
    changed,
    in_flight,
    template_of,
)
from sagas.definition import Definition, Handler
from sagas.explore.alive import WHOLE_INPUT, Alive, Living, ends_all
from sagas.explore.awaited import may_be_late
from sagas.explore.gated import GateOracle
from sagas.explore.moves import LATE, Bounds
from sagas.explore.symmetry import Symmetry
from sagas.explore.undone import UndoOracle

__all__ = ["Alike"]

Json = Any
_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS
_NAMED = frozenset({"results", "events", "decisions"})
_SPENT = "spent "
_ID = re.compile(r"\b[0-9a-f]{16,64}\b")


class Alike:
    """Gives each state of one definition its text."""

    def __init__(self, d: Definition, bounds: Bounds, *, is_reduced: bool = True) -> None:
        self.d = d
        self.attempts = bounds.attempts
        self.runs = bounds.runs
        self.late = bounds.late
        self.is_reduced = is_reduced
        self.alive = Alive(d, is_off=not is_reduced)
        self.symmetry = Symmetry(d)
        self._undoes_by_flow = "undo_flow" in str(d.document)
        self._bars = "'not_by'" in str(d.document)
        self._reads_errors = "error." in str(d.document.get("flow", ()))
        self._reads_causes = self._reads_errors or any(
            "why" in (c.command.get("properties") or {}) for c in d.contracts.values()
        )
        self._texts: dict[tuple[int, bool], tuple[Any, str]] = {}
        self._names: dict[str, str] = {}

    def key(
        self, c: Commitment, undone: UndoOracle, gated: GateOracle, used: Mapping[str, int]
    ) -> tuple[bytes, Mapping[str, int]]:
        """A digest of the text of a state and of what the oracles still know; and what it spent.

        States that are over have no future, so there is one for each way to end.

        **Bounds.** Of two states with one text, the one that has spent no more of anything can do
        all that the other can, so the other need not be looked at. Runs of a handler count so as
        long as its `max` is beyond the bound: only then the engine does not read them either.

        **Late answers.** One that may still come is something more that a state can do: it counts
        as less than nothing. None comes when their bound is spent. One to an undo that nothing is
        left of changes its own record alone, so it is tried when that undo is settled, and then
        no more (`search`).
        """
        if c.ended is not None:
            return c.status.encode(), {}
        lines = self.lines(c, undone, gated)
        lines += self._spent(c, used)
        if self.symmetry.is_there and self.is_reduced:
            lines = self.symmetry.renamed(c, lines)
        spent = dict(used)
        for line in [line for line in lines if line.startswith(_SPENT)]:
            what, _, count = line.rpartition(" ")
            spent[what] = int(count)
            lines.remove(line)
        return sha256("\n".join(sorted(lines)).encode()).digest(), spent

    def _spent(self, c: Commitment, used: Mapping[str, int]) -> Iterator[str]:
        """What is counted of this state, and of which it matters whether it is less."""
        yield from (f"{_SPENT}runs {p} {n}" for p, n in c.runs.items() if self._is_free(p))
        if self.is_reduced and used.get(LATE, 0) >= self.late:
            return
        for effect in c.effects.values():
            is_over = self.is_reduced and effect.kind == "undo" and effect.node not in c.entries
            if may_be_late(c, effect) and not is_over:
                yield f"{_SPENT}late {effect.kind} {effect.node} {effect.state} -1"

    def _is_free(self, path: str) -> bool:
        found = self.d.by_template.get(template_of(path))
        return isinstance(found, Handler) and found.max > self.runs

    def lines(self, c: Commitment, undone: UndoOracle, gated: GateOracle) -> list[str]:
        """The text of a state that is not over, before anything is renamed."""
        living = self.alive.in_state(c)
        is_over = self.is_reduced and self._flow_is_over(c)
        lines = [*self._nodes(c), *self._of_undoing(c, undone, living)]
        if not is_over:
            lines += self._going_on(c, living)
            for number, path, rest in gated.signature(living.is_over):
                lines.append(f"gate {self._names.get(number, number)} {path} {rest}")
        for effect in c.effects.values():
            if in_flight(effect):
                is_last = effect.kind == "do" and living.stops(effect.node)
                lines.append(f"effect {effect.kind} {self._record(effect, is_last=is_last)}")
            elif not is_over and living.keeps(effect):
                lines.append(f"settled {effect.kind} {effect.node} {effect.state}")
        return lines

    def _flow_is_over(self, c: Commitment) -> bool:
        root = None if self._undoes_by_flow else c.undoing.get("")
        return root is not None and ends_all(root.cause)

    # --- lines -------------------------------------------------------------------------------

    def _nodes(self, c: Commitment) -> Iterator[str]:
        for path, instance in c.nodes.items():
            if instance.asked is not None:
                self._remember(path, instance.asked)
            if instance.task is not None:
                self._names[instance.task.id] = f"task {path}"
            if not self.symmetry.is_block(path):
                yield f"node {path} {self._record(instance)}"
                continue
            rest = changed(instance, guards=(), branches={}, outs={})
            yield f"node {path} {_json(rest)}"
            yield from (f"guard {path} {one}" for one in instance.guards)
            yield from (f"closed {path} {n} {how}" for n, how in instance.branches.items())
            yield from (f"out {path} {n} {_json(v)}" for n, v in instance.outs.items())

    def _remember(self, path: str, asked: Asked) -> None:
        self._names[asked.approval] = f"ask {path} {asked.asked}"
        for place, digest in asked.digests.items():
            self._names[digest] = f"to do {place} {_json(asked.args.get(place))}"

    def _of_undoing(self, c: Commitment, undone: UndoOracle, living: Living) -> Iterator[str]:
        order = undone.order(living.coming)
        yield from (f"order {base} {parts}" for base, parts in order.items())
        yield f"undone {bool(c.undone)}"
        yield from (f"undone {path}" for path in undone.undone if living.may_be_entered(path))
        yield f"plain {c.paused} {_json([c.cancelling, c.revoking])}"
        for path, stop in c.stops.items():
            yield f"stop {path} {_json([self._cause(stop.cause), stop.keep, stop.pending])}"
        for path, undoing in c.undoing.items():
            yield f"undoing {path} {_json(self._cause(undoing.cause))}"
        yield from (f"timer {name}" for name in c.timers)
        yield from (f"debt {debt.kind} {debt.node}" for debt in c.debts.values())
        yield from (f"item_after {path} {_json(one)}" for path, one in c.item_after.items())
        for name in ("entries", "locks", "children", "places"):
            for path, record in getattr(c, name).items():
                yield f"{name} {path} {self._record(record)}"

    def _going_on(self, c: Commitment, living: Living) -> Iterator[str]:
        """What is read only while the flow goes on, or may do so again."""
        if not living.is_ending:
            for name in ("subs", "queues"):
                yield from (f"{name} {path} {_json(one)}" for path, one in getattr(c, name).items())
        for path, people in c.deciders.items():
            if not (living.is_ending or (not self._bars and living.stops(path))):
                yield f"deciders {path} {_json(people)}"
        if not living.is_ending:
            yield from (f"runs {p} {n}" for p, n in c.runs.items() if not self._is_free(p))
        yield f"rest {_json([c.pivots, c.deferred, c.held])}"
        yield from (f"trail {path} {state}" for path, state in living.trail())
        yield from (f"var {n} {_json(v)}" for n, v in c.vars.items() if living.reads("", n))
        for path, binding in c.bindings.items():
            if not living.is_over(path):
                yield f"binding {path} {self._record(binding)}"
        for frame, data in c.frames.items():
            if living.has_readers(frame):
                yield from self._frame(living, frame, data)
        if self._reads_errors:
            yield from (f"error {path} {_json(error)}" for path, error in c.errors.items())
        whole = living.reads("", WHOLE_INPUT)
        given = cast(dict[str, Json], c.input if isinstance(c.input, dict) else {"": c.input})
        for name, value in given.items():
            if whole or living.reads("", f"input.{name}"):
                yield f"input {name} {_json(value)}"

    def _frame(self, living: Living, frame: str, data: Mapping[str, Json]) -> Iterator[str]:
        for root, values in data.items():
            if root == "each":
                for name, item in values.items():
                    known = self.symmetry.item(name, item)
                    yield f"each {frame} {name} {_json(known)}"
            elif root in _NAMED:
                for name, value in values.items():
                    if living.reads(frame, name):
                        yield f"{root} {frame} {name} {_json(value)}"
            else:
                yield f"{root} {frame} {_json(values)}"

    # --- records -----------------------------------------------------------------------------

    def _record(self, record: Any, *, is_last: bool = False) -> str:
        """The text of a frozen record, made once: states share them.

        `is_last`: of an effect that is never tried again, whatever comes of it.
        """
        found = self._texts.get((id(record), is_last))
        if found is None:  # it is kept with its text, so no other record gets its id
            bare = self._bare(record)
            if is_last:
                error = None if bare.error is None else ()
                bare = changed(bare, attempt=0, args=None, approval=None, stop=True, error=error)
            found = (record, _ID.sub(self._named, _json(bare)))
            self._texts[id(record), is_last] = found
        return found[1]

    def _named(self, found: re.Match[str]) -> str:
        return self._names.get(found[0], found[0])

    def _bare(self, record: Any) -> Json:
        """A record without what no move reads, or what is there elsewhere."""
        match record:
            case Effect():
                return changed(
                    record, attempt=min(record.attempt, self.attempts), digest="", classes=None,
                    unanswered=(0,) if record.unanswered else (), probes=0, worker=None,
                    error=record.error if self._reads_errors else _brief(record.error),
                    undoes=None, undo=None if record.undo is None else record.undo["args"],
                )  # fmt: skip
            case Entry():
                return changed(record, seq=0, effect="", digest="")
            case Child() | Place() | Hold():
                return changed(record, ask=0)
            case Instance():
                asked = record.asked
                if asked is None:
                    return record
                return changed(record, asked=changed(asked, evidence=None, digest=""))
            case Binding():
                return record
            case _:
                raise TypeError(f"{record} is no record of a state")

    def _cause(self, cause: Json) -> Json:
        """Why a part stops, without the error: it changes no future unless something reads it."""
        if "error" not in cause or self._reads_causes:
            return cause
        return {**cause, "error": None}


def _json(value: Any) -> str:
    return orjson.dumps(value, option=_OPTIONS).decode()


def _brief(error: Json) -> Json:
    return None if error is None else [error.get("class"), error.get("code")]

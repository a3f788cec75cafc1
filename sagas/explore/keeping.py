"""What a definition keeps: which parts of a run are never undone any more, read from the log alone.

A block with `keep` keeps what is done in it once it is done itself, and what runs on in it once
that is over; a repeat with `keep_rounds` keeps each round that is over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from domain import events as ev
from domain.events import Event
from domain.state import RESTING, is_kept, is_under, item_path, template_of

__all__ = ["Keeping", "items_added", "keepers"]

Json = Any
KEEPS = ("keep", "keep_rounds")


def keepers(document: Mapping[str, Json]) -> frozenset[str]:
    """Every block that keeps what is done in it, or in its rounds, by its path without marks."""
    return frozenset(path for word in KEEPS for path in _saying(document, word))


def _saying(holder: Mapping[str, Json], word: str, base: str = "") -> Iterator[str]:
    """Every part that says a word, by its path without marks."""
    if holder.get(word):
        yield base
    for node in (*holder.get("flow", ()), *holder.get("else", ())):
        yield from _saying(node, word, _below(base, node))
    for name in ("branches", "handlers", "updates"):
        for part in holder.get(name, ()):
            yield from _saying(part, word, _below(base, part))
    for clause in holder.get("on_failure", ()):
        yield from _saying({"flow": clause["flow"]}, word, base)


def _below(base: str, part: Mapping[str, Json]) -> str:
    return f"{base}/{part['name']}".lstrip("/") if "name" in part else base


def items_added(e: ev.ItemsAdded | ev.UpdateAccepted) -> Iterator[tuple[str, Sequence[Json]]]:
    """The list that an event adds to, with what it adds; an update may add nothing."""
    if isinstance(e, ev.ItemsAdded):
        yield e.node, e.items
    elif e.adds is not None:
        yield e.adds["node"], e.adds["items"]


class Keeping:
    """Reads the log of a commitment. What it holds is replaced and never changed."""

    def __init__(self, document: Mapping[str, Json]) -> None:
        self._blocks = frozenset(_saying(document, "keep"))
        self._repeats = frozenset(_saying(document, "keep_rounds"))
        self._is_off = not self._blocks and not self._repeats
        self._over: frozenset[str] = frozenset()
        self._round: Mapping[str, int] = {}
        self._open: Mapping[str, frozenset[str]] = {}
        """The branches or items of a block that are not over."""
        self._running: frozenset[str] = frozenset()
        """The blocks that are done, while what is open in them runs on."""
        self._stops: Mapping[str, tuple[str, ...]] = {}

    def fork(self) -> Keeping:
        """An independent copy."""
        copy = object.__new__(Keeping)
        vars(copy).update(vars(self))
        return copy

    def read(self, event: Event) -> None:
        read = None if self._is_off else _READ.get(type(event))
        if read is not None:
            getattr(self, read)(event)

    def keeps(self, path: str) -> bool:
        """Whether what is done there is never undone any more."""
        return any(
            is_under(path, block) and path != block and not self._runs_on(path, block)
            for block in (*self._over, *self._past(path))
        )

    def is_stopping(self, path: str) -> bool:
        """Whether it lies in a part that stops: what comes then may undo it."""
        return any(is_under(path, t) and not is_kept(path, k) for t, k in self._stops.items())

    def _past(self, path: str) -> Iterator[str]:
        """The rounds around a node that are over, of repeats that keep them."""
        for repeat, current in self._round.items():
            if path.startswith(f"{repeat}#"):
                number = path[len(repeat) + 1 :].partition("/")[0]
                if repeat in self._over or int(number) < current:
                    yield f"{repeat}#{number}"

    def _runs_on(self, path: str, block: str) -> bool:
        """Whether it lies in what still runs on inside a block."""
        return any(
            is_under(path, part)
            for running in self._running if is_under(running, block)
            for part in self._open.get(running, ())
        )  # fmt: skip

    # --- events ------------------------------------------------------------------------------

    def _entered(self, e: ev.NodeEntered) -> None:
        if template_of(e.node) in self._repeats:
            past = self._round.get(e.node, 0) + (e.branch == RESTING)
            self._round = {**self._round, e.node: past if e.round is None else e.round}
        if e.guards is not None:
            self._is_open(e.node, *(f"{e.node}/{name}" for name in e.guards))

    def _added(self, e: ev.ItemsAdded | ev.UpdateAccepted) -> None:
        for node, items in items_added(e):
            self._is_open(node, *(item_path(node, item["key"]) for item in items))

    def _is_open(self, block: str, *parts: str) -> None:
        self._open = {**self._open, block: self._open.get(block, frozenset()).union(parts)}

    def _branch_closed(self, e: ev.BranchClosed) -> None:
        self._closed(e.node, f"{e.node}/{e.branch}")

    def _item_closed(self, e: ev.ItemClosed) -> None:
        self._closed(e.node, item_path(e.node, e.item))

    def _closed(self, block: str, part: str) -> None:
        self._open = {**self._open, block: self._open.get(block, frozenset()) - {part}}

    def _runs(self, e: ev.NodeRunsOn) -> None:
        self._running |= {e.node}
        self._done(e)

    def _done(self, e: ev.NodeDone | ev.NodeRunsOn) -> None:
        if template_of(e.node) in self._blocks | self._repeats:
            self._over |= {e.node}
        if isinstance(e, ev.NodeDone):
            self._running -= {e.node}

    def _stopping(self, e: ev.PartStopping) -> None:
        if e.pending:
            return
        keep = tuple(e.keep or ())
        self._stops = {**self._stops, e.target: keep}
        self._running = frozenset(
            p for p in self._running if not is_under(p, e.target) or is_kept(p, keep)
        )

    def _stopped(self, e: ev.PartStopped) -> None:
        self._stops = {t: keep for t, keep in self._stops.items() if t != e.target}


_READ: dict[type[Event], str] = {
    ev.NodeEntered: "_entered",
    ev.ItemsAdded: "_added",
    ev.UpdateAccepted: "_added",
    ev.BranchClosed: "_branch_closed",
    ev.ItemClosed: "_item_closed",
    ev.NodeRunsOn: "_runs",
    ev.NodeDone: "_done",
    ev.PartStopping: "_stopping",
    ev.PartStopped: "_stopped",
}

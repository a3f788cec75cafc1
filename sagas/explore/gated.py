"""Whether a gated command has the decision it needs, read from the log and from who decided."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from domain import events as ev
from domain import messages as msg
from domain.events import Event
from domain.ids import action_digest
from domain.seats import LEVELS
from domain.state import binding_paths, template_of
from sagas.definition import Definition, Node
from sagas.explore.undone import Broken

__all__ = ["GateOracle"]

Json = Any


class GateOracle:
    """Keeps what people were asked and who said yes; objects to a command that nobody allowed.

    It knows decisions by their messages: an approval counts when as many people as its level and
    needs want have said yes to it, each with a seat, and none of them no.
    """

    def __init__(self, d: Definition) -> None:
        self.d = d
        self.asked: dict[str, Json] = {}
        self.yes: dict[str, tuple[str, ...]] = {}
        self.no: frozenset[str] = frozenset()
        self.used: dict[str, int] = {}
        self.use_of: dict[str, str] = {}

    def fork(self) -> GateOracle:
        copy = object.__new__(GateOracle)
        copy.d, copy.no = self.d, self.no
        copy.asked, copy.yes, copy.used = dict(self.asked), dict(self.yes), dict(self.used)
        copy.use_of = dict(self.use_of)
        return copy

    def signature(self, is_over: Callable[[str], bool]) -> Iterator[tuple[str, str, Json]]:
        """What the past still allows: of each question the steps, who said yes, how often used.

        A question that was answered no, and a step that is over, allow nothing any more: a decision
        allows the steps alone that it was asked for.
        """
        for approval, (_, digests, _, _) in self.asked.items():
            if approval not in self.no:
                for path in digests:
                    if not is_over(path):
                        yield approval, path, self.yes.get(approval, ())
        for use, count in self.used.items():
            approval, _, path = use.partition(" ")
            if not is_over(path):
                yield approval, path, count

    def read(self, message: msg.Message, events: Sequence[Event]) -> None:
        for event in events:
            match event:
                case ev.ApprovalAsked():
                    self.asked[event.approval] = (
                        event.level, event.digests, len(event.needs or ()), event.uses
                    )  # fmt: skip
                case ev.ApprovalAmended():
                    level, _, needs, uses = self.asked[event.approval]
                    self.asked[event.approval] = level, event.digests, needs, uses
                    self.yes.pop(event.approval, None)
                case ev.SeatTaken():
                    assert isinstance(message, msg.Decide)
                    yes = {*self.yes.get(event.approval, ()), message.by}
                    self.yes[event.approval] = tuple(sorted(yes))
                case ev.ApprovalRejected():
                    self.no |= {event.approval}
                case ev.EffectIntended() if event.kind == "do":
                    self._commanded(event)
                case ev.EffectWithdrawn():  # surely never begun: the decision is unused again
                    self.used.pop(self.use_of.pop(event.effect, ""), None)
                case _:
                    pass

    def _commanded(self, event: ev.EffectIntended) -> None:
        if not _is_gated(self.d.contracts[event.contract].classes):
            return
        node = self.d.by_template.get(template_of(event.node))
        undo = node.undo.contract.name if isinstance(node, Node) and node.undo else None
        digest = action_digest(event.contract, event.args, undo)
        for approval, (level, digests, needs, uses) in self.asked.items():
            asked_for = digest in [digests.get(path) for path in binding_paths(event.node)]
            allowed = asked_for and approval not in self.no
            seats = len(LEVELS[level]) + needs
            use = f"{approval} {event.node}"
            enough = len(self.yes.get(approval, ())) >= seats > 0
            if allowed and enough and self.used.get(use, 0) < uses:
                self.used[use] = self.used.get(use, 0) + 1
                self.use_of[event.effect] = use
                return
        raise Broken(f"{event.node} is commanded without a decision for exactly this action")


def _is_gated(classes: Mapping[str, str] | None) -> bool:
    """What semantics calls gated, said here once more: the definition may be read wrongly."""
    return classes is not None and (classes["A"] != "A0" or classes["R"] in ("R2", "R3"))

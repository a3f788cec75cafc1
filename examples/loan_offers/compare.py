"""The engine's answers beside those of the oracle, as a table and as one JSON object."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.table import Table

from examples.loan_offers.oracle import OUTCOMES, RULES, Deviation, Truth

__all__ = ["Answer", "Comparison", "Totals", "compare"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the engine says about one application.

    `outcome` is declined, cancelled, approved, open, or the status of a commitment that ended in
    another way; `nodes` are the names of its current nodes, empty once ended.
    """

    outcome: str
    nodes: frozenset[str]
    recorded: int
    deviations: tuple[Deviation, ...]


@dataclass(frozen=True, slots=True)
class Totals:
    """What was sent and what the engine parked."""

    events_in: int
    parked: int
    took_s: float


@dataclass(slots=True)
class Comparison:
    """Counts of both sides and the applications on which they differ."""

    totals: Totals
    applications: int = 0
    agree: int = 0
    open_in_log: int = 0
    open_agree: int = 0
    events_recorded: int = 0
    parked_in_log: int = 0
    log: Counter[str] = field(default_factory=Counter[str])
    engine: Counter[str] = field(default_factory=Counter[str])
    log_rules: Counter[str] = field(default_factory=Counter[str])
    engine_rules: Counter[str] = field(default_factory=Counter[str])
    differences: list[str] = field(default_factory=list[str])

    @property
    def adds_up(self) -> bool:
        """Every event sent is recorded or parked, and parked only what came after an end."""
        parked = self.totals.parked
        return (
            self.totals.events_in == self.events_recorded + parked and parked == self.parked_in_log
        )

    @property
    def holds(self) -> bool:
        """Both sides say the same about every application and every event."""
        return (
            self.agree == self.applications
            and self.open_agree == self.open_in_log
            and self.adds_up
            and not self.differences
        )

    def as_json(self) -> dict[str, Any]:
        """The last line of a run."""
        return {
            "applications": self.applications,
            "agree": self.agree,
            "disagree": self.applications - self.agree,
            "open_in_log": self.open_in_log,
            "open_agree": self.open_agree,
            "events_in": self.totals.events_in,
            "events_recorded": self.events_recorded,
            "parked": self.totals.parked,
            "deviations": {rule: self.engine_rules[rule] for rule in RULES},
            "events_per_s": round(self.totals.events_in / max(self.totals.took_s, 1e-9)),
        }

    def tables(self) -> list[Table]:
        """Ends and rules, the log beside the engine."""
        ends = _table("applications", self.log, self.engine, OUTCOMES)
        ends.add_section()
        ends.add_row("all", f"{self.applications:,}", f"{self.engine.total():,}", "")
        ends.add_row("open, at the node that is next", f"{self.open_in_log:,}",
                     f"{self.open_agree:,}", _sign(self.open_in_log, self.open_agree))  # fmt: skip
        return [ends, _table("deviations", self.log_rules, self.engine_rules, RULES)]


def compare(truths: Iterable[Truth], answers: Mapping[str, Answer], totals: Totals) -> Comparison:
    """Put each truth beside the engine's answer for its case."""
    found = Comparison(totals)
    for truth in truths:
        answer = answers.get(truth.case, _NONE)
        found.applications += 1
        found.log[truth.outcome] += 1
        found.engine[answer.outcome] += 1
        found.log_rules.update(deviation.rule for deviation in truth.deviations)
        found.engine_rules.update(deviation.rule for deviation in answer.deviations)
        found.events_recorded += answer.recorded
        found.parked_in_log += truth.parked
        found.agree += truth.outcome == answer.outcome
        if truth.outcome == "open":
            found.open_in_log += 1
            found.open_agree += answer.outcome == "open" and truth.next_nodes == answer.nodes
        found.differences.extend(_differences(truth, answer))
    return found


_NONE = Answer(outcome="unknown to the engine", nodes=frozenset(), recorded=0, deviations=())


def _differences(truth: Truth, answer: Answer) -> list[str]:
    """What differs, one line each; empty when both say the same."""
    pairs = [
        ("is", truth.outcome, answer.outcome),
        ("is at", sorted(truth.next_nodes), sorted(answer.nodes)),
        ("recorded", truth.recorded, answer.recorded),
        ("deviates by", [*map(_text, truth.deviations)], [*map(_text, answer.deviations)]),
    ]
    return [
        f"{truth.case}: {what} {log} in the log, {engine} in the engine"
        for what, log, engine in pairs
        if log != engine
    ]


def _text(deviation: Deviation) -> str:
    return f"{deviation.rule} {deviation.event_id}"


def _table(title: str, log: Counter[str], engine: Counter[str], names: Iterable[str]) -> Table:
    table = Table(title, "log", "engine", "")
    for column in table.columns[1:3]:
        column.justify = "right"
    known = list(names)
    for name in [*known, *sorted(set(engine) - set(known))]:
        table.add_row(name, f"{log[name]:,}", f"{engine[name]:,}", _sign(log[name], engine[name]))
    return table


def _sign(log: int, engine: int) -> str:
    return "✓" if log == engine else "differs"

"""Counters of the HTTP edge and gauges of the engine, for Prometheus. No label is an id."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

__all__ = ["CONTENT_TYPE", "Gauges", "Metrics"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
EVENT_TYPES_MAX = 500
"""More types than this are counted as "other": a label must not grow without bound."""

Gauges = Callable[[], Mapping[str, Iterable[tuple[dict[str, str], float]]]]
"""What is true now: name of a gauge to its labelled values."""

_HELP = {
    "commitments_open": "Commitments that have not ended, by saga and status",
    "steps_unserved": "Offered steps that nobody has claimed",
    "approvals_waiting": "Approvals that wait for a person",
    "tasks_waiting": "Tasks that wait for a person, claimed or not",
    "debts_open": "Undos that wait for a person",
    "dead_letters": "Dead letters that are open",
    "parked_streams": "Streams that are parked after a fault",
    "lane_lag_messages": "Requests that wait for the writer of a lane",
    "lane_inbox_messages": "Messages between streams that wait in a lane",
    "lane_commit_seconds": "How long the newest round of a lane took",
    "claims_waiting": "Workers that wait for work",
    "lane_head": "Position of the newest event of a lane",
    "timer_delay_seconds": "How late the oldest due timer is",
    "table_dead_rows": "Rows of a table that wait for vacuum",
    "table_bytes": "Size of a table with its indexes",
}


class Metrics:
    """The metrics of one engine. `gauges` is asked when somebody scrapes."""

    def __init__(self, gauges: Gauges | None = None) -> None:
        self.registry = CollectorRegistry()
        self._gauges = gauges
        self.events_in = Counter(
            "troth_events_in",
            "Events that came over HTTP, by type and result",
            ["type", "result"],
            registry=self.registry,
        )
        self.steps = Counter(
            "troth_steps",
            "Replies of participants, by outcome",
            ["participant", "outcome"],
            registry=self.registry,
        )
        self.answers = Counter(
            "troth_http_answers", "Answers of the HTTP API", ["status"], registry=self.registry
        )
        self._types: set[str] = set()
        self.registry.register(self)

    def event(self, kind: str, result: str) -> None:
        """Count an event by type; a type that was refused counts as unknown."""
        if kind not in self._types:
            known = result in {"accepted", "repeated"} and len(self._types) < EVENT_TYPES_MAX
            if known:
                self._types.add(kind)
            else:
                kind = "other"
        self.events_in.labels(kind, result).inc()

    def replied(self, participant: str, outcomes: Mapping[str, int]) -> None:
        """Count replies that were recorded, by outcome."""
        for outcome, count in outcomes.items():
            self.steps.labels(participant, outcome).inc(count)

    def collect(self) -> Iterable[Metric]:
        """The gauges, read now (called by the registry)."""
        if self._gauges is None:
            return
        for name, values in self._gauges().items():
            family: GaugeMetricFamily | None = None
            for labels, value in values:
                if family is None:
                    family = GaugeMetricFamily(
                        f"troth_{name}", _HELP.get(name, name), labels=list(labels)
                    )
                family.add_metric(list(labels.values()), value)
            if family is not None:
                yield family

    def describe(self) -> Iterable[Metric]:
        """Nothing is known before it is asked for (called by the registry)."""
        return ()

    def text(self) -> bytes:
        """The answer of /metrics."""
        return generate_latest(self.registry)

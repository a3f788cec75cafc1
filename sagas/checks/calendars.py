"""Calendars: zones, hours and holidays are real, and what names one names one that is there."""

from __future__ import annotations

from datetime import date
from typing import Any

from sagas.calendars import DAYS, hours_of
from sagas.checks.report import Report
from sagas.checks.tree import Document, Node, objects
from sagas.schema_refs import closest
from schemas.zones import zone_names

__all__ = ["check_calendars"]

Json = Any


def check_calendars(d: Document, report: Report) -> None:
    """Add calendars that mean nothing, and nodes that name none."""
    calendars = objects(d.doc, "calendars")
    for name, calendar in calendars.items():
        _calendar(name, calendar, report)
    for node in d.nodes:
        if node.kind == "step":
            _named(node, f"calendar of {node.name}", node.doc.get("calendar"), calendars, report)
        elif node.kind == "repeat":
            every = objects(node.doc, "every").get("calendar")
            _named(node, f"every of {node.name}", every, calendars, report)


def _named(
    node: Node, what: str, name: str | None, calendars: dict[str, Json], report: Report
) -> None:
    if name is not None and name not in calendars:
        text = f"{what}: there is no calendar {name}{closest(name, calendars)}"
        report.add("def.calendar", node, text, "declare it in calendars, or correct its name")


def _calendar(name: str, calendar: dict[str, Json], report: Report) -> None:
    def add(text: str, do: str) -> None:
        report.add("def.calendar", None, f"calendar {name}: {text}", do)

    zone = calendar["zone"]
    if zone not in zone_names():
        near = closest(zone, list(zone_names()))
        add(f"there is no zone {zone}{near}", "name a zone of the IANA list, as Europe/Berlin")
    for day in (day for day in DAYS if day in calendar["hours"]):
        problem = _problem_of_hours(calendar["hours"][day])
        if problem is not None:
            add(f"{day}: {problem}", "write spans as 09:00-12:00, the earlier first")
    for holiday in calendar.get("holidays", ()):
        try:
            date.fromisoformat(holiday)
        except ValueError:
            add(f"{holiday} is no day", "write holidays as 2026-12-25")


def _problem_of_hours(spans: list[str]) -> str | None:
    last, before = 0, ""
    for span in spans:
        try:
            start, end = hours_of(span)
        except ValueError as wrong:
            return str(wrong)
        if start < last:
            return f"{span} begins before {before} ends"
        last, before = end, span
    return None

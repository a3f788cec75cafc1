"""Reading an event log: what it gives, and what it says when the file is wrong."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from examples.loan_offers import xes
from examples.loan_offers.events import cloud_events, in_time_order
from examples.loan_offers.xes import XesError, read_cases

HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<log xes.version="1.0" xmlns="http://www.xes-standard.org/">
  <extension name="Time" prefix="time" uri="http://www.xes-standard.org/time.xesext"/>
  <global scope="event"><date key="time:timestamp" value="1970-01-01T00:00:00.000+01:00"/></global>
  <int key="total" value="3"><int key="START" value="1"/></int>
"""

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a log whose traces are the given text."""

    def _write(traces: str) -> Path:
        path = tmp_path / "log.xes"
        path.write_text(f"{HEAD}{traces}</log>", encoding="utf-8")
        return path

    return _write


def event(activity: str, at: str | None, *, transition: str = "COMPLETE", by: str = "112") -> str:
    time = f'<date key="time:timestamp" value="{at}"/>' if at else ""
    return (
        f'<event><string key="org:resource" value="{by}"/>{time}'
        f'<string key="lifecycle:transition" value="{transition}"/>'
        f'<string key="concept:name" value="{activity}"/></event>'
    )


def trace(name: str, *events: str, amount: str = "20000") -> str:
    return (
        f'<trace><string key="concept:name" value="{name}"/>'
        f'<string key="AMOUNT_REQ" value="{amount}"/>{"".join(events)}</trace>'
    )


TWO_CASES = trace(
    "c1",
    event("A_SUBMITTED", "2011-10-01T00:38:44.546+02:00"),
    event("W_Nabellen offertes", "2011-10-01T10:00:00+02:00", transition="SCHEDULE"),
) + trace("c2", event("A_SUBMITTED", "2011-10-01T08:00:00Z"), amount="UNKNOWN")


def test_a_log_is_read_case_by_case(write: Write) -> None:
    """Names, own attributes, events with index, transition, resource and zone."""
    first, second = read_cases(write(TWO_CASES))

    assert (first.name, first.attributes) == ("c1", {"AMOUNT_REQ": "20000"})
    assert [(e.index, e.activity, e.transition, e.resource) for e in first.events] == [
        (1, "A_SUBMITTED", "COMPLETE", "112"),
        (2, "W_Nabellen offertes", "SCHEDULE", "112"),
    ]
    assert first.events[0].at.isoformat() == "2011-10-01T00:38:44.546000+02:00"
    assert [e.index for e in second.events] == [1]


def test_a_packed_log_gives_the_same_whatever_its_name(write: Write, tmp_path: Path) -> None:
    """Gzip is known by its first bytes, not by the file's name."""
    plain = write(TWO_CASES)
    packed = tmp_path / "packed.log"
    packed.write_bytes(gzip.compress(plain.read_bytes()))

    assert list(read_cases(packed)) == list(read_cases(plain))


def test_a_log_without_a_namespace_is_read_too(tmp_path: Path) -> None:
    """Old writers leave the namespace out."""
    path = tmp_path / "old.xes"
    path.write_text(f"<log>{TWO_CASES}</log>", encoding="utf-8")

    assert [case.name for case in read_cases(path)] == ["c1", "c2"]


def test_an_event_without_lifecycle_counts_as_completed(write: Write) -> None:
    """A log without the lifecycle extension records completions only."""
    bare = (
        '<event><string key="concept:name" value="A_ACCEPTED"/>'
        '<date key="time:timestamp" value="2011-10-01T00:00:00Z"/></event>'
    )
    (case,) = read_cases(write(trace("c1", bare)))

    assert (case.events[0].transition, case.events[0].resource) == ("COMPLETE", None)


def test_the_cases_come_one_by_one(write: Write) -> None:
    """A broken second case does not keep the first from being read."""
    cases = read_cases(write(trace("c1") + trace("c2", event("A_SUBMITTED", None))))

    assert next(cases).name == "c1"
    with pytest.raises(XesError):
        next(cases)


@pytest.mark.parametrize(
    ("traces", "code", "says"),
    [
        (trace("c1", event("A_SUBMITTED", None)), "xes.no_timestamp", "case c1, event 1"),
        (trace("c1", event("A_SUBMITTED", "soon")), "xes.bad_timestamp", "'soon'"),
        (trace("c1", event("A_SUBMITTED", "2011-10-01T00:00:00")), "xes.bad_timestamp", "a zone"),
        (trace("", event("A_SUBMITTED", "2011-10-01T00:00:00Z")), "xes.no_name", "case number 1"),
        (trace("c1", event("", "2011-10-01T00:00:00Z")), "xes.no_name", "case c1, event 1"),
        ("<trace><event></trace>", "xes.broken", "log.xes:"),
    ],
)
def test_a_wrong_log_says_what_and_where(write: Write, traces: str, code: str, says: str) -> None:
    """Each fault has a code, the place and what to do."""
    with pytest.raises(XesError) as caught:
        list(read_cases(write(traces)))

    assert caught.value.code == code
    assert says in str(caught.value)
    assert str(caught.value).startswith(f"{code}: ")
    assert "\n  do   " in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """The path is in the message."""
    with pytest.raises(XesError, match=r"xes\.missing_file.*\n.*nowhere\.xes"):
        list(read_cases(tmp_path / "nowhere.xes"))


def test_a_folder_is_no_log(tmp_path: Path) -> None:
    """What the system says about the path is passed on."""
    with pytest.raises(XesError, match=r"xes\.broken.*directory"):
        list(read_cases(tmp_path))


@pytest.mark.parametrize("content", [b"", b"case,activity\n1,A\n", b"\x1f\x8bnot gzip at all"])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes) -> None:
    """Empty, text, and something that only begins like gzip."""
    path = tmp_path / "log.xes"
    path.write_bytes(content)

    with pytest.raises(XesError) as caught:
        list(read_cases(path))

    assert caught.value.code == "xes.broken"


def test_another_xml_document_is_refused(tmp_path: Path) -> None:
    """Only <log> begins a log."""
    path = tmp_path / "page.xml"
    path.write_text("<html><body/></html>", encoding="utf-8")

    with pytest.raises(XesError, match=r"xes\.not_a_log.*<html>"):
        list(read_cases(path))


def test_a_cut_download_is_found(write: Write, tmp_path: Path) -> None:
    """The end of the packed file is missing."""
    packed = tmp_path / "cut.xes.gz"
    packed.write_bytes(gzip.compress(write(TWO_CASES * 500).read_bytes())[:-200])

    with pytest.raises(XesError) as caught:
        list(read_cases(packed))

    assert caught.value.code == "xes.broken"


def test_a_case_without_end_is_refused(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """A case is held in memory, so its length has a bound."""
    monkeypatch.setattr(xes, "CASE_EVENTS_MAX", 2)
    one = event("A_SUBMITTED", "2011-10-01T00:00:00Z")

    assert len(list(read_cases(write(trace("c1", one, one) + trace("c2", one, one))))) == 2
    with pytest.raises(XesError, match=r"xes\.bound"):
        list(read_cases(write(trace("c1", one, one, one))))


def test_the_log_becomes_cloud_events_in_time_order(write: Write) -> None:
    """Original times with their zone, ids from case and index, the amount on the first only."""
    events = list(cloud_events(read_cases(write(TWO_CASES))))

    assert [(e["id"], e["type"], e["time"]) for e in events] == [
        ("c1-1", "application.submitted", "2011-10-01T00:38:44.546000+02:00"),
        ("c1-2", "work.scheduled", "2011-10-01T10:00:00+02:00"),
        ("c2-1", "application.submitted", "2011-10-01T08:00:00+00:00"),
    ]
    assert events[0]["data"] == {
        "case": "c1",
        "activity": "A_SUBMITTED",
        "transition": "COMPLETE",
        "resource": "112",
        "amount": 20000,
    }
    assert "amount" not in events[1]["data"]
    assert "amount" not in events[2]["data"], "UNKNOWN is no amount"
    assert {e["source"] for e in events} == {"urn:example:bpic2012"}


def test_events_of_one_time_keep_the_order_of_the_file(write: Write) -> None:
    """Sorting is stable, within a case and across cases."""
    at = "2011-10-01T00:00:00Z"
    later = event("A_PARTLYSUBMITTED", at) + event("A_ACCEPTED", at)
    ordered = in_time_order(
        read_cases(write(trace("c1", event("A_SUBMITTED", at), later) + trace("c2", later)))
    )

    assert [(case.name, event.index) for case, event in ordered] == [
        ("c1", 1),
        ("c1", 2),
        ("c1", 3),
        ("c2", 1),
        ("c2", 2),
    ]


@pytest.mark.parametrize(
    ("activity", "transition"),
    [("X_NEW", "COMPLETE"), ("A_SUBMITTED", "START"), ("W_Nabellen", "SUSPEND")],
)
def test_an_activity_nobody_waits_for_is_an_error(
    write: Write, activity: str, transition: str
) -> None:
    """A log of another process is refused, with the case and event that shows it."""
    path = write(trace("c1", event(activity, "2011-10-01T00:00:00Z", transition=transition)))

    with pytest.raises(XesError, match=rf"loans\.unknown_activity: {activity}.*\n.*case c1"):
        list(cloud_events(read_cases(path)))

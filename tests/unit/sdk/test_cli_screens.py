"""What the screens show: whole lines, as a person reads them at three in the morning."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from troth._models import CurrentStep, HistoryEvent
from troth.cli import _screens
from troth.cli._times import moment, span, until

NOW = datetime(2026, 11, 30, 9, 12, 8, tzinfo=UTC)

STEP: dict[str, Any] = {
    "id": "5b1c9e07-0000-8000-8000-000000000001", "saga": "partner-activation", "saga_version": 1,
    "definition": "18aee480aa", "tenant": "north", "key": "acme", "run": 1, "status": "waiting",
    "step": "partner_signed", "since": "2026-11-18T09:12:08Z", "version": 14,
    "position": "1:0:18841", "next_wakeup": "2026-12-02T09:12:08Z",
    "waits_for": [{"node": "partner_signed", "kind": "event",
                   "detail": "partner.signed, key acme", "until": "2026-12-02T09:12:08Z"}],
    "nodes": [
        {"node": "check_company", "state": "done", "at": "2026-11-18T09:12:04Z", "took_s": 0.2,
         "attempt": 1},
        {"node": "provision/create_account", "state": "done", "at": "2026-11-18T09:12:05Z",
         "took_s": 3.1, "attempt": 3},
        {"node": "risky", "state": "skipped", "at": "2026-11-18T09:12:05Z", "took_s": 0.0},
    ],
    "undo": ["provision/create_account"],
}  # fmt: skip


def test_show_says_where_it_is_and_what_it_waits_for() -> None:
    assert _screens.show(CurrentStep.model_validate(STEP), NOW) == [
        (
            "partner-activation/acme#1   WAITING 12 d 0 h   v1 18aee480   tenant north"
            "   id 5b1c9e07   position 1:0:18841"
        ),
        " ✓ check_company             18 Nov 09:12:04      0.2 s  attempt 1",
        " ✓ provision/create_account  18 Nov 09:12:05      3.1 s  attempt 3",
        " – risky                     18 Nov 09:12:05      0.0 s    skipped",
        (
            " ▶ partner_signed            waits for event partner.signed, key acme, until "
            "2 Dec 09:12:08 UTC (2 d 0 h)"
        ),
        (
            "   next wake-up 2 Dec 09:12:08 UTC (2 d 0 h)   if cancelled now, undone: "
            "provision/create_account   more: troth history partner-activation/acme#1, "
            "troth watch partner-activation/acme#1"
        ),
    ]


@pytest.mark.parametrize(
    ("kind", "detail", "said"),
    [
        ("hours", "office hours", "waits for office hours, until 2 Dec 09:12:08 UTC (2 d 0 h)"),
        (
            "throttle",
            "its turn in throttle crm",
            "waits for its turn in throttle crm, until 2 Dec 09:12:08 UTC (2 d 0 h)",
        ),
    ],
)
def test_show_says_that_a_step_waits_for_hours_or_its_turn(
    kind: str, detail: str, said: str
) -> None:
    waits = [{"node": "n", "kind": kind, "detail": detail, "until": "2026-12-02T09:12:08Z"}]
    shown = _screens.show(
        CurrentStep.model_validate({**STEP, "waits_for": waits, "nodes": []}), NOW
    )
    assert shown[1] == f" ▶ n  {said}"


def test_show_of_one_that_has_ended_has_its_end() -> None:
    ended = {
        **STEP, "status": "compensated", "ended_at": "2026-11-30T09:00:00Z", "waits_for": [],
        "nodes": [], "result": {"account_id": "4711"}, "debts": ["D-1"], "approvals": ["a17"],
        "error": {"class": "business", "code": "too-risky", "message": "no", "node": "risky"},
    }  # fmt: skip
    head, result, error, foot = _screens.show(CurrentStep.model_validate(ended), NOW)
    assert "COMPENSATED on 30 Nov 09:00:00 UTC" in head
    assert result == '   result  {"account_id": "4711"}'
    assert error == " ✗ error  business:too-risky: no at risky"
    assert "cancelled" not in foot
    assert foot.endswith("troth inbox   troth debts")


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("timer", "pause"), ("approval", "needs pause"), ("participant", "waits for pause"),
        ("retry", "pause"), ("unknown", "UNKNOWN whether it happened: pause"),
        ("debt", "DEBT pause"), ("later", "later pause"),
    ],
)  # fmt: skip
def test_every_kind_of_waiting_has_its_words(kind: str, said: str) -> None:
    waits = [{"node": "n", "kind": kind, "detail": "pause"}]
    step = CurrentStep.model_validate({**STEP, "waits_for": waits, "nodes": []})
    assert _screens.show(step, NOW)[1] == f" ▶ n  {said}"


def test_the_history_has_days_times_and_people() -> None:
    events = [
        HistoryEvent.model_validate({
            "version": version, "type": "approval.granted.v1", "at": at, "text": f"line {version}",
            "actor": actor, "actor_type": "human", "prev_sha256": prev, "sha256": own,
        })
        for version, at, actor, prev, own in (
            (1, "2025-11-29T09:41:03.902Z", None, "0", "a"),
            (2, "2026-11-30T00:00:00.001Z", "legal-head", "a", "b"),
            (3, "2026-11-30T00:00:00.002Z", "legal-head", "b", "c"),
        )
    ]  # fmt: skip
    assert _screens.history(events, NOW) == [
        "29 November 2025, UTC",
        " 09:41:03.902 v1    line 1",
        "30 November, UTC",
        " 00:00:00.001 v2    line 2   by legal-head (human)",
        " 00:00:00.002 v3    line 3",
    ]
    assert _screens.chain_line(events) == " 3 events, each holds the hash of the one before"
    broken = [events[0], events[1].model_copy(update={"prev_sha256": "x"})]
    assert "✗ the chain breaks before v2" in _screens.chain_line(broken)


def test_the_inbox_says_what_is_allowed_and_how() -> None:
    item = {
        "id": "a17", "saga": "partner-activation", "key": "acme", "run": 1, "node": "legal",
        "level": "A2", "digest": "7c1e90abcd", "due": "2026-12-03T08:12:08Z",
        "covers": [{"node": "legal/activate", "args": {"account": {"account_id": "4711"}},
                    "classes": {"A": "A2", "R": "R2", "S": "S2"}, "undo": "crm/activate@1:undo"}],
        "subject": None, "evidence": [
            {"node": "check_company", "at_us": 1, "value": {"risk": 20}},
            {"node": "partner_signed", "at_us": 2, "event": {
                "id": "01J9ZK", "source": "urn:example:crm", "data": {"company": "acme"}}},
        ],
        "missing": ["function_head", "legal or finance"],
    }  # fmt: skip
    assert _screens.inbox([item], NOW) == [
        (
            " legal   partner-activation/acme#1   A2   digest 7c1e90   until 3 Dec 08:12:08 UTC "
            "(2 d 23 h)"
        ),
        (
            '   allows    legal/activate({"account": {"account_id": "4711"}})   A2 R2 S2   '
            "undo: crm/activate@1:undo"
        ),
        '   evidence  check_company: {"risk": 20}',
        '   evidence  partner_signed: event 01J9ZK from urn:example:crm: {"company": "acme"}',
        "   wants     function_head, legal or finance",
        '   troth decide partner-activation/acme#1 legal approve --digest 7c1e90 --reason ".."',
    ]


def test_a_debt_shows_both_ways_out() -> None:
    item = {
        "id": "D-12", "saga": "partner-activation", "key": "hooli", "run": 1,
        "node": "provision/create_account", "kind": "undo", "owner": "crm-ops",
        "error": {"class": "business", "code": "has-invoices", "message": "409"},
        "due": "2026-11-30T06:12:08Z",
    }  # fmt: skip
    first, second = _screens.debts([item], NOW)
    assert first == (
        " D-12  partner-activation/hooli#1   undo of provision/create_account failed: "
        "business:has-invoices: 409   owner crm-ops   due 30 Nov 06:12:08 UTC (3 h 0 min overdue)"
    )
    assert "troth retry partner-activation/hooli#1 provision/create_account" in second
    assert "troth settle D-12 --evidence FILE" in second


def test_a_dead_letter_says_why_and_what_to_type() -> None:
    item = {
        "id": 7, "event_id": "01J9", "source": "urn:example:crm", "at": "2026-11-30T09:31:02Z",
        "seen": 3, "status": "open", "code": "TR312",
        "detail": "data.company must be a string, got 42", "raw": '{"data":{}}',
    }  # fmt: skip
    assert _screens.dead_letter(item, NOW)[:3] == [
        "7 01J9 from urn:example:crm, 30 Nov 09:31:02 UTC, seen 3 times   open",
        "   TR312 data.company must be a string, got 42",
        "   what came is kept: --raw",
    ]
    assert _screens.dead_letter(item, NOW, raw=True)[2] == '{"data":{}}'
    assert _screens.dead_letters([item], NOW)[0].startswith(" 7  01J9  from urn:example:crm")


def test_parked_events_say_how_long_they_are_kept() -> None:
    item = {
        "type": "partner.signed", "event_id": "01J", "key": "acme", "reason": "early",
        "kept_at": "2026-11-30T09:00:00Z", "expires_at": "2026-12-07T09:12:08Z",
    }  # fmt: skip
    assert _screens.parked([item], NOW) == [
        (
            " partner.signed  01J  key acme  early  kept 30 Nov 09:00:00  until 7 Dec 09:12:08 UTC "
            "(7 d 0 h)"
        )
    ]


@pytest.mark.parametrize(
    "empty",
    [_screens.inbox, _screens.debts, _screens.dead_letters, _screens.parked, _screens.listing],
)
def test_an_empty_list_says_so(empty: Any) -> None:
    (line,) = empty([], NOW)
    assert line.split()[0] in {"nothing", "no"}


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.19, "0.2 s"), (9.99, "10.0 s"), (14, "14 s"), (75, "1 min 15 s"), (8040, "2 h 14 min"),
        (1_036_800, "12 d 0 h"), (-3, "0.0 s"),
    ],
)  # fmt: skip
def test_spans_have_two_units(seconds: float, said: str) -> None:
    assert span(seconds) == said


def test_times_are_utc_and_name_another_year() -> None:
    assert moment(NOW - timedelta(days=400), NOW) == "26 Oct 2025 09:12:08"
    assert until(NOW - timedelta(hours=3), NOW) == "30 Nov 06:12:08 UTC (3 h 0 min overdue)"

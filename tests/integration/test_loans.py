"""`make loans` on a small log written by hand, as a user runs it.

What must come out is said here once more by hand: the log's oracle is only half of the witness.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests import tidy
from tests.integration.example_shapes import SHAPES, servers_of

START = datetime(2011, 10, 1, tzinfo=UTC)
ENDS_WITHIN_S = 60
LAST_DAY = 70

SUBMITTED = ["A_SUBMITTED", "A_PARTLYSUBMITTED"]
ACCEPTED = [*SUBMITTED, "A_PREACCEPTED", "A_ACCEPTED"]
CREATED = [*ACCEPTED, "O_SELECTED", "A_FINALIZED", "O_CREATED"]
SENT = [*CREATED, "O_SENT"]
RETURNED = [*SENT, "O_SENT_BACK"]
WORK = "W_Nabellen offertes"

CASES: dict[str, list[str]] = {
    "declined-at-once": [*SUBMITTED, "A_DECLINED", f"{WORK}:COMPLETE"],
    "cancelled-after-31-days": [*SENT, "31 A_CANCELLED", "31 O_CANCELLED"],
    "declined-after-return": [*RETURNED, "O_DECLINED", "A_DECLINED"],
    "approved": [*RETURNED, "O_ACCEPTED", "A_REGISTERED", "A_APPROVED", "A_ACTIVATED"],
    "approved-before-acceptance": [
        *RETURNED, "A_ACTIVATED", "O_ACCEPTED", "A_APPROVED", "A_REGISTERED"
    ],
    "approved-without-return": [
        *SENT, "A_APPROVED", "A_ACTIVATED", "A_REGISTERED", "O_ACCEPTED"
    ],
    "accepted-at-once": [*SENT, "O_ACCEPTED", "A_APPROVED", "A_REGISTERED", "A_ACTIVATED"],
    "second-offer": [
        *SENT, "5 O_SELECTED", "5 O_CANCELLED", "5 O_CREATED", "5 O_SENT", "9 O_SENT_BACK",
        "9 O_DECLINED", "9 A_DECLINED",
    ],
    "late-answer": [*SENT, "40 O_SENT_BACK", "41 O_ACCEPTED", "41 A_DECLINED"],
    "work": [
        *SUBMITTED, f"{WORK}:SCHEDULE", f"{WORK}:START", f"{WORK}:START", f"{WORK}:COMPLETE",
        f"{WORK}:COMPLETE", "A_CANCELLED",
    ],
    "open-accepted": ["60 A_SUBMITTED", "60 A_PARTLYSUBMITTED", "60 A_PREACCEPTED"],
    "open-finalised": ["60 A_SUBMITTED", "60 A_PARTLYSUBMITTED", "60 A_PREACCEPTED",
                       "60 A_ACCEPTED", "60 O_SELECTED", f"61 {WORK}:SCHEDULE"],
    "open-answer": [*(f"60 {activity}" for activity in SENT)],
    "open-late-answer": SENT,
    "open-validated": RETURNED,
    "open-in-approval": [*RETURNED, "O_ACCEPTED", f"{LAST_DAY} A_REGISTERED"],
}  # fmt: skip
"""Activities with the day they come on, 0 unless said, and their transition, COMPLETE unless said.
Each case comes in the same seconds as every other: many events share a time."""

PARKED = {"declined-at-once": 1, "cancelled-after-31-days": 1, "approved-without-return": 1}
OPEN = 6
DEVIATIONS = {
    "answer_overdue": 3,
    "accepted_without_return": 1,
    "declined_without_return": 0,
    "approved_without_return": 2,
    "work_completed_without_start": 1,
    "work_started_twice": 1,
    "work_started_without_schedule": 0,
}


def written(folder: Path) -> Path:
    """The cases as a log in XES."""
    traces = "".join(_trace(name, activities) for name, activities in CASES.items())
    path = folder / "log.xes"
    path.write_text(f'<log xes.version="1.0">{traces}</log>', encoding="utf-8")
    return path


def _trace(name: str, activities: list[str]) -> str:
    events = "".join(_event(second, text) for second, text in enumerate(activities))
    return f'<trace><string key="concept:name" value="{name}"/>{events}</trace>'


def _event(second: int, text: str) -> str:
    day, _, rest = text.partition(" ") if text[0].isdigit() else ("0", "", text)
    activity, _, transition = rest.partition(":")
    at = (START + timedelta(days=int(day), seconds=second)).isoformat()
    return (
        f'<event><date key="time:timestamp" value="{at}"/>'
        f'<string key="lifecycle:transition" value="{transition or "COMPLETE"}"/>'
        f'<string key="concept:name" value="{activity}"/></event>'
    )


def loans(
    *arguments: str | Path, servers: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "examples.loan_offers", *map(str, arguments)],
        cwd=tidy.ROOT, env=os.environ | dict(servers or {}), capture_output=True, text=True,
        timeout=ENDS_WITHIN_S, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_the_engine_says_what_the_log_says(
    shape: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Ends, open nodes, broken rules and parked events of a log with every kind of case agree."""
    options = ["--shape", shape, "--folder", tmp_path / "loans"]
    done = loans(written(tmp_path), *options, servers=servers_of(shape, request))

    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert said.pop("events_per_s") > 0
    sent = sum(map(len, CASES.values()))
    parked = sum(PARKED.values())
    assert said == {
        "applications": len(CASES),
        "agree": len(CASES),
        "disagree": 0,
        "open_in_log": OPEN,
        "open_agree": OPEN,
        "events_in": sent,
        "events_recorded": sent - parked,
        "parked": parked,
        "deviations": DEVIATIONS,
    }


def test_a_log_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Exit code 2, before any engine is started."""
    done = loans(tmp_path / "none.xes.gz", "--folder", tmp_path / "loans")

    assert (done.returncode, done.stdout) == (2, "")
    assert "none.xes.gz is not there" in done.stderr
    assert not (tmp_path / "loans").exists()


def test_a_folder_of_somebody_else_is_not_emptied(tmp_path: Path) -> None:
    """Only what a replay made is made anew."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")

    done = loans(written(tmp_path), "--folder", tmp_path / "mine")

    assert done.returncode == 1
    assert "holds something else" in done.stderr
    assert (tmp_path / "mine" / "letter.txt").exists()

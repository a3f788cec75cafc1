"""The chain finds whatever was changed, removed, moved or cut off."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.chain import (
    FAULTS_MAX,
    GENESIS,
    ChainReport,
    Checkpoint,
    LogRow,
    event_hash,
    lane_chain,
    verify,
)

A, B = UUID(int=1), UUID(int=2)


def log(*streams: UUID) -> list[LogRow]:
    """A lane whose events belong to these streams, in this order."""
    rows: list[LogRow] = []
    last: dict[UUID, tuple[int, bytes]] = {}
    for position, stream in enumerate(streams, 1):
        version, prev = last.get(stream, (0, GENESIS))
        state = b'{"n":%d}' % position
        row = LogRow(position, stream.bytes, version + 1, "node.done", state, prev)
        last[stream] = (version + 1, hash_of(row))
        rows.append(row)
    return rows


def hash_of(row: LogRow) -> bytes:
    return event_hash(row.prev, row.stream, row.version, row.topic, row.state)


def checkpoints(rows: list[LogRow], *positions: int) -> list[Checkpoint]:
    """What was noted when the lane had come to these positions (by default, its head)."""
    chain, found = GENESIS, list[Checkpoint]()
    for row in rows:
        chain = lane_chain(chain, row.position, hash_of(row))
        found.append(Checkpoint(row.position, chain))
    wanted = positions or (len(rows),)
    return [found[position - 1] for position in wanted]


def faults(report: ChainReport) -> list[int]:
    return [fault.position for fault in report.faults]


LANE = log(A, B, A, A, B, A)


def test_an_event_hash_is_made_of_these_bytes() -> None:
    """Another language computes it from docs/format.md alone."""
    prev, state = bytes(range(32)), b'{"x":1}'
    raw = (
        b"troth.event.v1\n" + prev + A.bytes + (7).to_bytes(8, "big") + (9).to_bytes(2, "big")
        + b"node.done" + state
    )  # fmt: skip
    assert event_hash(prev, A.bytes, 7, "node.done", state) == sha256(raw).digest()


def test_a_lane_chain_is_made_of_these_bytes() -> None:
    raw = GENESIS + (18846).to_bytes(8, "big") + b"h" * 32
    assert lane_chain(GENESIS, 18846, b"h" * 32) == sha256(raw).digest()


def test_an_untouched_lane_verifies() -> None:
    report = verify(LANE, checkpoints(LANE, 2, 6))
    assert report.sound
    assert (report.events, report.streams) == (6, 2)
    assert [report.head] == checkpoints(LANE)


def test_an_empty_lane_verifies() -> None:
    assert verify([], [Checkpoint(0, GENESIS)]).sound


@pytest.mark.parametrize("position", range(1, 7))
@pytest.mark.parametrize(
    "change",
    [
        {"state": b"{}"},
        {"topic": "node.failed"},
        {"prev": b"x" * 32},
        {"stream": UUID(int=3).bytes},
        {"version": 9},
    ],
)
def test_any_changed_event_is_found(position: int, change: dict[str, object]) -> None:
    rows = list(LANE)
    rows[position - 1] = replace(rows[position - 1], **change)
    assert not verify(rows, checkpoints(LANE)).sound


@pytest.mark.parametrize("position", range(1, 7))
def test_any_removed_event_is_found(position: int) -> None:
    rows = [row for row in LANE if row.position != position]
    assert not verify(rows, checkpoints(LANE)).sound


@pytest.mark.parametrize("position", range(1, 6))
def test_two_events_that_changed_places_are_found(position: int) -> None:
    """Also when their positions were changed to fit."""
    rows = list(LANE)
    first, second = rows[position - 1], rows[position]
    rows[position - 1 : position + 1] = [
        replace(second, position=first.position),
        replace(first, position=second.position),
    ]
    assert not verify(rows, checkpoints(LANE)).sound


def test_a_cut_tail_is_found_against_a_checkpoint() -> None:
    report = verify(LANE[:4], checkpoints(LANE))
    assert faults(report) == [6]
    assert "tail is gone" in str(report.faults[0])


def test_a_removed_stream_is_found_against_a_checkpoint() -> None:
    """Renumbered, the rest is sound in itself."""
    rest = [row for row in LANE if row.stream == A.bytes]
    rest = [replace(row, position=n) for n, row in enumerate(rest, 1)]
    assert verify(rest, []).sound
    assert not verify(rest, checkpoints(LANE, 3)).sound


def test_the_last_event_of_a_stream_hangs_on_the_checkpoint() -> None:
    rows = [*LANE[:5], replace(LANE[5], state=b"{}")]
    assert verify(rows, []).sound
    report = verify(rows, checkpoints(LANE, 4, 6))
    assert "changed after position 4" in str(report.faults[0])


def test_one_change_is_named_once_and_where_it_is() -> None:
    rows = list(LANE)
    rows[0] = replace(rows[0], state=b"{}")
    report = verify(rows, checkpoints(LANE, 1, 2, 6))
    assert faults(report) == [1, 3]
    assert report.faults[1].stream == A


def test_many_faults_are_counted_and_the_first_ones_named() -> None:
    rows = [replace(row, prev=b"x" * 32) for row in log(*[A] * (FAULTS_MAX + 20))]
    report = verify(rows, [])
    assert len(report.faults) == FAULTS_MAX
    assert report.faults_total > FAULTS_MAX


@given(st.lists(st.sampled_from([A, B, UUID(int=3)]), min_size=1, max_size=12), st.data())
def test_no_single_byte_can_change_unseen(streams: list[UUID], data: st.DataObject) -> None:
    rows = log(*streams)
    index = data.draw(st.integers(0, len(rows) - 1))
    state = bytearray(rows[index].state)
    at = data.draw(st.integers(0, len(state) - 1))
    state[at] ^= data.draw(st.integers(1, 255))
    changed = [*rows]
    changed[index] = replace(rows[index], state=bytes(state))
    assert verify(rows, checkpoints(rows)).sound
    assert not verify(changed, checkpoints(rows)).sound

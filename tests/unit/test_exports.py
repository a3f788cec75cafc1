"""An export is verified by what is in it alone; every change, cut and swap is found."""

from pathlib import Path
from uuid import UUID

import orjson
import pytest

from domain.chain import GENESIS, Checkpoint, LogRow, event_hash, lane_chain
from domain.errors import Refusal
from engine.exports import header_of_lane, header_of_stream, line_of, read_export

STREAMS = [UUID(int=1), UUID(int=2)]


def log(count: int = 10) -> tuple[list[LogRow], bytes]:
    """Rows of two streams in one lane, and the chain over them."""
    rows: list[LogRow] = []
    last: dict[UUID, tuple[int, bytes]] = dict.fromkeys(STREAMS, (0, GENESIS))
    chain = GENESIS
    for position in range(1, count + 1):
        stream = STREAMS[position % 2]
        version, prev = last[stream]
        state = b'{"n":%d,"text":"M\xc3\xbcller"}' % position
        row = LogRow(position, stream.bytes, version + 1, "node.done", state, prev)
        known = event_hash(prev, row.stream, row.version, row.topic, row.state)
        last[stream] = (version + 1, known)
        chain = lane_chain(chain, position, known)
        rows.append(row)
    return rows, chain


@pytest.fixture
def lines() -> list[dict]:
    rows, chain = log()
    return [header_of_lane("s", 1, 0, Checkpoint(10, chain)), *map(line_of, rows)]


@pytest.fixture
def stream_lines() -> list[dict]:
    rows = [row for row in log()[0] if row.stream == STREAMS[0].bytes]
    return [header_of_stream("s", 1, STREAMS[0], rows), *map(line_of, rows)]


def written(tmp_path: Path, lines: list[dict]) -> Path:
    path = tmp_path / "export.ndjson"
    path.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    return path


def test_an_untouched_export_is_sound(
    tmp_path: Path, lines: list[dict], stream_lines: list[dict]
) -> None:
    (whole,) = read_export(written(tmp_path, lines))
    assert (whole.lane, whole.report.sound, whole.report.events) == (0, True, 10)
    (one,) = read_export(written(tmp_path, stream_lines))
    assert (one.stream, one.report.sound, one.report.events) == (STREAMS[0], True, 5)


def test_an_empty_lane_is_sound(tmp_path: Path) -> None:
    header = header_of_lane("s", 1, 0, Checkpoint(0, GENESIS))
    (empty,) = read_export(written(tmp_path, [header]))
    assert empty.report.sound


@pytest.mark.parametrize("at", [None, 4, 15])
def test_each_lane_of_a_store_is_verified_on_its_own(tmp_path: Path, at: int | None) -> None:
    rows, chain = log()
    found = [
        line
        for lane in (0, 1)
        for line in (header_of_lane("s", 1, lane, Checkpoint(10, chain)), *map(line_of, rows))
    ]
    if at is not None:
        found[at]["topic"] = "node.failed"
    read = read_export(written(tmp_path, found))
    assert [one.name for one in read] == ["lane 0", "lane 1"]
    assert [one.report.sound for one in read] == [at != 4, at != 15]


def test_a_header_that_was_taken_out_is_found(tmp_path: Path) -> None:
    """The rows of the next lane would follow those of the one before."""
    rows, chain = log()
    header = header_of_lane("s", 1, 0, Checkpoint(10, chain))
    (read,) = read_export(written(tmp_path, [header, *map(line_of, rows), *map(line_of, rows)]))
    assert not read.report.sound


@pytest.mark.parametrize("kind", ["lines", "stream_lines"])
@pytest.mark.parametrize("at", [1, 3, -1])
@pytest.mark.parametrize("change", ["state", "topic", "version", "removed", "swapped", "added"])
def test_every_change_is_found(
    tmp_path: Path, request: pytest.FixtureRequest, kind: str, at: int, change: str
) -> None:
    """Also of the last event, and of the first."""
    found: list[dict] = request.getfixturevalue(kind)
    line = found[at]
    match change:
        case "state":
            line["state"] = line["state"].replace("Müller", "Meier")
        case "topic":
            line["topic"] = "node.failed"
        case "version":
            line["version"] += 1
        case "removed":
            found.remove(line)
        case "swapped":
            other = found[2]
            found[2], found[at] = line, other
        case _:
            found.append({**found[-1], "position": 99, "version": 99})
    (read,) = read_export(written(tmp_path, found))
    assert not read.report.sound


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"troth_export": 1}',
        '{"troth_export": 1, "store": "s", "lane": 0, "head": 1, "chain": "zz"}',
        '{"troth_export": 1, "store": "s", "lane": 0, "head": 0, "chain": ""}\n{"position": 1}',
        '{"troth_export": 1, "store": "s", "lane": 0, "head": 0, "chain": ""}\nnot json',
    ],
)
def test_what_is_no_export_is_refused_with_its_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.ndjson"
    path.write_text(text)
    with pytest.raises(Refusal) as refused:
        read_export(path)
    assert refused.value.code.number == "TR730"
    assert f"{path}:" in refused.value.detail

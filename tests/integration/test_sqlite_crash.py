"""After kill -9 a store is exactly what was committed, and holds all that was acknowledged."""

import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from random import Random

import orjson

from adapters.sqlite import SqliteStore
from domain.chain import Checkpoint, LogRow, verify

ROOT = Path(__file__).resolve().parents[2]
KILLS = 20
ACKNOWLEDGED_MAX = 12


def write_and_kill(path: Path, seed: int) -> list[tuple[int, int]]:
    """Let a process write, kill it in the middle, and answer the batches it acknowledged."""
    writer = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.sqlite_writer", str(path), str(seed)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert writer.stdout is not None
    with writer.stdout as out:
        lines = [out.readline() for _ in range(Random(seed).randint(1, ACKNOWLEDGED_MAX))]
        writer.send_signal(signal.SIGKILL)
        lines += out.readlines()
    assert writer.wait() == -signal.SIGKILL
    # A line that the kill cut off was never read as a whole: it is no acknowledgement.
    whole = [line.split() for line in lines if line.endswith("\n")]
    return [(int(root), int(head)) for root, head in whole]


def check(path: Path, acknowledged: dict[int, int]) -> int:
    """Hold the file against what it says of itself and what was acknowledged; answer its head."""
    store = SqliteStore.open(f"sqlite:///{path}", now_us=1)
    belief = store.belief(0)
    store.close()
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        log = "SELECT position, stream, version, topic, state, prev FROM events ORDER BY position"
        report = verify(
            (LogRow(*row) for row in db.execute(log)), [Checkpoint(belief.head, belief.chain)]
        )
        assert report.sound, report.faults
        assert report.head.position == belief.head
        batches = {
            root: orjson.loads(outcome)["head"]
            for root, outcome in db.execute("SELECT root, outcome FROM receipts ORDER BY root")
        }
        offers = db.execute("SELECT count(*) FROM dispatches").fetchone()[0]
        newest = db.execute("SELECT stream, max(version) FROM events GROUP BY stream").fetchall()
        views = db.execute("SELECT commitment, version FROM current_steps").fetchall()
    assert list(batches) == list(range(1, len(batches) + 1))
    assert batches.get(len(batches), 0) == belief.head
    assert offers == len(batches)
    assert sorted(views) == sorted(newest)
    assert {root: batches.get(root) for root in acknowledged} == acknowledged
    return belief.head


def test_twenty_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    """One store goes through all of them: each process finds what the killed one left."""
    path = tmp_path / "troth.db"
    acknowledged: dict[int, int] = {}
    head = 0
    for seed in range(KILLS):
        acknowledged.update(write_and_kill(path, seed))
        before, head = head, check(path, acknowledged)
        assert head > before

"""`make demo` with few partners, as a user runs it: its own processes, its own exit code."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from examples.demo.screen import ends_text
from examples.demo.script import PARTNERS_MIN, written
from examples.demo.watch import ENDS
from examples.partner_activation.books import Done, compare
from examples.partner_activation.systems import Faults
from tests import tidy
from tests.integration.example_shapes import SERVERS, SHAPES, servers_of

SEED = 7
ENDS_WITHIN_S = 100
PIDS = re.compile(
    r"kill -9 (\d+) \((the engine|work 1)\).* kill -9 (\d+) \(the participants' process\)"
)


@contextmanager
def demo(
    folder: Path, partners: int, shape: str = "embedded", servers: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """The demo as a child process; `servers` are variables of its environment."""
    command = [
        sys.executable, "-m", "examples.demo", "--plain", "--folder", str(folder / "demo"),
        "--partners", str(partners), "--seed", str(SEED), "--shape", shape,
    ]  # fmt: skip
    with subprocess.Popen(
        command, cwd=tidy.ROOT, env=os.environ | dict(servers or {}), stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(ENDS_WITHIN_S)


def until(process: subprocess.Popen[str], pattern: re.Pattern[str]) -> re.Match[str]:
    """The first line that fits; the lines before it are read over."""
    assert process.stdout is not None
    seen: list[str] = []
    for line in process.stdout:
        seen.append(line)
        if found := pattern.search(line):
            return found
    raise AssertionError(f"{pattern.pattern} never came:\n{''.join(seen)}")


def expected(partners: int) -> str:
    """How the partners of the script must end, as the summary says it."""
    faults = Faults(seed=SEED)
    script = written(partners, faults)
    ends: Counter[str] = Counter()
    for company in script.companies:
        if faults.is_struck_off(company) or faults.is_risky(company):
            ends["refused"] += 1
        elif company in script.withdrawn:
            ends["cancelled"] += 1
        elif company in script.refused_by_legal:
            ends["in debt" if faults.has_invoices(company) else "compensated"] += 1
        else:
            ends["fulfilled"] += 1
    return f"{ends_text({end: ends[end] for end in ENDS})} = {partners} of {partners}"


@pytest.mark.timeout(300)  # five processes and their start, on a machine that is busy
@pytest.mark.parametrize("shape", SHAPES)
def test_it_ends_as_its_script_says_although_the_engine_is_killed(
    shape: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """kill -9 in the middle: what was acknowledged is there, nothing happens twice.

    Where two processes have the lanes, the other one takes over those of the first.
    """
    partners = 16
    with demo(tmp_path, partners, shape, servers_of(shape, request)) as process:
        engine, name, _ = until(process, PIDS).groups()
        until(process, re.compile(r"now .*partner_signed"))
        os.kill(int(engine), signal.SIGKILL)
        said, _ = process.communicate(timeout=ENDS_WITHIN_S)
    assert process.returncode == 0, said
    assert f"{name} was killed (SIGKILL); it is started again" in said
    assert expected(partners) in said
    assert "books agree: lost 0, doubled 0 " in said
    assert "the chain holds" in said
    assert re.search(r"undo of provision/create_account done by ", said)
    assert re.search(r"COMPENSATED after rejected:legal: ", said)
    followed = re.search(r"facts alone: \d+ facts, compensated", said)
    assert (followed is not None) == (shape == "kafka")


@pytest.mark.parametrize(
    ("shape", "sent"),
    [
        ("embedded", signal.SIGINT),
        pytest.param("postgres", signal.SIGTERM, marks=pytest.mark.postgres),
    ],
)
def test_an_interrupted_demo_leaves_no_process_behind(
    shape: str, sent: signal.Signals, tmp_path: Path
) -> None:
    """Neither of the engine and the participants, nor a server that it has started."""
    with demo(tmp_path, PARTNERS_MIN, shape) as process:
        engine, _, participants = until(process, PIDS).groups()
        records = [
            json.loads(file.read_text()) for file in tmp_path.glob("demo/servers-*/*/server.json")
        ]
        process.send_signal(sent)
        said, _ = process.communicate(timeout=ENDS_WITHIN_S)
    assert process.returncode == 130, said
    assert len(records) == len(SERVERS[shape])
    pids = [int(engine), int(participants), *(record["pid"] for record in records)]
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_folder_of_somebody_else_is_not_emptied(tmp_path: Path) -> None:
    precious = tmp_path / "demo" / "precious.txt"
    precious.parent.mkdir()
    precious.write_text("mine")
    with demo(tmp_path, PARTNERS_MIN) as process:
        said, _ = process.communicate(timeout=ENDS_WITHIN_S)
    assert process.returncode == 1
    assert "holds something else" in said
    assert precious.read_text() == "mine"


def test_books_and_record_are_compared_key_by_key() -> None:
    """The comparison itself must be able to fail."""
    made, again = Done("create-account", "acme", "k1"), Done("create-account", "acme", "k2")
    undone = Done("undo create-account", "acme", "k3")
    assert not compare({made, undone}, {made, undone})
    found = compare({made, again}, {made, undone})
    assert found.lost == ["undo create-account acme"]
    assert found.doubled == ["create-account acme"]
    assert found.unrecorded == ["create-account acme"]

"""The processes of a long run leave nothing behind."""

from __future__ import annotations

import os
import select
import subprocess
import sys

from tests import tidy

ENDS_WITHIN_S = 60
POOL = """
import multiprocessing, os
from concurrent.futures import ProcessPoolExecutor
from tests.simulation.parent import end_with_parent
with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), end_with_parent) as pool:
    print(pool.submit(os.getpid).result(), flush=True)
    input()
"""


def test_a_process_of_a_pool_whose_parent_is_killed_ends() -> None:
    command = [sys.executable, "-c", POOL]
    with subprocess.Popen(
        command, cwd=tidy.ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True,
    ) as parent:  # fmt: skip
        assert parent.stdout is not None
        ended = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
    assert select.select([ended], [], [], ENDS_WITHIN_S)[0]
    os.close(ended)

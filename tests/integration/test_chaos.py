"""A short chaos run on each shape: real processes are killed, and the books agree afterwards.

The long run is by hand: make chaos ARGS="--shape kafka --kills 200".
"""

from __future__ import annotations

import pytest

from chaos.report import as_json, as_table
from chaos.run import Options, run
from chaos.world import SHAPES

KILLS = 10
SEEDS = {"sqlite": 11, "postgres": 12, "kafka": 13}
RUN_MAX_S = 600
"""A minute on a quiet machine; each wait within ends with its signal, not with this."""


def shapes() -> list[object]:
    marks = {"postgres": [pytest.mark.postgres], "kafka": [pytest.mark.postgres, pytest.mark.kafka]}
    return [pytest.param(shape, marks=marks.get(shape, [])) for shape in SHAPES]


@pytest.mark.timeout(RUN_MAX_S)
@pytest.mark.parametrize("shape", shapes())
def test_ten_kills_lose_nothing_and_double_nothing_unnoticed(shape: str) -> None:
    """What was acknowledged is recorded, done as often as was told, and undone in reverse."""
    found = run(Options(shape, KILLS, SEEDS[shape], long=False))
    told = as_table(found)
    assert found.sound, told
    assert found.kills >= KILLS, told
    assert '"lost":0,"doubled":0' in as_json(found)

"""This release and a next one on one store: forth, side by side, and back; the books agree.

With an older release from the history, by hand: make chaos ARGS="--shape postgres --older REF".
"""

from __future__ import annotations

import pytest

from chaos.releases import beside
from chaos.report import as_json
from chaos.run import Options, Outcome
from chaos.world import Faulty

RUN_MAX_S = 900
"""Two minutes on a quiet machine; each wait within ends with its signal, not with this."""
SHAPES = ("sqlite", pytest.param("postgres", marks=pytest.mark.postgres))


@pytest.mark.timeout(RUN_MAX_S)
@pytest.mark.parametrize("shape", SHAPES)
def test_what_the_older_release_cannot_read_waits_and_nothing_else_does(shape: str) -> None:
    """Nobody releases anything, and every commitment goes on at its step."""
    found = Outcome(Options(shape, 0, seed=3))
    try:
        beside(found)
    except Faulty as fault:
        pytest.fail(str(fault))
    assert found.sound, found.told()
    assert '"lost":0,"doubled":0' in as_json(found)

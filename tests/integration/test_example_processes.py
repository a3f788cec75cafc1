"""The child processes of an example, real ones."""

from __future__ import annotations

import asyncio
from pathlib import Path

from examples.children import Engine, engine


def dev(folder: Path) -> Engine:
    folder.mkdir()
    command = ["dev", "--state", str(folder), "--store", f"sqlite:///{folder}/troth.db"]
    return engine(folder, lambda _: None, command=command, settings={})


async def test_two_engines_that_want_the_same_port_at_once_are_both_started(tmp_path: Path) -> None:
    """As two examples do that somebody starts together: who comes second takes another port."""
    engines = [dev(tmp_path / name) for name in ("one", "other")]
    try:
        await asyncio.gather(*(engine.start() for engine in engines))
        assert len({engine.url for engine in engines}) == 2
    finally:
        await asyncio.gather(*(engine.stop() for engine in engines))

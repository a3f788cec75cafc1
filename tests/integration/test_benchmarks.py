"""The workloads still run: tiny numbers on the embedded shape, figures that mean nothing."""

from __future__ import annotations

from pathlib import Path

from benchmarks import crash, flow
from benchmarks.bench import Bench
from benchmarks.results import Results, read_results
from benchmarks.shapes import SHAPES
from benchmarks.sizes import TINY


def bench(folder: Path) -> Bench:
    return Bench(SHAPES["embedded"], TINY, Results(TINY.label, path=folder / "latest.json"))


def test_w1_measures_the_engine_and_its_floor(tmp_path: Path) -> None:
    """W1 ends with a rate, the bare store's, and its share of it; the results can be read."""
    given = bench(tmp_path)
    flow.w1(given)
    rate = given.results.value("embedded", "W1", "sagas_per_s")
    floor = given.results.value("embedded", "floor", "store_sagas_per_s")
    assert rate is not None
    assert floor is not None
    assert 0 < rate < floor
    given.results.save()
    kept = read_results(tmp_path / "latest.json")
    assert {row["run"] for row in kept["figures"]} == set(kept["runs"])


def test_w2_undoes_all(tmp_path: Path) -> None:
    """Every doomed saga ends compensated."""
    given = bench(tmp_path)
    flow.w2(given)
    assert (given.results.value("embedded", "W2", "sagas_per_s") or 0) > 0


def test_w5_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """After kill -9 of the engine every effect happened under one key for each step."""
    given = bench(tmp_path)
    crash.w5(given)
    assert given.results.value("embedded", "W5", "effects_lost") == 0
    assert given.results.value("embedded", "W5", "effects_doubled") == 0

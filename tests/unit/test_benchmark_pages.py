"""Tables, plots and tallies of the benchmarks, from made-up figures."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks import crash, floor, pages, plots, profiling
from benchmarks.results import Results, read_results


def document(*rows: tuple[str, str, str, float]) -> dict[str, Any]:
    names = ("subject", "workload", "figure", "value")
    figures = [dict(zip(names, row, strict=True)) | {"run": "r"} for row in rows]
    run = {"id": "r", "date": "2026-11-01", "sizes": "full", "machine": {"cores": "2"},
           "versions": {"troth": "0.1.0"}, "settings": {}}  # fmt: skip
    return {"form": 2, "runs": {"r": run}, "figures": figures}


SAMPLE = document(
    ("embedded", "W1", "sagas_per_s", 1234.5),
    ("postgres", "W1", "sagas_per_s", 900.0),
    ("postgres", "W1", "sagas_per_s over dbos", 9.0),
    ("postgres", "W3", "p50_ms over dbos", 0.5),
    ("dbos", "W1", "sagas_per_s", 100.0),
    ("postgres", "W1", "cpu engine", 95.0),
    ("postgres", "lanes", "sagas_per_s@1", 500.0),
    ("postgres", "lanes", "sagas_per_s@8", 900.0),
)


def test_a_figure_stands_in_its_column_and_a_missing_one_is_named() -> None:
    """What was not measured says so: an empty cell would look like a zero."""
    row = next(x for x in pages.TABLES["shapes"](SAMPLE).splitlines() if "W1: five" in x)
    assert [cell.strip() for cell in row.split("|")[2:5]] == ["1,234", "900", pages.MISSING]


def test_a_peer_that_is_ahead_is_in_bold() -> None:
    """The page is honest at a glance."""
    table = pages.TABLES["peers"](SAMPLE)
    assert "| W1, sagas a second: postgres | 9 |" in table
    assert "| W3, median: postgres | **0.5** |" in table


def test_only_what_is_between_the_markers_is_written() -> None:
    """The text of the page is people's."""
    text = "before\n<!-- bench:floor -->\nold\n<!-- /bench -->\nafter\n"
    made = pages.rendered(text, SAMPLE)
    assert made.startswith("before\n<!-- bench:floor -->\n|")
    assert made.endswith("<!-- /bench -->\nafter\n")
    assert "old" not in made
    assert pages.rendered(made, SAMPLE) == made


@pytest.mark.parametrize("name", list(pages.TABLES))
def test_every_table_is_rectangular(name: str) -> None:
    """Also with nothing measured at all."""
    for given in (SAMPLE, document()):
        widths = {row.count("|") for row in pages.TABLES[name](given).splitlines()}
        assert len(widths) == 1


@pytest.mark.parametrize("name", list(pages.PLOTS))
def test_every_plot_is_well_formed(name: str) -> None:
    """Also with nothing measured at all."""
    for given in (SAMPLE, document()):
        root = ElementTree.fromstring(pages.PLOTS[name](given))  # our own text
        assert root.tag == "{http://www.w3.org/2000/svg}svg"


def test_publishing_writes_page_and_plots(tmp_path: Path) -> None:
    """From the results file into a page and the folder beside it."""
    results = Results("tiny", path=tmp_path / "latest.json")
    results.add("embedded", "W1", "sagas_per_s", 77.0, "sagas/s", "made up")
    results.save()
    page = tmp_path / "page.md"
    page.write_text("<!-- bench:shapes -->\n<!-- /bench -->\n", "utf-8")
    pages.publish(page, results.path)
    assert "| 77 |" in page.read_text("utf-8")
    assert {file.stem for file in (tmp_path / "page").iterdir()} == set(pages.PLOTS)


def test_a_figure_measured_again_replaces_the_older_one(tmp_path: Path) -> None:
    """Figures of other workloads stay with the run they are of; a run without figures goes."""
    path = tmp_path / "latest.json"
    for value in (1.0, 2.0):
        results = Results("tiny", path=path)
        results.run.id = f"run-{value}"
        results.add("embedded", "W1", "sagas_per_s", value, "sagas/s", "made up")
        results.save()
    kept = read_results(path)
    assert [row["value"] for row in kept["figures"]] == [2.0]
    assert list(kept["runs"]) == ["run-2.0"]


@pytest.mark.parametrize(
    ("highest", "ticks"),
    [(0.0, [0, 1]), (1.0, [0, 0.25, 0.5, 0.75, 1.0]), (930.0, [0, 250, 500, 750, 1000])],
)
def test_ticks_are_round(highest: float, ticks: list[float]) -> None:
    """An axis ends above the highest value."""
    found = plots.nice_ticks(highest)
    assert found[-1] >= highest
    assert found == pytest.approx(ticks, abs=1e-6) or highest == 0


def test_the_tally_tells_lost_doubled_and_repeated_apart() -> None:
    """One key run twice is harmless; a sixth key is a doubled effect; a missing one is lost."""
    whole = [f"book k{n} a" for n in range(5)]
    assert crash.tally(whole, 1) == crash.Tally(0, 0, 0)
    assert crash.tally([*whole, "book k0 a"], 1) == crash.Tally(0, 0, 1)
    assert crash.tally([*whole, "book k9 a"], 1) == crash.Tally(0, 1, 0)
    assert crash.tally(whole[1:], 2) == crash.Tally(6, 0, 0)


def test_a_binary_copy_is_split_into_its_rows() -> None:
    """Null has the length -1 and no bytes."""
    rows = [
        struct.pack("!hi", 2, 3) + b"abc" + struct.pack("!i", -1),
        struct.pack("!hi", 1, 0),
    ]
    head = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
    assert floor.split_copy(head + b"".join(rows) + struct.pack("!h", -1)) == rows


def test_a_profile_gives_own_time_by_package() -> None:
    """The last frame of a stack is where the time was."""
    told = profiling.shares(["main (engine/cli.py:1);commit (adapters/sqlite/store.py:9) 3",
                             "main (engine/cli.py:1) 1"])  # fmt: skip
    assert any(line.strip() == "75.0 %  adapters" for line in told)
    assert any(line.strip() == "100.0 %  main (engine/cli.py:1)" for line in told)

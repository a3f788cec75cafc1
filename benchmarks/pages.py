"""docs/benchmarks.md and its plots, from benchmarks/out/latest.json."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.plots import Bar, Line, bars, lines, told
from benchmarks.results import OUT, read_results
from benchmarks.shapes import SHAPES

__all__ = ["PLOTS", "TABLES", "publish", "rendered"]

PAGE = OUT.parents[2] / "docs" / "benchmarks.md"
MISSING = "not measured"
PEERS = ("dbos", "langgraph", "celery", "celery-fsync")
Document = Mapping[str, Any]
Values = dict[tuple[str, str, str], float]

ROWS: tuple[tuple[str, str, str, str], ...] = (
    ("W1", "sagas_per_s", "W1: five steps, sagas a second", "1,000"),
    ("W1", "effects_sagas_per_s", "W1 with five effects in a journal, sagas a second", ""),
    ("W2", "sagas_per_s", "W2: four undone, sagas a second", ""),
    ("W3", "p50_ms", "W3: median at 10 a second, ms", "20 · 50"),
    ("W3", "p99_ms", "W3: 99th percentile, ms", "60 · 130"),
    ("W4", "memory_mb@100000", "W4: memory with 100,000 waiting, MB", "300"),
    ("W4", "rest engine@100000", "W4: engine at rest, % of a core", "1"),
    ("W4", "rest postgres@100000", "W4: PostgreSQL at rest, % of a core", ""),
    ("W4", "bytes_each@100000", "W4: bytes each waiting", ""),
    ("W4", "woken_per_s", "W4: woken a second", ""),
    ("W5", "all_done_s", "W5: killed to all done, s", "15 · 20"),
    ("W5", "effects_lost", "W5: effects lost", "0"),
    ("W5", "effects_doubled", "W5: effects doubled", "0"),
    ("W6", "bytes_per_saga", "W6: bytes a finished saga", ""),
    ("W6", "events_per_saga", "W6: events a finished saga", ""),
    ("W6", "history_p50_ms", "W6: one history read, median ms", ""),
    ("cold", "first_fulfilled_s", "from nothing to the first fulfilled, s", ""),
    ("processes", "second_process_times", "a second engine process, times", "1.6"),
)
FLOOR: tuple[tuple[str, str], ...] = (
    ("store_sagas_per_s", "the same rows in bulk, sagas a second"),
    ("w1_of_store", "W1 of that, %"),
    ("produce_per_s", "Kafka: the same messages produced a second"),
    ("consume_per_s", "Kafka: the same messages consumed a second"),
    ("w1_of_broker", "W1 of the bare broker, %"),
)
COMPARED: tuple[tuple[str, str, str], ...] = (
    ("W1", "sagas_per_s", "W1, sagas a second"),
    ("W2", "sagas_per_s", "W2, sagas a second"),
    ("W3", "p50_ms", "W3, median"),
    ("W3", "p99_ms", "W3, 99th percentile"),
    ("W6", "bytes_per_saga", "bytes a finished saga"),
)
_MARK = re.compile(r"(<!-- bench:(?P<name>\w+) -->\n).*?(<!-- /bench -->)", re.DOTALL)


def publish(page: Path = PAGE, source: Path = OUT) -> None:
    """Write the tables between their markers and the plots beside the page."""
    document = read_results(source)
    page.write_text(rendered(page.read_text("utf-8"), document), "utf-8")
    folder = page.with_suffix("")
    folder.mkdir(exist_ok=True)
    for name, plot in PLOTS.items():
        (folder / f"{name}.svg").write_text(plot(document), "utf-8")
    print(f"published {page.name} and {len(PLOTS)} plots")


def rendered(text: str, document: Document) -> str:
    """The page with every marked table made anew. Raises KeyError for a marker nobody knows."""
    return _MARK.sub(lambda m: f"{m[1]}{TABLES[m['name']](document)}\n{m[3]}", text)


def _values(document: Document) -> Values:
    return {(r["subject"], r["workload"], r["figure"]): r["value"] for r in document["figures"]}


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines_ = [f"| {' | '.join(head)} |", "|---|" + "---:|" * (len(head) - 1)]
    return "\n".join([*lines_, *(f"| {' | '.join(row)} |" for row in rows)])


def _cell(values: Values, *name: str) -> str:
    found = values.get((name[0], name[1], name[2]))
    return MISSING if found is None else told(found)


def _shapes(document: Document) -> str:
    values = _values(document)
    rows = [
        [text, *(_cell(values, shape, workload, figure) for shape in SHAPES), aim or "·"]
        for workload, figure, text, aim in ROWS
    ]
    return _table(["", *SHAPES, "aim (PostgreSQL · Kafka)"], rows)


def _floor(document: Document) -> str:
    values = _values(document)
    rows = [
        [text, *(_cell(values, shape, "floor", figure) for shape in SHAPES)]
        for figure, text in FLOOR
    ]
    return _table(["", *SHAPES], rows)


def _peers(document: Document) -> str:
    """Ratios of the same run; where the peer is ahead the ratio is in bold."""
    values, rows = _values(document), list[list[str]]()
    for workload, figure, text in COMPARED:
        for shape in SHAPES:
            cells = [_ratio(values, shape, workload, f"{figure} over {peer}") for peer in PEERS]
            rows.append([f"{text}: {shape}", *cells])
    return _table(["", *PEERS], rows)


def _ratio(values: Values, shape: str, workload: str, figure: str) -> str:
    found = values.get((shape, workload, figure))
    if found is None:
        return MISSING
    return f"**{told(found)}**" if found < 1 else told(found)


def _cores(document: Document) -> str:
    """Who used the cores during W1: in one engine process, and with one and two apart."""
    found = [
        (row["subject"], row["workload"], row["figure"].removeprefix("cpu "), row["value"])
        for row in document["figures"]
        if row["figure"].startswith("cpu ")
    ]
    rows = [
        [f"{shape}, {_setup(w)}: {role}", told(value)] for shape, w, role, value in sorted(found)
    ]
    return _table(["", "% of a core"], rows)


def _setup(workload: str) -> str:
    names = {"W1": "`dev`", "1-proc": "`work --processes 1`", "2-proc": "`work --processes 2`"}
    return names.get(workload, workload)


def _growth(document: Document) -> str:
    rows: list[list[str]] = []
    titles = {
        "lanes": ("sagas_per_s", "lanes: W1, sagas a second"),
        "stored": ("sagas_per_s", "events in the store: W1, sagas a second"),
        "append": ("p50_ms", "events of one commitment: one more, median ms"),
    }
    for workload, (figure, text) in titles.items():
        at = {x for shape in SHAPES for x, _ in _points(document, shape, workload, figure)}
        values = _values(document)
        for x in sorted(at):
            name = f"{figure}@{x:.0f}"
            cells = [_cell(values, shape, workload, name) for shape in SHAPES]
            rows.append([f"{x:,.0f} {text}", *cells])
    return _table(["", *SHAPES], rows)


def _points(
    document: Document, shape: str, workload: str, figure: str
) -> list[tuple[float, float]]:
    return sorted(
        (float(name.partition("@")[2]), value)
        for (subject, of, name), value in _values(document).items()
        if subject == shape and of == workload and name.startswith(f"{figure}@")
    )


def _runs(document: Document) -> str:
    """When, on what, with which versions and settings each run was made."""
    rows = [[run["date"], run["sizes"], *_told(run)] for _, run in sorted(document["runs"].items())]
    return _table(["date", "size", "machine", "versions", "settings"], rows)


def _told(run: Mapping[str, Any]) -> list[str]:
    return [
        "; ".join(f"{name} {value}" for name, value in sorted(run[part].items())) or "·"
        for part in ("machine", "versions", "settings")
    ]


def _plot_throughput(document: Document) -> str:
    values = _values(document)
    rows = [
        Bar(name, values[(name, "W1", "sagas_per_s")], name in SHAPES)
        for name in (*SHAPES, *PEERS)
        if (name, "W1", "sagas_per_s") in values
    ]
    return bars("W1: five durable steps", "sagas a second, more is better", rows)


def _plot_latency(document: Document) -> str:
    values = _values(document)
    rows = [
        Bar(f"{name} {text}", values[(name, "W3", figure)], name in SHAPES)
        for name in (*SHAPES, *PEERS)
        for figure, text in (("p50_ms", "median"), ("p99_ms", "p99"))
        if (name, "W3", figure) in values
    ]
    return bars("W3: start to end at ten sagas a second", "ms, less is better", rows)


def _plot_growth(
    title: str, unit: str, x_title: str, workload: str, figure: str, *, logarithmic: bool
) -> Callable[[Document], str]:
    def plot(document: Document) -> str:
        series = [
            Line(shape, points)
            for shape in SHAPES
            if (points := _points(document, shape, workload, figure))
        ]
        return lines(title, unit, x_title, series, logarithmic=logarithmic)

    return plot


TABLES: dict[str, Callable[[Document], str]] = {
    "shapes": _shapes,
    "floor": _floor,
    "peers": _peers,
    "cores": _cores,
    "growth": _growth,
    "runs": _runs,
}
PLOTS: dict[str, Callable[[Document], str]] = {
    "throughput": _plot_throughput,
    "latency": _plot_latency,
    "lanes": _plot_growth(
        "W1 by lanes", "sagas a second", "lanes", "lanes", "sagas_per_s", logarithmic=True
    ),
    "stored": _plot_growth(
        "W1 as the store grows", "sagas a second", "events in the store before", "stored",
        "sagas_per_s", logarithmic=False,
    ),
    "append": _plot_growth(
        "One event more", "ms, publish to answer, median", "events of the commitment before",
        "append", "p50_ms", logarithmic=True,
    ),
}  # fmt: skip

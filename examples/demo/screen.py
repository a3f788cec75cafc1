"""What a run looks like: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from examples.demo.watch import ENDS, Row, Seen

__all__ = ["LiveScreen", "PlainScreen", "Screen", "ends_text"]

PLAIN_EVERY_S = 2.0
REFRESH_PER_S = 8
BAR_COLUMNS = 28
ROWS_MIN = 5
"""The table keeps this height, so that the screen does not jump."""


class Screen(Protocol):
    """Shows a run."""

    def __enter__(self) -> Screen: ...
    def __exit__(self, *exc: object) -> None: ...
    def say(self, text: str) -> None:
        """A line that stays."""
        ...

    def show(self, seen: Seen) -> None:
        """How it stands."""
        ...


class PlainScreen:
    """A line now and then."""

    def __init__(self) -> None:
        self._begun_s = time.monotonic()
        self._next_s = 0.0

    def __enter__(self) -> PlainScreen:
        return self

    def __exit__(self, *exc: object) -> None:
        return

    def say(self, text: str) -> None:
        print(text, flush=True)

    def show(self, seen: Seen) -> None:
        passed_s = time.monotonic() - self._begun_s
        if passed_s < self._next_s and seen.done < seen.partners:
            return
        self._next_s = passed_s + PLAIN_EVERY_S
        at = " · ".join(f"{row.step} {row.now}" for row in seen.rows)
        self.say(f"{passed_s:6.1f} s {seen.done:4}/{seen.partners} done · {ends_text(seen.ends)}")
        if at:
            self.say(f"         now  {at}")
        self.say(f"         {_counters(seen)}")


class LiveScreen:
    """A table of the current steps that is drawn again and again."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(
            console=console, refresh_per_second=REFRESH_PER_S, transient=True, auto_refresh=True
        )

    def __enter__(self) -> LiveScreen:
        self._live.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._live.__exit__(None, None, None)

    def say(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def show(self, seen: Seen) -> None:
        bar = Table.grid(padding=(0, 1))
        bar.add_row(
            "  done",
            ProgressBar(total=seen.partners, completed=seen.done, width=BAR_COLUMNS),
            f"{seen.done}/{seen.partners}",
            Text(ends_text(seen.ends), style="bold"),
        )
        counters = Text(f"  {_counters(seen)}", style="dim")
        self._live.update(Group(_table(seen.rows), Text(), bar, counters))


def ends_text(ends: Mapping[str, int]) -> str:
    """`fulfilled 243 · compensated 31 · ...`."""
    return " · ".join(f"{end} {ends[end]}" for end in ENDS)


def _counters(seen: Seen) -> str:
    return (
        f"events in {seen.events_in:,} · steps {seen.steps:,} · errors {seen.errors} · "
        f"replies lost {seen.replies_lost} · probes {seen.probes} · decisions {seen.decided}"
    )


def _table(rows: tuple[Row, ...]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", min_width=78)
    table.add_column("  step", min_width=28, no_wrap=True)
    table.add_column("now", justify="right", min_width=4)
    table.add_column("waits for", min_width=30, no_wrap=True)
    table.add_column("oldest", justify="right", min_width=8)
    for row in rows:
        table.add_row(f"  {row.step}", str(row.now), row.waits_for, f"{row.oldest_s:.1f} s")
    for _ in range(ROWS_MIN - len(rows)):
        table.add_row("", "", "", "")
    return table

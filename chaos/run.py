"""One run: points drawn from a seed until there were enough kills; then the books are compared."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

import orjson

from chaos.books import Differences, Record, compare, moving_s, read_book, read_record
from chaos.points import Point, drawable
from chaos.strike import Strike, now_us
from chaos.world import World, world

__all__ = ["Options", "Outcome", "look", "run", "scratch"]

STRIKES_PER_KILL_MAX = 3
"""A run ends, however few processes its points kill."""
SHOWN_MAX = 10
_SERVERS = shutil.ignore_patterns("postgres", "kafka")


@dataclass(frozen=True, slots=True)
class Options:
    """What a run is asked for: the points whose name has `only` in it, and of a long run or not."""

    shape: str
    kills: int
    seed: int
    only: str = ""
    long: bool = True
    keep: Path | None = None
    """Where books, export and logs of a run go in which something was found."""


@dataclass(slots=True)
class Outcome:
    """What a run came to."""

    options: Options
    strikes: list[tuple[Point, Strike]] = field(default_factory=list[tuple[Point, Strike]])
    differences: Differences | None = None
    record: Record = field(default_factory=Record)
    acknowledged: int = 0
    effects: int = 0
    faults: list[str] = field(default_factory=list[str])
    """What verify and doctor found."""
    seconds: float = 0.0

    @property
    def kills(self) -> int:
        """Processes that got SIGKILL."""
        return sum(strike.kills for _, strike in self.strikes)

    @property
    def sound(self) -> bool:
        """Whether nothing at all was found."""
        return not (self.differences or self.faults)

    def told(self) -> list[str]:
        """Everything that was found, a sentence each."""
        books = self.differences
        if books is None:
            return self.faults
        return [
            *books.lost, *books.doubled, *books.disordered, *books.wrong_ends, *self.faults,
        ]  # fmt: skip

    def moving(self, strike: Strike) -> list[float]:
        """Seconds until each commitment that was under way had its next event."""
        return moving_s(self.record, strike.at_us) if strike.timed else []

    def after_back(self, strike: Strike) -> float:
        """Of these seconds, those after everything that had ended was started again."""
        moving = self.moving(strike)
        back_s = (strike.back_us - strike.at_us) / 1_000_000
        return max(0.0, moving[-1] - back_s) if moving else 0.0


def run(options: Options, tell: Callable[[str], None] = print) -> Outcome:
    """Run until enough was killed. Raises Faulty when something does not come back."""
    found, begun_s = Outcome(options), time.monotonic()
    with scratch(found) as folder, world(options.shape, folder, options.seed) as here:
        for point in _drawn(options):
            if found.kills >= options.kills:
                break
            begin_s = time.monotonic()
            strike = point.strike(here)
            here.mend()
            back_us = now_us()
            here.settle()
            found.strikes.append((point, replace(strike, back_us=back_us)))
            took_s = time.monotonic() - begin_s
            tell(f"{found.kills:4} kills  {point.name}  {strike.note}  ({took_s:.1f} s)")
        here.quiet()
        look(here, found)
    found.seconds = time.monotonic() - begun_s
    return found


@contextlib.contextmanager
def scratch(found: Outcome) -> Iterator[Path]:
    """A folder for a run, removed with it; of a run that is not sound its texts are kept."""
    keep = found.options.keep
    with tempfile.TemporaryDirectory(prefix="troth-chaos-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the database runs as somebody else
        try:
            yield folder
        finally:
            if keep is not None and (found.differences is None or not found.sound):
                place = keep / f"{found.options.shape}-{found.options.seed}"
                shutil.copytree(folder, place, ignore=_SERVERS, dirs_exist_ok=True)


def _drawn(options: Options) -> Iterator[Point]:
    """Every point once, in an order of the seed, before any comes again by its weight."""
    chance = Random(options.seed)
    points = drawable(options.shape, long=options.long)
    points = [point for point in points if options.only in point.name]
    chance.shuffle(points)
    yield from points
    for _ in range(options.kills * STRIKES_PER_KILL_MAX):
        yield chance.choices(points, [point.weight for point in points])[0]


def look(here: World, found: Outcome) -> None:
    """Hold the books against the record, and have the product look at itself."""
    export = here.folder / "export.jsonl"
    here.command("export", "-o", str(export))
    with export.open() as lines:
        found.record = read_record(lines)
    book = read_book(here.book)
    found.acknowledged, found.effects = len(here.acknowledged), len({line.key for line in book})
    found.differences = compare(here.acknowledged, found.record, book)
    for words in (["verify"], ["doctor", "--full", "--json"]):
        done = here.tried([], *words)
        if done.returncode:
            found.faults += _faults(done.stdout) or [done.stdout + done.stderr]


def _faults(told: str) -> Sequence[str]:
    try:
        checks = orjson.loads(told)
    except orjson.JSONDecodeError:
        return []
    return [f"{c['check']}: {'; '.join(c['found'][:SHOWN_MAX])}" for c in checks if c["found"]]

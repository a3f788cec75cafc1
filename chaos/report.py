"""What a run came to: a table for people, a line of JSON for machines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from statistics import median
from typing import Any

import orjson

from chaos.books import Differences
from chaos.points import POINTS, Point
from chaos.run import Outcome
from chaos.strike import Strike

__all__ = ["as_json", "as_table"]

SHOWN_MAX = 20


def as_json(found: Outcome) -> str:
    """One line: what was asked, kills by point, what was lost or doubled, seconds to move again."""
    body: dict[str, Any] = {
        "shape": found.options.shape, "seed": found.options.seed, "kills": found.kills,
        "strikes": len(found.strikes), "points": dict(_points(found)),
        "acknowledged": found.acknowledged, "effects": found.effects,
        "sound": found.sound, "doctor": found.faults, "seconds": round(found.seconds, 1),
    }  # fmt: skip
    if (books := found.differences) is not None:
        body |= {
            "lost": len(books.lost), "doubled": len(books.doubled), "told": books.told,
            "overtaken": books.overtaken,
            "disordered": len(books.disordered), "wrong_ends": len(books.wrong_ends),
        }  # fmt: skip
    return orjson.dumps(body).decode()


def _points(found: Outcome) -> Iterator[tuple[str, Any]]:
    strikes: dict[str, list[Strike]] = defaultdict(list)
    for point, strike in found.strikes:
        strikes[point.name].append(strike)
    for name, given in strikes.items():
        slowest = [moving[-1] for one in given if (moving := found.moving(one))]
        yield name, {
            "strikes": len(given), "kills": sum(one.kills for one in given),
            "moving_s": round(median(slowest), 2) if slowest else None,
            "moving_max_s": round(max(slowest), 2) if slowest else None,
            "after_back_max_s": round(max(found.after_back(one) for one in given), 2),
        }  # fmt: skip


def as_table(found: Outcome) -> str:
    """The same for people."""
    rows = dict(_points(found))
    width = max(len(name) for name in rows)
    lines = [f"{'point':<{width}}  strikes  kills  all moving again: median, worst, after start"]
    for name, row in sorted(rows.items()):
        times = "-" if row["moving_s"] is None else (
            f"{row['moving_s']:6.2f} s  {row['moving_max_s']:6.2f} s"
            f"  {row['after_back_max_s']:6.2f} s"
        )  # fmt: skip
        lines.append(f"{name:<{width}}  {row['strikes']:7}  {row['kills']:5}  {times}")
    lines += [f"not here: {_absent(point)}" for point in POINTS if point.missing]
    books = found.differences
    if books is not None:
        lines += ["", _asked(found), _found(found, books)]
        lines += [f"  {one}" for one in found.told()[:SHOWN_MAX]]
    return "\n".join(lines)


def _asked(found: Outcome) -> str:
    return (
        f"{found.options.shape}, seed {found.options.seed}: {found.kills} kills in"
        f" {found.seconds:.0f} s, {found.acknowledged} promises, {found.effects} effects"
    )


def _found(found: Outcome, books: Differences) -> str:
    return (
        f"lost {len(books.lost)} · doubled without notice {len(books.doubled)} · repeated and told"
        f" {books.told} · undone out of order {len(books.disordered)} · ended otherwise"
        f" {len(books.wrong_ends)} · doctor and verify {len(found.faults)}"
    )


def _absent(point: Point) -> str:
    return f"{point.name} ({point.missing})"

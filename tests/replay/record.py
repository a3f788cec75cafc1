"""Record golden histories: `python -m tests.replay.record NAME...` (see README.md).

A name that is recorded already is refused: a golden history is never changed.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import orjson

from tests.replay.golden import record
from tests.replay.stories import STORIES

Json = Any
HISTORIES = Path(__file__).parent / "histories"


def written(history: Json) -> bytes:
    """A history as it is written: a line for each event, and for each next decision."""
    parts = [b'"%s": %s' % (n.encode(), _lines(history[n])) for n in sorted(history)]
    return b"{\n" + b",\n".join(parts) + b"\n}\n"


def _lines(value: Json) -> bytes:
    if not isinstance(value, list):
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    lines = [b"  " + orjson.dumps(item, option=orjson.OPT_SORT_KEYS) for item in value]
    return b"[\n" + b",\n".join(lines) + b"\n]"


def main(names: list[str]) -> int:
    """Record the stories of these names; 0 if all were new."""
    refused = 0
    for name in names:
        path = HISTORIES / f"{name}.json"
        if name not in STORIES:
            sys.stdout.write(f"{name}: no such story; there are {', '.join(STORIES)}" + "\n")
        elif path.exists():
            sys.stdout.write(f"{name}: recorded already; add a story with another name" + "\n")
        else:
            path.write_bytes(written(record(STORIES[name]())))
            sys.stdout.write(f"{name}: recorded" + "\n")
            continue
        refused += 1
    return 1 if refused or not names else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

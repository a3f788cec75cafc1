"""Record golden histories: `python -m tests.replay.record NAME...` (see README.md).

A name that is recorded already is refused: a golden history is never changed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import orjson

from tests.replay.golden import record
from tests.replay.stories import STORIES

HISTORIES = Path(__file__).parent / "histories"
OPTIONS = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE


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
            path.write_bytes(orjson.dumps(record(STORIES[name]()), option=OPTIONS))
            sys.stdout.write(f"{name}: recorded" + "\n")
            continue
        refused += 1
    return 1 if refused or not names else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

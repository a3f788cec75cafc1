"""`python -m tools.sdk_codes` copies the table of codes into the SDK, for `troth explain`."""

from __future__ import annotations

import json
from pathlib import Path

from domain.errors import ALL

__all__ = ["FILE", "text"]

FILE = Path(__file__).resolve().parents[1] / "sdk" / "src" / "troth" / "cli" / "codes.json"


def text() -> str:
    """The table as JSON, a code on each line."""
    rows = [
        {"code": c.number, "alias": c.alias, "status": c.status, "title": c.title, "do": c.do}
        for c in ALL
    ]
    return "[\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n]\n"


if __name__ == "__main__":
    FILE.write_text(text(), "utf-8")

"""`python -m tools.errors_doc` writes docs/errors.md from the table of codes and the examples."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from domain.errors import CODES, Code

__all__ = ["PAGE", "text"]

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "errors.md"
EXAMPLES = ROOT / "tests" / "definitions"
GROUPS = {
    "1": "Writing a saga",
    "2": "Checking and registering a definition",
    "3": "Events at the border",
    "4": "Requests, and the state they meet",
    "5": "Bounds and faults of a commitment",
    "6": "Participants",
    "7": "Store, settings and processes",
    "9": "Ours",
}
HEAD = """# Errors

Every code of the product. A code is stable: never renumbered, never reused. Answers carry the
number (`TR201`); the dotted alias is for reading. `troth explain CODE` says the same offline. This
page is made from the table in `domain/error_table.py` by `python -m tools.errors_doc`.
"""
EXAMPLES_HEAD = """
All faults of a definition are told at once, in the order of the document; only a fault of its form
(TR228, TR229, TR231) ends the checks. Examples name a definition in `tests/definitions/wrong` that
is refused with this message, and its corrected twin of the same name in `tests/definitions/right`.
"""


def text() -> str:
    """The whole page."""
    codes = sorted({code.number: code for code in CODES.values()}.values(), key=_number)
    examples = _examples()
    parts = [HEAD]
    for first, title in GROUPS.items():
        group = [code for code in codes if code.number[2] == first]
        parts.append(f"\n## {title}\n")
        if first == "2":
            parts.append(EXAMPLES_HEAD)
            parts += [_section(code, examples.get(code.alias, [])) for code in group]
        else:
            parts += ["\n", *_table(group)]
    return "".join(parts)


def _number(code: Code) -> str:
    return code.number


def _table(codes: list[Code]) -> Iterator[str]:
    yield "| code | alias | status | what happened | what to do |\n|---|---|---|---|---|\n"
    for code in codes:
        anchor = f'<a id="{code.number}"></a>{code.number}'
        title, do = _cell(code.title), _cell(code.do)
        yield f"| {anchor} | `{code.alias}` | {code.status} | {title} | {do} |\n"


def _section(code: Code, examples: list[tuple[str, str]]) -> str:
    lines = [f'\n### <a id="{code.number}"></a>{code.number} `{code.alias}`\n\n']
    lines.append(f"{code.title}. What to do: {code.do.rstrip(':')}.\n")
    if examples:
        lines.append("\n| example | message |\n|---|---|\n")
        lines += [f"| `{name}` | {_cell(message)} |\n" for name, message in examples]
    return "".join(lines)


def _examples() -> dict[str, list[tuple[str, str]]]:
    """Names and messages of the wrong definitions, by alias."""
    found: dict[str, list[tuple[str, str]]] = {}
    for line in (EXAMPLES / "messages.txt").read_text("utf-8").splitlines():
        name, _, message = line.split(" | ", 2)
        found.setdefault(".".join(name.split(".")[:2]), []).append((name, message))
    return found


def _cell(said: str) -> str:
    return said.replace("|", "\\|").replace("<", "&lt;")


def main() -> int:
    """Write the page when it is not current."""
    page = text()
    if PAGE.exists() and PAGE.read_text("utf-8") == page:
        print("same      docs/errors.md")
    else:
        PAGE.write_text(page, "utf-8")
        print("written   docs/errors.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())

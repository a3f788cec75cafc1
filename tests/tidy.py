"""The rules of form that linters do not know, as functions from source to findings.

`python -m tests.tidy` prints the functions over the soft limit; `tests/unit/test_tidy.py` holds
the hard ones.
"""

import ast
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FUNCTION_LINES_SOFT = 40
FUNCTION_LINES_HARD = 70
MODULE_LINES_MAX = 400
COLUMNS_MAX = 100
PURE_PACKAGES = ("domain", "sagas")
REASON_WORDS_MIN = 2

# What would make decide give another answer on another day, machine or process.
BANNED_NAMES = frozenset({
    "__import__", "breakpoint", "eval", "exec", "hash", "id", "input", "open", "print"
})  # fmt: skip
BANNED_ATTRIBUTES = frozenset({
    "now", "today", "utcnow", "uuid1", "uuid4", "uuid6", "uuid7", "urandom", "read_text",
    "read_bytes", "write_text", "write_bytes", "getenv",
})  # fmt: skip
BANNED_MODULES = frozenset({"time", "random", "secrets", "os"})
SKIPS = frozenset({
    "pytest.skip", "pytest.xfail", "pytest.mark.skip", "pytest.mark.skipif", "pytest.mark.xfail"
})  # fmt: skip
STOCK_RECORDERS = ("eventsourcing.sqlite", "eventsourcing.postgres", "eventsourcing.popo")


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken rule at one line."""

    file: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what}"


@cache
def tracked() -> tuple[str, ...]:
    """The files of the repository, relative to its root, without those deleted just now."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return tuple(name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file())


def text_of(name: str) -> str | None:
    """The text of a tracked file, or None when it is not text."""
    try:
        return (ROOT / name).read_text("utf-8")
    except UnicodeDecodeError:
        return None


def python_files() -> list[tuple[str, str]]:
    """Name and source of every tracked Python file."""
    return [(name, (ROOT / name).read_text("utf-8")) for name in tracked() if name.endswith(".py")]


def function_lengths(name: str, source: str) -> Iterator[tuple[Finding, int]]:
    """Each function with its length: from `def` to its last line, docstring and comments in."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            yield Finding(name, node.lineno, f"{node.name} has {lines} lines"), lines


def too_wide(name: str, source: str) -> Iterator[Finding]:
    """Lines over 100 columns."""
    for number, line in enumerate(source.splitlines(), 1):
        if len(line) > COLUMNS_MAX:
            yield Finding(name, number, f"{len(line)} columns")


def impure(name: str, source: str) -> Iterator[Finding]:
    """Calls and awaits that the pure core may not hold."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Await() | ast.AsyncFor() | ast.AsyncWith():
                yield Finding(name, node.lineno, "awaits")
            case ast.ImportFrom(module="uuid", names=names):
                for alias in names:
                    if alias.name in BANNED_ATTRIBUTES:
                        yield Finding(name, node.lineno, f"imports {alias.name}")
            case ast.Call(func=ast.Name(id=called)) if called in BANNED_NAMES:
                yield Finding(name, node.lineno, f"calls {called}")
            case ast.Call(func=ast.Attribute(attr=called)) if called in BANNED_ATTRIBUTES:
                yield Finding(name, node.lineno, f"calls {ast.unparse(node.func)}")
            case ast.Call(func=ast.Attribute(value=ast.Name(id=owner))) if owner in BANNED_MODULES:
                yield Finding(name, node.lineno, f"calls {ast.unparse(node.func)}")
            case _:
                pass


def stock_recorders(name: str, source: str) -> Iterator[Finding]:
    """Imports of the library's own stores, which bring a driver along."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.ImportFrom(module=str(module)):
                modules = [module]
            case ast.Import(names=names):
                modules = [alias.name for alias in names]
            case _:
                continue
        for module in modules:
            if module.startswith(STOCK_RECORDERS):
                yield Finding(name, node.lineno, f"imports {module}")


_WHOLESALE = re.compile(
    r"#\s*(?:(?:ruff|flake8)\s*:\s*noqa|noqa\b(?!:)|type:\s*ignore|mypy:|pylint:"
    r"|pyright:\s*(?:basic|standard|strict|report|ignore(?!\[)))"
)
_IGNORE = re.compile(
    r"#\s*(?:noqa:\s*[A-Z]+[0-9]+(?:\s*,\s*[A-Z]+[0-9]+)*|pyright:\s*ignore\[[^\]]+\]"
    r"|pragma:\s*no\s+\w+)(?P<reason>.*)$"
)


def ignores_without_reason(name: str, source: str) -> Iterator[Finding]:
    """Silenced lines that give no reason, on the line or in a comment right above."""
    lines = source.splitlines()
    for index, line in enumerate(lines):
        if _WHOLESALE.search(line):
            yield Finding(name, index + 1, "silences too much: noqa: RULE, pyright: ignore[rule]")
        if found := _IGNORE.search(line):
            above = lines[index - 1].strip() if index else ""
            beside = found["reason"].strip(" #-—:")
            reason = beside or (above[1:] if above.startswith("#") else "")
            if len(reason.split()) < REASON_WORDS_MIN:
                yield Finding(name, index + 1, "an ignore without a reason beside it")


def sleeps(name: str, source: str) -> Iterator[Finding]:
    """Sleeps and skipped tests: a test waits for a signal, and it runs."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and ast.unparse(node) in SKIPS:
            yield Finding(name, node.lineno, f"uses {ast.unparse(node)}")
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"time.sleep", "asyncio.sleep"}:
            lets_others_run = [ast.unparse(argument) for argument in node.args] == ["0"]
            if not lets_others_run:
                yield Finding(name, node.lineno, f"calls {ast.unparse(node)}")


def places_of_a_machine(name: str, text: str) -> Iterator[Finding]:
    """Paths that exist on one machine only, and addresses of package registries."""
    places = re.compile(
        "|".join([
            re.escape(f"{ROOT.as_posix()}/"),
            r"(?<![\w.~])/(?:home/\w+|Users/\w+|root)/",
            r"(?:pypi|pythonhosted|npmjs|crates)\.(?:org|io|com)/(?:simple|packages|api)",
            r"://files\.|--(?:extra-)?index-url|--find-links",
        ])
    )  # fmt: skip
    for number, line in enumerate(text.splitlines(), 1):
        if found := places.search(line):
            yield Finding(name, number, f"names {found[0]!r}")


def main() -> None:
    """Print every function over the soft limit, longest first."""
    long = [
        (lines, finding)
        for name, source in python_files()
        for finding, lines in function_lengths(name, source)
        if lines > FUNCTION_LINES_SOFT
    ]
    for _, finding in sorted(long, key=lambda pair: (-pair[0], str(pair[1]))):
        print(f"{finding} (soft limit {FUNCTION_LINES_SOFT})")
    hard = f"none may pass {FUNCTION_LINES_HARD}"
    print(f"{len(long)} functions over {FUNCTION_LINES_SOFT} lines; {hard}")


if __name__ == "__main__":
    main()

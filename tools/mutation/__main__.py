"""`python -m tools.mutation` breaks decide and the folds at random places; do the tests notice?

One process collects the tests and runs them once, noting which statements each test runs. Then it
forks for every mutant of a seeded sample: the child puts the changed code in the place of the old
one, runs the tests that run the changed statement, cheapest first, and ends at the first failure.
A mutant that no test fails for has survived. The table of folds is broken row by row. The sample
takes every k-th of all mutants, shuffled within each module, so each module has its share.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import inspect
import math
import os
import random
import resource
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any, TypeVar

import pytest

from tools.mutation.breaking import breakages, broken, functions, places

ROOT = Path(__file__).resolve().parents[2]
FILES = (*sorted(ROOT.glob("sagas/decide/*.py")), *sorted(ROOT.glob("domain/folds/*.py")))
TESTS = (
    "tests/semantics", "tests/replay", "tests/unit/test_decide_properties.py",
    "tests/unit/test_decide_bounds.py", "tests/unit/test_folds.py",
)  # fmt: skip
EXAMPLES = 5
CPU_FACTOR, CPU_FLOOR_S = 4, 20
MEMORY_MAX_BYTES = 4 << 30
Z_95 = 1.96
SEEN = "_seen_by_mutation"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change: of a node in a statement of a function, or of a row of the table of folds."""

    module: str
    function: str
    line: int
    node: int
    number: int


def module_of(path: Path) -> str:
    """The dotted name of a file."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


class Code:
    """The modules under test: their sources, their functions, and what runs in their place."""

    def __init__(self) -> None:
        self.modules = {module_of(path): path.read_text("utf-8") for path in FILES}
        self.functions: dict[tuple[str, str], Any] = {}
        for module, source in self.modules.items():
            for name, _ in functions(ast.parse(source)):
                found: Any = importlib.import_module(module)
                for part in name.split("."):
                    found = inspect.getattr_static(found, part)
                found = getattr(found, "fget", None) or getattr(found, "__func__", found)
                self.functions[module, name] = inspect.unwrap(found)

    def put(self, module: str, tree: ast.Module) -> None:
        """Let the functions of a module run the code of this tree."""
        code = compile(tree, importlib.import_module(module).__file__ or module, "exec")
        found = {one.co_qualname: one for one in codes(code)}
        for (owner, name), function in self.functions.items():
            if owner == module:
                function.__code__ = found[name]

    def watch(self, seen: set[tuple[str, int]]) -> None:
        """Let every statement say that it runs."""
        for module, source in self.modules.items():
            tree = ast.parse(source)
            for _, function in functions(tree):
                for node in list(ast.walk(function)):
                    for field in ("body", "orelse", "finalbody"):
                        if isinstance(block := getattr(node, field, None), list):
                            told = [two for one in block for two in (told_of(module, one), one)]
                            setattr(node, field, told)
            importlib.import_module(module).__dict__[SEEN] = seen.add
            self.put(module, ast.fix_missing_locations(tree))

    def mutants(self) -> dict[str, list[Mutant]]:
        """All mutants of every module, and of the table of folds."""
        found: dict[str, list[Mutant]] = {}
        for module, source in self.modules.items():
            found[module] = [
                Mutant(module, name, stmt.lineno, index, number)
                for index, (name, stmt, node) in enumerate(places(ast.parse(source)))
                for number, _ in enumerate(breakages(node))
            ]
        found["domain.evolve"] = [
            Mutant("domain.evolve", event.__name__, 0, 0, 0)
            for event, fold in table().items() if fold.__name__ != "nothing"
        ]  # fmt: skip
        return found

    def place(self, one: Mutant) -> tuple[str, int]:
        """The statement whose tests may notice this mutant."""
        if one.line:
            return one.module, one.line
        fold = next(f for event, f in table().items() if event.__name__ == one.function)
        tree = dict(functions(ast.parse(self.modules[fold.__module__])))
        return fold.__module__, tree[fold.__name__].body[0].lineno

    def broken(self, one: Mutant) -> tuple[ast.Module | None, str]:
        """The tree with this mutant in it, and how that reads."""
        if not one.line:
            return None, f"{one.function}: its fold  ->  nothing"
        return broken(self.modules[one.module], one.node, one.number)


def table() -> dict[Any, Any]:
    """Which fold belongs to which event."""
    return importlib.import_module("domain.evolve").FOLDS


def told_of(module: str, stmt: ast.stmt) -> ast.stmt:
    """A statement that says that this one runs."""
    return ast.parse(f"{SEEN}(({module!r}, {stmt.lineno}))").body[0]


def codes(code: CodeType) -> Iterator[CodeType]:
    """The code objects of a module's functions and methods."""
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield one
            yield from codes(one)


class Hunt:
    """A pytest plugin that runs the tests once watched, then a child for each mutant."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.failed = False
        self.tests: dict[tuple[str, int], list[Any]] = {}
        self.cost_s: dict[Any, float] = {}
        self.outcomes: dict[str, list[str]] = {"killed": [], "survived": [], "not run": []}

    def pytest_load_initial_conftests(self) -> None:
        """The profile that conftest.py loads: few examples, always the same."""
        from hypothesis import settings  # pytest rewrites what it imports first

        settings.register_profile(
            "mutation", deadline=None, database=None, max_examples=EXAMPLES, derandomize=True
        )
        os.environ["HYPOTHESIS_PROFILE"] = "mutation"

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a failure."""
        self.failed = self.failed or report.failed

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """In place of pytest's own loop."""
        code, seen = Code(), set[tuple[str, int]]()
        code.watch(seen)
        for at, item in enumerate(session.items):
            seen.clear()
            began = time.process_time()
            self.run(item, session.items[at + 1] if at + 1 < len(session.items) else None)
            self.cost_s[item] = time.process_time() - began
            if self.failed:
                say(f"\nleft out, for it fails without a mutant: {item.nodeid}")
                self.failed = False
                continue
            for place in seen:
                self.tests.setdefault(place, []).append(item)
        for module, source in code.modules.items():
            code.put(module, ast.parse(source))
        self.hunt(code)
        return True

    def run(self, item: Any, following: Any) -> None:
        """One test."""
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)

    def hunt(self, code: Code) -> None:
        """The sample, and what became of each."""
        everything = code.mutants()
        sample = drawn(everything, self.options.sample, self.options.seed)
        all_of_them = sum(map(len, everything.values()))
        say(f"{len(sample)} of {all_of_them} mutants, seed {self.options.seed}")
        random.Random(self.options.seed).shuffle(sample)  # noqa: S311  a sample, no secret
        deadline = time.monotonic() + self.options.minutes * 60
        for number, one in enumerate(sample, 1):
            if time.monotonic() > deadline:
                say(f"out of time after {number - 1}: a random part of the sample")
                break
            tree, text = code.broken(one)
            tests = sorted(self.tests.get(code.place(one), ()), key=self.cost_s.__getitem__)
            told = f"{one.module}:{one.line} {one.function}  {text}"
            outcome = self.child(code, one, tree, tests) if tests else "not run"
            self.outcomes[outcome].append(told)
            say(f"{number:4} {outcome:9} {told}")
        self.report()

    def child(self, code: Code, one: Mutant, tree: ast.Module | None, tests: list[Any]) -> str:
        """Whether a child with this mutant ends by a failure, or is ended by a bound."""
        pid = os.fork()
        if pid == 0:
            cpu_s = CPU_FLOOR_S + CPU_FACTOR * sum(self.cost_s[test] for test in tests)
            resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(cpu_s), math.ceil(cpu_s) + 5))
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX_BYTES, MEMORY_MAX_BYTES))
            signal.signal(signal.SIGXCPU, signal.SIG_DFL)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.dup2(1, 2)
            try:
                if tree is None:
                    of = next(e for e in table() if e.__name__ == one.function)
                    table()[of] = lambda *_: None
                else:
                    code.put(one.module, tree)
                for at, test in enumerate(tests):
                    self.run(test, tests[at + 1] if at + 1 < len(tests) else None)
                    if self.failed:
                        break
                os._exit(1 if self.failed else 0)
            finally:  # whatever escapes pytest is a mutant noticed
                os._exit(2)
        _, status = os.waitpid(pid, 0)
        return "killed" if status else "survived"

    def report(self) -> None:
        """The score with its interval, and who survived."""
        killed, living = len(self.outcomes["killed"]), 0
        for outcome in ("survived", "not run"):
            living += len(self.outcomes[outcome])
            say("\n".join(["", f"{outcome}:", *sorted(self.outcomes[outcome])]))
        low, high = wilson(killed, killed + living)
        say(f"\nkilled {killed} of {killed + living}: {killed / max(1, killed + living):.1%}, "
            f"95 % interval {low:.1%} to {high:.1%}")  # fmt: skip


def drawn(everything: dict[str, list[T]], size: int, seed: int) -> list[T]:
    """Every k-th of all, shuffled within each module."""
    rng = random.Random(seed)  # noqa: S311  a sample, no secret
    line = [one for module in everything.values() for one in rng.sample(module, len(module))]
    step = max(1.0, len(line) / size)
    start = rng.random() * step
    return [line[int(start + n * step)] for n in range(int((len(line) - start) / step + 1 - 1e-9))]


def wilson(good: int, of: int) -> tuple[float, float]:
    """Wilson's interval of a share."""
    if not of:
        return 0.0, 1.0
    share, z2 = good / of, Z_95 * Z_95 / of
    middle, half = share + z2 / 2, Z_95 * math.sqrt(share * (1 - share) / of + z2 / of / 4)
    return (middle - half) / (1 + z2), (middle + half) / (1 + z2)


def say(text: str) -> None:
    """To the terminal, at once."""
    print(text, flush=True)


def main() -> int:
    """Read the options and let pytest collect."""
    parser = argparse.ArgumentParser(prog="python -m tools.mutation", description=__doc__)
    parser.add_argument("--sample", type=int, default=200, help="how many mutants")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=60, help="stop hunting after this long")
    parser.add_argument("tests", nargs="*", default=TESTS)
    options = parser.parse_args()
    hunt = Hunt(options)
    quiet = ["-q", "-s", "-p", "no:xdist", "-p", "no:cacheprovider", "-p", "no:randomly"]
    return int(pytest.main([*quiet, "--tb=short", *options.tests], plugins=[hunt]))


if __name__ == "__main__":
    sys.exit(main())

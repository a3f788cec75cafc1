"""`python -m tools.mutation` breaks decide and the folds at random places; do the tests notice?

One process collects the tests and runs them once, noting which statements each test runs; that is
kept for the next time, until a source changes. Then it forks for every mutant of a seeded sample:
the child puts the changed code in the place of the old one, runs the tests that run the changed
statement, and ends at the first failure: one test of each module before a second of any, cheapest
first. A mutant that no test fails for, or none within `--each` seconds of CPU, has survived. The
table of folds is broken row by row. The sample takes every k-th of all mutants, shuffled within
each module, so each module has its share.

`equivalent.txt` lists mutants that nothing could notice, with the reason; they do not count. What
lies under `# pragma: no cover` is not broken. `--again LOG` hunts only those that an earlier run,
whose output is in that file, found alive.
"""

from __future__ import annotations

import argparse
import ast
import gc
import importlib
import inspect
import math
import os
import random
import resource
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any, TypeVar

import pytest

from tools.mutation.breaking import breakages, broken, functions, places, reachable
from tools.mutation.seen import Seen

ROOT = Path(__file__).resolve().parents[2]
FILES = (*sorted(ROOT.glob("sagas/decide/*.py")), *sorted(ROOT.glob("domain/folds/*.py")))
TESTS = (
    "tests/semantics", "tests/replay", "tests/unit/test_decide_properties.py",
    "tests/unit/test_decide_bounds.py", "tests/unit/test_folds.py",
)  # fmt: skip
EXAMPLES = 5
CPU_FLOOR_S = 20
DEAR_S = 0.5
WHY_CHARS = 1000
# Far beyond what is bounded in CPU seconds: on a busy machine a clock must not seem to notice.
TIMEOUT_S = 3600
SEEN_FILE = ROOT / ".mutation.json"
EQUIVALENT = Path(__file__).with_name("equivalent.txt")
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
            all_ = list(places(ast.parse(source)))
            found[module] = [
                Mutant(module, all_[index][0], all_[index][1].lineno, index, number)
                for index in sorted(reachable(source, all_))
                for number, _ in enumerate(breakages(all_[index][2]))
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
        self.why = ""
        self.tests: dict[tuple[str, int], list[Any]] = {}
        self.cost_s: dict[Any, float] = {}
        kinds = ("killed", "survived", "not run", "equivalent")
        self.outcomes: dict[str, list[str]] = {kind: [] for kind in kinds}
        self.equivalent = listed(EQUIVALENT.read_text("utf-8"))

    def pytest_load_initial_conftests(self) -> None:
        """The profile that conftest.py loads: few examples, always the same."""
        from hypothesis import settings  # pytest rewrites what it imports first

        settings.register_profile(
            "mutation", deadline=None, database=None, max_examples=EXAMPLES, derandomize=True
        )
        os.environ["HYPOTHESIS_PROFILE"] = "mutation"

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a failure, and what its traceback ends with."""
        if report.failed:
            self.failed, self.why = True, f"{report.when}: {report.longreprtext[-WHY_CHARS:]}"

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """In place of pytest's own loop."""
        code, seen = Code(), set[tuple[str, int]]()
        code.watch(seen)
        known = Seen(SEEN_FILE, FILES)
        for item in session.items:
            found = known.of(item.path, item.nodeid)
            if found is None:
                seen.clear()
                began = time.process_time()
                self.run(item, None)  # the next one may be known already
                found = time.process_time() - began, set(seen)
            if self.failed:
                say(f"\nleft out, for it fails without a mutant: {item.nodeid}\n{self.why}")
                self.failed = False
                continue
            known.note(item.path, item.nodeid, *found)
            self.cost_s[item], places_ = found
            for place in places_:
                self.tests.setdefault(place, []).append(item)
        known.write()
        for module, source in code.modules.items():
            code.put(module, ast.parse(source))
        self.hunt(code)
        return True

    def run(self, item: Any, following: Any) -> None:
        """One test."""
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)

    def hunt(self, code: Code) -> None:
        """The sample, and what became of each; so many children at once as there are jobs."""
        chosen = list(self.chosen(code))
        deadline = time.monotonic() + self.options.minutes * 60
        running: dict[int, str] = {}
        gc.collect()
        gc.freeze()  # a child that collects would copy every page
        for number, one in enumerate(chosen, 1):
            if time.monotonic() > deadline:
                say(f"out of time after {number - 1}: a random part of the sample")
                break
            tree, text = code.broken(one)
            tests = self.in_order(self.tests.get(code.place(one), ()))
            told = f"{one.module}:{one.line} {one.function}  {text}"
            if name_of(told) in self.equivalent:
                self.outcomes["equivalent"].append(told)
            elif not tests:
                self.ended("not run", told)
            else:
                running[self.child(code, one, tree, tests)] = told
            if len(running) >= self.options.jobs:
                self.wait(running)
        while running:
            self.wait(running)
        self.report()

    def chosen(self, code: Code) -> Iterator[Mutant]:
        """The mutants to hunt: a sample of all, or those that lived before, in random order."""
        everything = code.mutants()
        rng = random.Random(self.options.seed)  # noqa: S311  a sample, no secret
        if self.options.again is None:
            sample = drawn(everything, self.options.sample, self.options.seed)
            say(f"{len(sample)} of {sum(map(len, everything.values()))} mutants, "
                f"seed {self.options.seed}")  # fmt: skip
            rng.shuffle(sample)
            yield from sample
            return
        lived = alive(self.options.again.read_text("utf-8"))
        for one in (one for module in everything.values() for one in module):
            told = f"{one.module}:{one.line} {one.function}  {code.broken(one)[1]}"
            if name_of(told) in lived:
                yield one

    def in_order(self, tests: Iterable[Any]) -> list[Any]:
        """One test of each module before a second of any, cheapest first; dear ones at the end."""
        counts: dict[Any, int] = {}
        ranks: list[tuple[bool, int, float, int, Any]] = []
        for at, test in enumerate(sorted(tests, key=self.cost_s.__getitem__)):
            rank = counts[test.path] = counts.get(test.path, 0) + 1
            cost_s = self.cost_s[test]
            ranks.append((cost_s > DEAR_S, rank, cost_s, at, test))
        return [test for *_, test in sorted(ranks)]

    def child(self, code: Code, one: Mutant, tree: ast.Module | None, tests: list[Any]) -> int:
        """A child with this mutant; it ends by a failure, or by a bound, or at the end of all."""
        pid = os.fork()
        if pid:
            return pid
        most_s = self.options.each
        limit_s = math.ceil(most_s + CPU_FLOOR_S)  # beyond it the mutant turns in a circle
        resource.setrlimit(resource.RLIMIT_CPU, (limit_s, limit_s + 5))
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
            began_s = time.process_time()
            for at, test in enumerate(tests):
                self.run(test, tests[at + 1] if at + 1 < len(tests) else None)
                if self.failed or time.process_time() - began_s > most_s:
                    break
            os._exit(1 if self.failed else 0)
        finally:  # whatever escapes pytest is a mutant noticed
            os._exit(2)

    def wait(self, running: dict[int, str]) -> None:
        """Until one child has ended."""
        pid, status = os.wait()
        self.ended("killed" if status else "survived", running.pop(pid))

    def ended(self, outcome: str, told: str) -> None:
        """One more is known."""
        self.outcomes[outcome].append(told)
        say(f"{sum(map(len, self.outcomes.values())):4} {outcome:9} {told}")

    def report(self) -> None:
        """The score with its interval, and who survived."""
        killed, living = len(self.outcomes["killed"]), 0
        for outcome in ("survived", "not run"):
            living += len(self.outcomes[outcome])
            say("\n".join(["", f"{outcome}:", *sorted(self.outcomes[outcome])]))
        low, high = wilson(killed, killed + living)
        left_out = len(self.outcomes["equivalent"])
        say(f"\nkilled {killed} of {killed + living}: {killed / max(1, killed + living):.1%}, "
            f"95 % interval {low:.1%} to {high:.1%}; "
            f"{left_out} more are listed as equivalent")  # fmt: skip


def name_of(told: str) -> str:
    """A mutant as it is listed: without the line, which changes."""
    place, _, rest = told.partition(" ")
    return f"{place.rpartition(':')[0]} {rest}"


def alive(text: str) -> set[str]:
    """Who survived a run with this output, or was not run by any test."""
    words = ("survived", "not run")
    rows = (line[5:] for line in text.splitlines() if line[:4].strip().isdigit())
    return {name_of(row[10:]) for row in rows if row.startswith(words)}


def listed(text: str) -> set[str]:
    """The mutants of `equivalent.txt`: a line each, indented, under the reason."""
    return {line.strip() for line in text.splitlines() if line.startswith("    ")}


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
    parser.add_argument("--each", type=float, default=5, help="CPU seconds for each mutant")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--again", type=Path, help="the output of a run: who lived there")
    parser.add_argument("tests", nargs="*", default=TESTS)
    options = parser.parse_args()
    hunt = Hunt(options)
    quiet = ["-q", "-s", "-p", "no:xdist", "-p", "no:cacheprovider", "-p", "no:randomly"]
    quiet += ["--tb=no", "--assert=plain", f"--timeout={TIMEOUT_S}"]
    return int(pytest.main([*quiet, *options.tests], plugins=[hunt]))


if __name__ == "__main__":
    sys.exit(main())

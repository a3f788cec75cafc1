"""The source keeps its form: short functions, a pure core, chosen names, reasons, no traces."""

import importlib
import inspect
import pkgutil
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator

import pytest
from eventsourcing.domain import CanMutateAggregate

from tests import tidy
from tests.tidy import Finding

TIERS = {
    "unit", "semantics", "patterns", "contract", "integration", "simulation", "replay", "typing",
    "docs",
}  # fmt: skip
TOPIC = re.compile(r"[a-z][a-z0-9]*(\.[a-z][a-z0-9_]*)+")
Rule = Callable[[str, str], Iterator[Finding]]


def findings(rule: Rule, files: Iterable[tuple[str, str]]) -> list[str]:
    return [str(finding) for name, source in files for finding in rule(name, source)]


def pure_core() -> list[tuple[str, str]]:
    """What decides. A catalogue saga's SDK source is traced beside it and never imported here."""
    return [
        (name, source)
        for name, source in tidy.python_files()
        if name.startswith(tidy.PURE_PACKAGES) and not name.startswith("sagas/catalogue/")
    ]


def test_no_function_is_longer_than_a_screen() -> None:
    """70 lines is the hard limit; `make lint` lists what passes 40."""
    long = [
        str(finding)
        for name, source in tidy.python_files()
        for finding, lines in tidy.function_lengths(name, source)
        if lines > tidy.FUNCTION_LINES_HARD
    ]
    assert long == []


def test_no_module_is_longer_than_400_lines() -> None:
    """A module that does two things becomes two."""
    long = {
        name: count
        for name, source in tidy.python_files()
        if (count := len(source.splitlines())) > tidy.MODULE_LINES_MAX
    }
    assert long == {}


def test_no_line_is_wider_than_100_columns() -> None:
    """The formatter wraps code; texts and comments are wrapped by hand."""
    scripts = [
        (name, tidy.text_of(name) or "")
        for name in tidy.tracked()
        if (name.startswith(("tools/", ".ci/")) and not name.endswith(".txt"))
        or name in {"Makefile", "pyproject.toml"}
    ]
    assert findings(tidy.too_wide, [*tidy.python_files(), *scripts]) == []


def test_the_pure_core_calls_no_clock_no_chance_and_no_io() -> None:
    """Time, ids and chance are arguments: the same stream gives the same state everywhere.

    One call writes constructors, when a class is made, from nothing but the names of its fields.
    The explorer keeps the text of each record by its address, together with the record, so that no
    other one gets it meanwhile.
    """
    allowed = (
        ("domain/quick.py:", ": calls exec", 1),
        ("sagas/explore/alike.py:", ": calls id", 2),
    )
    found = findings(tidy.impure, pure_core())
    odd: list[str] = []
    for module, call, times in allowed:
        known = [f for f in found if f.startswith(module) and f.endswith(call)]
        assert len(known) <= times
        odd += known
    assert [f for f in found if f not in odd] == []


def test_the_librarys_own_stores_are_used_in_adapters_only() -> None:
    """They bring a driver along that import-linter sees as one package with the rest."""
    elsewhere = [
        (name, source)
        for name, source in tidy.python_files()
        if not name.startswith(("adapters/", "tests/", "benchmarks/"))
    ]
    assert findings(tidy.stock_recorders, elsewhere) == []


def test_every_silenced_line_names_its_rule_and_its_reason() -> None:
    """An ignore without a reason is a rule that somebody switched off in a hurry."""
    # The rule's own patterns and examples look like what they search for.
    own = {"tests/tidy.py", "tests/unit/test_tidy.py"}
    files = [(name, source) for name, source in tidy.python_files() if name not in own]
    assert findings(tidy.ignores_without_reason, files) == []


def test_every_ignore_of_the_configuration_has_a_reason() -> None:
    """In pyproject.toml each ignored rule has its comment on the same line."""
    text = (tidy.ROOT / "pyproject.toml").read_text("utf-8")
    lint = tomllib.loads(text)["tool"]["ruff"]["lint"]
    ignored = {*lint["ignore"]}
    for rules in lint["per-file-ignores"].values():
        ignored |= {*rules}
    with_reason = set(re.findall(r'^ +"([A-Z]+[0-9]*)", +# \S+ \S+', text, re.MULTILINE))
    assert ignored - with_reason == set()


def test_tests_wait_for_signals_and_none_is_skipped() -> None:
    """A sleep is either too short on a busy machine or wasted on a quick one.

    In the simulation it is neither: its loop has a clock of its own, and a sleep takes no time.
    One place leaves tests out, those whose server a machine cannot have, and the run says which.
    One place rests between two looks, bounded, at what gives no signal: a broker, a process.
    """
    tests = [
        (name, source)
        for name, source in tidy.python_files()
        if name.startswith("tests/")
        and not name.startswith("tests/simulation/")
        and name not in {"tests/servers.py", "tests/waiting.py"}
    ]
    assert findings(tidy.sleeps, tests) == []


def test_every_test_lies_in_a_tier() -> None:
    """A tier is a folder: unit semantics contract integration simulation replay typing docs."""
    homeless = [
        name
        for name in tidy.tracked()
        if re.search(r"(^|/)test_[^/]*\.py$", name)
        and not (name.startswith("tests/") and name.split("/")[1] in TIERS)
        and not name.startswith("examples/")
    ]
    assert homeless == []


def stored_event_classes() -> set[type]:
    """Every class of ours that the library would store, abstract bases left out."""
    for package in tidy.PURE_PACKAGES:
        for module in pkgutil.walk_packages(
            importlib.import_module(package).__path__, f"{package}."
        ):
            if not module.name.startswith("sagas.catalogue."):
                importlib.import_module(module.name)
    found: set[type] = set()
    pending: list[type] = [CanMutateAggregate]
    while pending:
        below = pending.pop().__subclasses__()
        pending.extend(below)
        found.update(
            cls
            for cls in below
            if cls.__module__.startswith(tidy.PURE_PACKAGES)
            and not cls.__subclasses__()
            # The library makes Event and Created classes in each aggregate; nothing triggers them.
            and "." not in cls.__qualname__
        )
    return found


def test_every_stored_event_has_a_topic_of_its_own_choosing() -> None:
    """A topic is a chosen string, not a module path: moving a class changes nothing stored."""
    classes = stored_event_classes()
    assert classes, "the domain stores events"
    topics: dict[str, str] = {}
    for cls in classes:
        topic = vars(cls).get("TOPIC")
        where = f"{cls.__module__}:{cls.__qualname__}"
        assert isinstance(topic, str), f"{where} has no TOPIC of its own"
        assert TOPIC.fullmatch(topic), f"{where}: {topic!r}"
        assert not topic.startswith(cls.__module__), f"{where}: {topic!r} is its module"
        assert topic not in topics, f"{where} and {topics[topic]} share {topic!r}"
        topics[topic] = where


def test_no_tracked_file_names_a_place_of_one_machine_or_a_registry() -> None:
    """A clone works anywhere: no path of somebody's machine, no address packages came from."""
    own = {"tests/tidy.py", "tests/unit/test_tidy.py"}
    texts = [
        (name, text)
        for name in tidy.tracked()
        if name not in own and (text := tidy.text_of(name)) is not None
    ]
    assert findings(tidy.places_of_a_machine, texts) == []


def test_no_lock_with_download_addresses_is_kept() -> None:
    """requirements.lock holds versions and hashes; where they come from is the machine's choice."""
    assert [name for name in tidy.tracked() if name.endswith(("uv.lock", "poetry.lock"))] == []


@pytest.mark.parametrize(
    ("rule", "source"),
    [
        (tidy.too_wide, "x = 1" + " " * 100 + "# far"),
        (tidy.impure, "def f():\n    return datetime.now(UTC)"),
        (tidy.impure, "def f():\n    return time.monotonic()"),
        (tidy.impure, "def f():\n    return uuid.uuid4()"),
        (tidy.impure, "from uuid import uuid4"),
        (tidy.impure, "def f():\n    return random.random()"),
        (tidy.impure, "def f():\n    print(open('x'))"),
        (tidy.impure, "async def f(x):\n    await x"),
        (tidy.stock_recorders, "from eventsourcing.sqlite import Factory"),
        (tidy.stock_recorders, "import eventsourcing.postgres"),
        (tidy.ignores_without_reason, "x = 1  # noqa: E741"),
        (tidy.ignores_without_reason, "x = 1  # noqa"),
        (tidy.ignores_without_reason, "# ruff: noqa"),
        (tidy.ignores_without_reason, "x = y  # type: ignore[attr]  # the stubs are wrong"),
        (tidy.ignores_without_reason, "x = y  # pyright: ignore  # the stubs are wrong"),
        (tidy.ignores_without_reason, "x = y  # pyright: ignore[reportAny]"),
        (tidy.ignores_without_reason, "# pyright: basic"),
        (tidy.sleeps, "def test_x():\n    time.sleep(1)"),
        (tidy.sleeps, "@pytest.mark.skip\ndef test_x(): ..."),
        (tidy.places_of_a_machine, "see /home/somebody/x"),
        (tidy.places_of_a_machine, f"see {tidy.ROOT}/README.md"),
        (tidy.places_of_a_machine, "https://pypi.org/simple/troth"),
    ],
)
def test_each_rule_finds_what_breaks_it(rule: Rule, source: str) -> None:
    """A rule that never finds anything holds nothing."""
    assert list(rule("x.py", source)) != []


@pytest.mark.parametrize(
    ("rule", "source"),
    [
        (tidy.impure, "def f(now):\n    return state.after(now)"),
        (tidy.ignores_without_reason, "x = 1  # noqa: E741 - the letter of the paper"),
        (tidy.ignores_without_reason, "x = 1  # pyright: ignore[reportAny]  # JSON is anything"),
        (tidy.ignores_without_reason, "# the library's stub is wrong\nx = y  # noqa: F401"),
        (tidy.sleeps, "async def test_x():\n    await asyncio.sleep(0)"),
        (tidy.places_of_a_machine, "GET /v1/work/root/ and ~/x"),
    ],
)
def test_each_rule_passes_what_keeps_it(rule: Rule, source: str) -> None:
    """The neighbours of what is forbidden stay allowed."""
    assert list(rule("x.py", source)) == []


def test_the_pure_core_exports_no_coroutine_of_its_own() -> None:
    """Ports may be awaited by the shell; a function of `sagas` that decides never is."""
    sagas = importlib.import_module("sagas")
    for module in pkgutil.walk_packages(sagas.__path__, "sagas."):
        if module.name.startswith("sagas.catalogue."):
            continue
        functions = inspect.getmembers(importlib.import_module(module.name), inspect.isfunction)
        assert [name for name, function in functions if inspect.iscoroutinefunction(function)] == []

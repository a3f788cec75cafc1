"""Real servers for tests: asked for as fixtures, started once for all workers of a run.

`postgres_url` and `kafka_bootstrap` are shared by the run, `fresh_database` and `topic_prefix` are
a test's own. `own_postgres` and `own_kafka` are whole servers that the test may kill and bring
back.

A test that uses one of them is marked `postgres` or `kafka`; a test that starts servers without a
fixture marks itself. Where a server can be neither found nor installed, those tests are skipped and
the run ends with their names; with TROTH_REQUIRE_SERVERS=1 or CI=true they fail.
"""

import fcntl
import gc
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import conninfo, sql

from tools.servers import Kafka, Missing, Postgres, down, guard, install, up
from tools.servers.running import KINDS, ROOT, VARIABLES, Running

ASK_TIMEOUT_S = 60
SHARED = {
    "postgres": {"postgres_url", "databases", "fresh_database"},
    "kafka": {"kafka_bootstrap"},
}
OWN = {"postgres": {"own_postgres"}, "kafka": {"own_kafka"}}
ABSENT = "no server for it: "


@dataclass(slots=True)
class RunsServers:
    """What one process of a run knows of the run's servers."""

    folder: Path
    controller_pid: int
    required: bool
    given: dict[str, str]
    missing: dict[str, str] = field(default_factory=dict)
    starting: subprocess.Popen[bytes] | None = None
    started: list[Running] = field(default_factory=list)
    """Kept: a server that this very process started is its child, until the run takes it down."""

    @property
    def token(self) -> str:
        """What the names of this run's databases hold, and those of no other run."""
        return self.folder.name.rpartition("-")[2]

    def address(self, name: str) -> str:
        """Where a shared server is; started now if nobody did."""
        if (address := self.given.get(name)) is not None:
            return address
        self.started += up(self.folder / "shared", [name])
        return self.started[-1].address

    def own_folder(self) -> Path:
        """A folder for a server of a test's own; what is left in it goes with the run."""
        return self.folder / "own" / uuid.uuid4().hex[:12]


RUN = pytest.StashKey[RunsServers]()


# --- the run ----------------------------------------------------------------------------------


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "postgres: needs a real PostgreSQL")
    config.addinivalue_line("markers", "kafka: needs a real Kafka broker")
    told = getattr(config, "workerinput", None)
    if told is None:
        # Made when a server is needed. Not pytest's own folder: PostgreSQL runs as somebody else.
        folder = Path(tempfile.gettempdir()) / f"troth-tests-{uuid.uuid4().hex[:12]}"
        told = {"servers_folder": str(folder), "servers_owner": os.getpid()}
    environment = {name: os.environ.get(variable) for name, variable in VARIABLES.items()}
    config.stash[RUN] = RunsServers(
        folder=Path(told["servers_folder"]),
        controller_pid=told["servers_owner"],
        required=os.environ.get("CI") == "true"
        or os.environ.get("TROTH_REQUIRE_SERVERS", "0") not in {"", "0"},
        given={name: address for name, address in environment.items() if address},
    )


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """A worker of pytest-xdist (which has no types) uses the folder of its controller."""
    run = node.config.stash[RUN]
    node.workerinput["servers_folder"] = str(run.folder)
    node.workerinput["servers_owner"] = run.controller_pid


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark by fixture, before -m chooses."""
    for item in items:
        used = set(getattr(item, "fixturenames", ()))
        for name in KINDS:
            if used & (SHARED[name] | OWN[name]):
                item.add_marker(name)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Install what is missing, and start what is shared while other tests run already."""
    run = session.config.stash[RUN]
    needed = [
        name
        for name in KINDS
        if name not in run.given and any(item.get_closest_marker(name) for item in session.items)
    ]
    if not needed or session.config.option.collectonly:
        return
    with _alone(run.folder / "install.lock"):
        for name in needed:
            _install(run, name)
        first = not (run.folder / "guarded").exists()
        if first:
            guard(run.folder, run.controller_pid)
            (run.folder / "guarded").touch()
    used = {fixture for item in session.items for fixture in getattr(item, "fixturenames", ())}
    shared = [name for name in needed if SHARED[name] & used and name not in run.missing]
    if first and shared:
        only = [word for name in shared for word in ("--only", name)]
        run.starting = subprocess.Popen(
            [sys.executable, "-m", "tools.servers", "up", "--folder", str(run.folder / "shared")]
            + only,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def _install(run: RunsServers, name: str) -> None:
    """What one worker could not install, the next one need not try for minutes again."""
    told = run.folder / f"{name}.missing"
    if told.exists():
        run.missing[name] = told.read_text("utf-8")
        return
    try:
        install([name])
    except Missing as missing:
        run.missing[name] = str(missing)
        told.write_text(str(missing), "utf-8")


def pytest_runtest_setup(item: pytest.Item) -> None:
    run = item.config.stash[RUN]
    for name, reason in run.missing.items():
        if item.get_closest_marker(name) is not None:
            leave_out(item.config, reason)


def leave_out(config: pytest.Config, reason: str) -> None:
    """End a test whose server or program this machine cannot have: where required, it fails."""
    if config.stash[RUN].required:
        pytest.fail(ABSENT + reason, pytrace=False)
    pytest.skip(ABSENT + reason)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A run that left tests out says so where nobody can overlook it."""
    absent: dict[str, list[str]] = {}
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
        if ABSENT in reason:
            absent.setdefault(reason.partition(ABSENT)[2], []).append(report.nodeid)
    for reason, tests in absent.items():
        title = f"{len(tests)} TESTS DID NOT RUN"
        terminalreporter.section(title, sep="!", red=True, bold=True)
        terminalreporter.line(reason)
        for test in sorted(tests):
            terminalreporter.line(f"  not run: {test}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    run = session.config.stash[RUN]
    if run.starting is not None:
        run.starting.wait(ASK_TIMEOUT_S)


def pytest_unconfigure(config: pytest.Config) -> None:
    run = config.stash.get(RUN, None)
    if run is None or hasattr(config, "workerinput"):
        return
    if (given := run.given.get("postgres")) is not None:
        _drop_left_over(given, run.token)
    down(run.folder)
    shutil.rmtree(run.folder, ignore_errors=True)


class _alone:  # noqa: N801 - used as a statement
    """One process of the run at a time; the lock goes with the process that holds it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("w")

    def __enter__(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        self._file.close()


# --- PostgreSQL -------------------------------------------------------------------------------


class Databases:
    """Makes and drops databases on the run's PostgreSQL."""

    def __init__(self, url: str, run: RunsServers) -> None:
        self._url = url
        self._run = run

    def create(self, template: str | None = None) -> str:
        """The URL of a new database: empty, or a copy of a template (see `template`)."""
        name = f"troth_{self._run.token}_{uuid.uuid4().hex[:12]}"
        made = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        _say(self._url, made.format(sql.Identifier(name), sql.Identifier(template or "template0")))
        return _with_database(self._url, name)

    def drop(self, url: str) -> None:
        """Remove a database; whoever is still connected is thrown out."""
        _drop(self._url, conninfo.conninfo_to_dict(url)["dbname"])

    def template(self, name: str, build: Callable[[str], object]) -> str:
        """The name of a template that `build` filled, given its URL: once for all workers."""
        ready = f"troth_{self._run.token}_{name}"
        with _alone(self._run.folder / "template.lock"):
            with psycopg.connect(self._url, autocommit=True) as link:
                found = link.execute("SELECT 1 FROM pg_database WHERE datname = %s", [ready])
                if found.fetchone() is not None:
                    return ready
            building = self.create()
            build(building)
            made = conninfo.conninfo_to_dict(building)["dbname"]
            rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
            _say(self._url, rename.format(sql.Identifier(str(made)), sql.Identifier(ready)))
        return ready


def _say(url: str, statement: sql.Composed) -> None:
    with psycopg.connect(url, autocommit=True) as link:
        link.execute(statement)


def _drop(url: str, name: object) -> None:
    drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
    _say(url, drop.format(sql.Identifier(str(name))))


def _drop_left_over(url: str, token: str) -> None:
    """Templates, and what killed workers left on a server that outlives the run."""
    with psycopg.connect(url, autocommit=True) as link:
        names = link.execute(
            "SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [f"troth_{token}_"]
        ).fetchall()
    for (name,) in names:
        _drop(url, name)


def _with_database(url: str, name: str) -> str:
    """The same server, another database."""
    before, _, options = url.partition("?")
    scheme, _, rest = before.partition("://")
    server = rest.partition("/")[0]
    return f"{scheme}://{server}/{name}" + (f"?{options}" if options else "")


@pytest.fixture(scope="session")
def databases(pytestconfig: pytest.Config) -> Databases:
    """Makes databases on the run's PostgreSQL, from templates too."""
    run = pytestconfig.stash[RUN]
    return Databases(run.address("postgres"), run)


@pytest.fixture(scope="session")
def postgres_url(databases: Databases) -> Iterator[str]:
    """A database that the tests of one worker share."""
    url = databases.create()
    yield url
    databases.drop(url)


@pytest.fixture
def fresh_database(databases: Databases) -> Iterator[str]:
    """An empty database of the test's own."""
    url = databases.create()
    yield url
    databases.drop(url)


@pytest.fixture
def own_postgres(pytestconfig: pytest.Config) -> Iterator[Postgres]:
    """A whole server of the test's own: kill it, pause it, bring it back."""
    with Postgres.start(pytestconfig.stash[RUN].own_folder()) as server:
        yield server


# --- Kafka ------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def kafka_bootstrap(pytestconfig: pytest.Config) -> str:
    """The bootstrap servers of the run's broker. Its topics are everybody's: see `topic_prefix`."""
    return pytestconfig.stash[RUN].address("kafka")


@pytest.fixture
def topic_prefix() -> str:
    """How the names of a test's own topics, groups and transactions begin."""
    return f"t{uuid.uuid4().hex[:12]}."


@pytest.fixture
def own_kafka(pytestconfig: pytest.Config) -> Iterator[Kafka]:
    """A whole broker of the test's own: kill it, pause it, bring it back."""
    with Kafka.start(pytestconfig.stash[RUN].own_folder()) as server:
        yield server
    # A client that was giving its broker up when its loop ended leaves sockets to the collector:
    # they are not the fault of whichever test it runs in next.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()

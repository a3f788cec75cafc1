"""The tool that starts real servers: killed with -9, they come back with what was acknowledged."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.servers import Databases
from tools.servers import Kafka, Postgres, free_port
from tools.servers.processes import command_of, family, kill_group, wait_until

BOUND_S = 60


def tool(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tools.servers", *words],
        capture_output=True,
        text=True,
        timeout=BOUND_S,
        check=False,
        env={**os.environ, **environment},
    )


def test_postgres_is_durable_and_keeps_its_data_over_a_kill(own_postgres: Postgres) -> None:
    """Kill -9 in the middle of a transaction: what was committed is there, the rest is not."""
    address, before = own_postgres.address, own_postgres.pid
    with psycopg.connect(address) as link:
        link.execute("CREATE TABLE promises (id int)")
        link.execute("INSERT INTO promises VALUES (1)")
        link.commit()
        durable = [
            link.execute(f"SHOW {name}").fetchone() for name in ("fsync", "full_page_writes")
        ]
        assert [*durable, link.execute("SHOW synchronous_commit").fetchone()] == [("on",)] * 3
        link.execute("INSERT INTO promises VALUES (2)")
        own_postgres.kill()
        with pytest.raises(psycopg.OperationalError):
            link.execute("SELECT 1")
    own_postgres.restart()
    assert own_postgres.address == address
    assert own_postgres.pid != before
    with psycopg.connect(address) as link:
        assert link.execute("SELECT id FROM promises").fetchall() == [(1,)]


def test_a_kill_leaves_no_process_of_postgres_behind(own_postgres: Postgres) -> None:
    members = family(own_postgres.pid)
    assert len(members) > 3
    own_postgres.kill()
    assert [command_of(member) for member in members] == [""] * len(members)


def test_a_paused_postgres_answers_nobody_until_it_is_resumed(own_postgres: Postgres) -> None:
    own_postgres.pause()
    assert own_postgres.running()
    with pytest.raises(psycopg.errors.ConnectionTimeout):
        psycopg.connect(own_postgres.address, connect_timeout=2)
    own_postgres.resume()
    with psycopg.connect(own_postgres.address, connect_timeout=BOUND_S) as link:
        assert link.execute("SELECT 1").fetchone() == (1,)


def test_settings_of_a_test_reach_postgres_and_stay_over_a_restart(tmp_path: Path) -> None:
    """pytest's folder is closed to the user that PostgreSQL runs as: the data lies elsewhere."""
    with Postgres.start(tmp_path / "pg", settings={"search_path": "ours, 'mine'"}) as server:
        server.restart()
        with psycopg.connect(server.address) as link:
            assert link.execute("SHOW search_path").fetchone() == ("ours, 'mine'",)
        data = server.data
        assert data.exists()
    assert not data.exists()
    assert not server.running()


async def produce(bootstrap: str, topic: str, *values: bytes) -> None:
    async with AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", enable_idempotence=True
    ) as producer:
        for value in values:
            await producer.send_and_wait(topic, value)


async def consume(bootstrap: str, topic: str, count: int) -> list[bytes | None]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    async with consumer:
        consumer.assign([TopicPartition(topic, 0)])
        return [(await consumer.getone()).value for _ in range(count)]


async def create_topic(bootstrap: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, 1, 1)])
        async with asyncio.timeout(BOUND_S):
            # The controller has made it; a broker under load hears of it a moment later.
            while topic not in await admin.list_topics():
                pass
    finally:
        await admin.close()


async def test_kafka_keeps_its_data_over_a_kill(own_kafka: Kafka) -> None:
    """A topic can be made the moment the server counts as up, and outlives kill -9."""
    address, before = own_kafka.address, own_kafka.pid
    await create_topic(address, "promises")
    await produce(address, "promises", b"one", b"two")
    own_kafka.kill()
    assert not own_kafka.running()
    own_kafka.restart()
    assert own_kafka.address == address
    assert own_kafka.pid != before
    await produce(address, "promises", b"three")
    assert await consume(address, "promises", 3) == [b"one", b"two", b"three"]


async def test_the_shared_broker_makes_no_topic_by_itself(
    kafka_bootstrap: str, topic_prefix: str
) -> None:
    await create_topic(kafka_bootstrap, f"{topic_prefix}here")
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    try:
        await admin.describe_topics([f"{topic_prefix}not"])
        assert f"{topic_prefix}here" in await admin.list_topics()
        assert f"{topic_prefix}not" not in await admin.list_topics()
    finally:
        await admin.close()


def test_a_template_is_built_once_and_copied(databases: Databases) -> None:
    built: list[str] = []

    def build(url: str) -> None:
        built.append(url)
        with psycopg.connect(url) as link:
            link.execute("CREATE TABLE notes (text text)")

    name = "notes_of_the_tool"
    first = databases.create(databases.template(name, build))
    second = databases.create(databases.template(name, build))
    assert len(built) == 1
    with psycopg.connect(first) as link:
        link.execute("INSERT INTO notes VALUES ('mine')")
    with psycopg.connect(second) as link:
        assert link.execute("SELECT * FROM notes").fetchall() == []
    databases.drop(first)
    databases.drop(second)


def test_each_database_is_a_tests_own(fresh_database: str, postgres_url: str) -> None:
    assert fresh_database != postgres_url
    with psycopg.connect(fresh_database) as link:
        assert link.execute(
            "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        ).fetchone() == (0,)


@pytest.mark.postgres
def test_up_twice_is_one_server_and_down_leaves_nothing(tmp_path: Path) -> None:
    folder = ("--folder", str(tmp_path / "state"), "--only", "postgres")
    first, second = tool("up", *folder), tool("up", *folder)
    assert first.returncode == 0, first.stderr
    assert first.stdout == second.stdout
    assert tool("status", *folder).stdout == first.stdout
    server = Postgres.at(tmp_path / "state" / "postgres")
    assert server is not None
    assert tool("env", *folder).stdout == f"export TROTH_TEST_POSTGRES={server.address}\n"
    assert "stopped PostgreSQL" in tool("down", *folder).stderr
    assert not server.running()
    assert not server.data.exists()
    assert not (tmp_path / "state").exists()


def test_a_server_that_the_environment_names_is_used_as_it_is(tmp_path: Path) -> None:
    told = tool(
        "env",
        "--folder",
        str(tmp_path),
        TROTH_TEST_POSTGRES="postgresql://a@b/c",
        TROTH_TEST_KAFKA="b:9092",
    )
    assert told.stdout == (
        "export TROTH_TEST_POSTGRES=postgresql://a@b/c\nexport TROTH_TEST_KAFKA=b:9092\n"
    )


@pytest.mark.postgres
def test_a_server_does_not_outlive_a_run_that_was_killed(tmp_path: Path) -> None:
    """The guard stops it as soon as its owner has ended, however it ended."""
    owner = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    server = Postgres.start(tmp_path / "servers" / "pg")
    assert tool("guard", str(tmp_path / "servers"), str(owner.pid)).returncode == 0
    assert server.running()
    owner.kill()
    owner.communicate()
    assert wait_until(lambda: not server.running(), timeout_s=BOUND_S)
    assert wait_until(lambda: not server.data.exists(), timeout_s=BOUND_S)
    server.discard()


def test_a_free_port_is_none_that_an_outgoing_connection_may_take() -> None:
    system = Path("/proc/sys/net/ipv4/ip_local_port_range")
    first = int(system.read_text().split()[0]) if system.exists() else 32_768
    assert all(1_024 < free_port() < first for _ in range(20))


# --- groups of processes -----------------------------------------------------------------------


def shell(script: str) -> subprocess.Popen[str]:
    """It leads a group of its own."""
    return subprocess.Popen(
        ["sh", "-c", script], stdout=subprocess.PIPE, text=True, start_new_session=True
    )


def test_what_a_leader_started_ends_with_it_even_when_it_has_ended_before() -> None:
    leader = shell("sleep 300 >/dev/null & echo $!")
    assert leader.stdout is not None
    with leader.stdout:
        left = int(leader.stdout.readline())
    leader.wait(BOUND_S)
    # While a process becomes another program its command cannot be read.
    assert wait_until(lambda: bool(command_of(left)), timeout_s=BOUND_S)
    kill_group(leader)
    assert wait_until(lambda: not command_of(left), timeout_s=BOUND_S)


def test_who_got_the_number_of_an_ended_leader_is_left_alone() -> None:
    """Numbers come round: 32,768 starts later another process has it."""
    ended, other = shell("true"), shell("exec sleep 300")
    ended.communicate()
    ended.pid = other.pid
    kill_group(ended)
    assert other.poll() is None
    kill_group(other)
    other.communicate()
    assert other.returncode == -signal.SIGKILL

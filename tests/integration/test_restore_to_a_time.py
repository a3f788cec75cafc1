"""PostgreSQL restored to a point in time, from a base backup and archived WAL, for real."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from adapters.postgres import migrate
from engine.cli import run
from tests.integration.engine.world import engine_world
from tests.integration.test_restore import ACCOUNT, activated, allowed, asked, work_of
from tests.waiting import eventually
from tools.servers import Postgres
from tools.servers.installing import postgres_programs
from tools.servers.processes import wait_until

LANES = 2
BACKUP_TIMEOUT_S = WAIT_S = 120.0
pytestmark = pytest.mark.postgres


@dataclass
class Archived:
    """A server whose log is archived, with a base backup from before anything happened."""

    server: Postgres
    folder: Path

    @property
    def url(self) -> str:
        return self.server.address

    def one(self, query: str) -> Any:
        with psycopg.connect(self.url, autocommit=True) as db:
            row = db.execute(query.encode()).fetchone()
            assert row is not None
            return row[0]

    def back_up(self) -> None:
        command = [str(postgres_programs() / "pg_basebackup"), "-D", str(self.folder / "base"),
                   "-d", self.url, "--checkpoint=fast", "--wal-method=none"]  # fmt: skip
        subprocess.run(
            command, check=True, timeout=BACKUP_TIMEOUT_S, **self.server._spawn_options()
        )

    def archive_all(self) -> None:
        """Have everything that was written so far in the archive."""
        name = self.one("SELECT pg_walfile_name(pg_switch_wal())")
        assert wait_until((self.folder / "wal" / name).exists, timeout_s=WAIT_S)

    def restore(self, until: str) -> None:
        """Lose the server's data; make it anew from the backup, up to a time."""
        self.server.kill()
        shutil.rmtree(self.server.data)
        (self.folder / "base").rename(self.server.data)
        (self.server.data / "recovery.signal").touch()
        self.server.settings |= {
            "restore_command": f"cp {self.folder}/wal/%f %p",
            "recovery_target_time": until,
            "recovery_target_action": "promote",
        }
        self.server.restart()
        assert wait_until(lambda: not self.one("SELECT pg_is_in_recovery()"), timeout_s=WAIT_S)


@pytest.fixture
def archived(own_postgres: Postgres) -> Archived:
    folder = own_postgres.folder / "archive"
    folder.mkdir()
    (folder / "wal").mkdir()
    for place in (folder, folder / "wal"):
        place.chmod(0o777)
    own_postgres.settings |= {
        "archive_mode": "on",
        "archive_command": f"cp %p {folder}/wal/%f",
        "wal_level": "replica",
    }
    own_postgres.restart()
    migrate(own_postgres.address, LANES)
    return Archived(own_postgres, folder)


async def test_a_database_restored_to_a_time_asks_what_the_lost_time_did(
    archived: Archived, tmp_path: Path
) -> None:
    """Two people allowed an effect and a worker did it, all after the time that is restored to."""
    archived.back_up()
    async with engine_world(tmp_path, store_url=archived.url) as world:
        await asked(world)
        until = archived.one("SELECT clock_timestamp()::text")
        await allowed(world)
        done = await activated(world)
    archived.archive_all()
    archived.restore(until)
    # Its last heartbeat may be a moment old in the restored database: it is waited for.
    await eventually(lambda: run(["restored", "--store", archived.url]) == 0)
    assert run(["verify", "--store", archived.url]) == 0
    keys = world.keys
    async with engine_world(tmp_path, store_url=archived.url) as world:
        world.keys.update(keys)
        assert (await world.step())["status"] != "fulfilled"
        await allowed(world)
        probe = await work_of(world)
        assert (probe["kind"], probe["effect"]) == ("probe", done["effect"])
        await world.reply(probe, "present", result=ACCOUNT)
        assert (await world.step())["status"] == "fulfilled"
    assert run(["doctor", "--full", "--store", archived.url]) == 0

"""PostgreSQL from Debian's binaries, run by an unprivileged user, as durable as in production."""

import os
import pwd
import shutil
import signal
import socket
import stat
import struct
import subprocess
from pathlib import Path
from typing import Any, ClassVar

from tools.servers.base import NotUp, Server, environment_without, temporary_folder
from tools.servers.installing import postgres_programs

USER = DATABASE = "troth"
ASK_TIMEOUT_S = 5.0
INITDB_TIMEOUT_S = 60.0
# The longest path of a Unix socket, less its name.
SOCKET_FOLDER_CHARS_MAX = 107 - len("/.s.PGSQL.65535")
PROTOCOL_3_0 = 196_608
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    # Results count only if they were durable.
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
}


class Postgres(Server):
    """A PostgreSQL on the loopback with one database, `troth`, and no passwords."""

    NAME: ClassVar[str] = "PostgreSQL"
    STOP_SIGNAL: ClassVar[signal.Signals] = signal.SIGINT  # "fast": sessions are ended

    @classmethod
    def install(cls) -> None:
        postgres_programs()

    @property
    def address(self) -> str:
        """The URL of the database `troth`."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{DATABASE}"

    def answers(self) -> bool:
        return self._ask("postgres", None)

    def _ask(self, database: str, statement: str | None) -> bool:
        """Connect, say one statement, and tell whether the server was ready and content.

        psql and drivers may not be installed where this runs; the protocol is small.
        """
        with socket.create_connection(("127.0.0.1", self.port), ASK_TIMEOUT_S) as link:
            link.settimeout(ASK_TIMEOUT_S)
            words = f"user\0{USER}\0database\0{database}\0\0".encode()
            link.sendall(struct.pack("!ii", 8 + len(words), PROTOCOL_3_0) + words)
            ready = _until_ready(link)
            if ready and statement is not None:
                query = statement.encode() + b"\0"
                link.sendall(b"Q" + struct.pack("!i", 4 + len(query)) + query)
                ready = _until_ready(link)
            return ready

    def _place_data(self) -> Path:
        """In its folder, unless the server's user cannot get there or the socket's path is long."""
        inside = self.folder / "data"
        reachable = os.geteuid() != 0 or all(
            parent.stat().st_mode & stat.S_IXOTH for parent in inside.parents
        )
        if reachable and len(str(inside)) <= SOCKET_FOLDER_CHARS_MAX:
            inside.mkdir()
            data = inside
        else:
            data = temporary_folder("postgres")
        data.chmod(0o700)
        if (user := _server_user()) is not None:
            os.chown(data, user.pw_uid, user.pw_gid)
        return data

    def _initialise(self) -> None:
        initdb = [str(postgres_programs() / "initdb"), "--pgdata", str(self.data)]
        initdb += ["--username", USER, "--auth", "trust", "--encoding", "UTF8", "--locale", "C"]
        # What initdb writes is empty: it may be lost in a power cut. What comes later may not.
        initdb += ["--no-sync"]
        done = subprocess.run(
            initdb,
            capture_output=True,
            text=True,
            check=False,
            timeout=INITDB_TIMEOUT_S,
            **self._spawn_options(),
        )
        if done.returncode != 0:
            raise NotUp(f"initdb failed:\n{done.stdout}{done.stderr}")
        shutil.copyfile(self.data / "postgresql.conf", self.data / "postgresql.conf.initdb")

    def _command(self) -> list[str]:
        settings = {**SETTINGS, "unix_socket_directories": str(self.data), **self.settings}
        lines = [
            f"{name} = '{value.replace(chr(39), chr(39) * 2)}'" for name, value in settings.items()
        ]
        conf = self.data / "postgresql.conf"
        given = (self.data / "postgresql.conf.initdb").read_text("utf-8")
        conf.write_text("\n".join([given, *lines, ""]), "utf-8")
        return [str(postgres_programs() / "postgres"), "-D", str(self.data), "-p", str(self.port)]

    def _spawn_options(self) -> dict[str, Any]:
        options: dict[str, Any] = {
            "cwd": self.data,
            "env": environment_without("PG") | {"LC_ALL": "C"},
        }
        if (user := _server_user()) is not None:
            options |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        return options

    def _first_answer(self) -> None:
        if not self._ask("postgres", f"CREATE DATABASE {DATABASE}"):
            raise NotUp(f"{self.NAME} did not make the database {DATABASE}\n{self._tail()}")


def _server_user() -> pwd.struct_passwd | None:
    """Whom the server runs as: None for oneself. PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise NotUp("PostgreSQL does not run as root, and there is no user postgres or nobody")


def _until_ready(link: socket.socket) -> bool:
    """Read messages up to ReadyForQuery; False on an error or when the server hangs up."""
    while head := _read(link, 5):
        kind, length = struct.unpack("!ci", head)
        body = _read(link, length - 4)
        if kind == b"Z":
            return True
        if kind == b"E" or body is None:
            return False
    return False


def _read(link: socket.socket, size: int) -> bytes | None:
    """Exactly `size` bytes, or None when the other side closed."""
    got = b""
    while len(got) < size:
        part = link.recv(size - len(got))
        if not part:
            return None
        got += part
    return got

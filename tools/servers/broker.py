"""A single-node Apache Kafka (KRaft: broker and controller in one), from its jars."""

import base64
import signal
import socket
import struct
import subprocess
import uuid
from pathlib import Path
from typing import Any, ClassVar

from tools.servers import processes
from tools.servers.base import NotUp, Server, environment_without
from tools.servers.installing import java, kafka_jars

ASK_TIMEOUT_S = 5.0
FORMAT_TIMEOUT_S = 60.0
HEAP = "-Xmx512m"
API_VERSIONS, METADATA = 18, 3
ANSWER_BYTES_MAX = 1_000_000
# Kept with the settings, so that a restart finds them again; no lines of the properties.
CONTROLLER_PORT, JAVA_OPTIONS = "controller.port", "java.options"
QUICK_START = {JAVA_OPTIONS: "-XX:TieredStopAtLevel=1"}
"""Settings for a broker that is killed often: 3 s of a core until it answers instead of 5."""
SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    # Topics are made on purpose, with partitions that somebody chose.
    "auto.create.topics.enable": "false",
    # One broker: what Kafka replicates thrice by default, it cannot here.
    "default.replication.factor": "1",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # 50 partitions each would be made when the first group or transaction comes.
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
    # A broker killed with -9 is let in again only after its old session has ended: 9 s, by default.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "1000",
    # The first consumer of a group need not wait for a second one.
    "group.initial.rebalance.delay.ms": "0",
}


class Kafka(Server):
    """A Kafka broker on the loopback, without encryption or passwords unless settings say so.

    `settings` may name other `listeners`; PLAINTEXT on `port` and CONTROLLER are kept. Options of
    the Java machine go under `java.options`.
    """

    NAME: ClassVar[str] = "Kafka"
    STOP_SIGNAL: ClassVar[signal.Signals] = signal.SIGTERM

    @classmethod
    def install(cls) -> None:
        java()
        kafka_jars()

    @property
    def address(self) -> str:
        """The bootstrap servers."""
        return f"127.0.0.1:{self.port}"

    def answers(self) -> bool:
        """It answers ApiVersions, and its metadata lists it: topics can be made.

        The port opens seconds before that; a topic made then finds no broker to lie on.
        """
        with socket.create_connection(("127.0.0.1", self.port), ASK_TIMEOUT_S) as link:
            link.settimeout(ASK_TIMEOUT_S)
            versions = _ask(link, API_VERSIONS, b"")
            if versions is None or struct.unpack_from("!h", versions)[0] != 0:
                return False
            no_topics = struct.pack("!i", 0)
            brokers = _ask(link, METADATA, no_topics, version=1)
            return brokers is not None and struct.unpack_from("!i", brokers)[0] > 0

    def _place_data(self) -> Path:
        return self.folder / "data"

    def _initialise(self) -> None:
        self.settings.setdefault(CONTROLLER_PORT, str(processes.free_port()))
        # Never with a hyphen in front: the command line would take it for an option.
        drawn = b"\0" + uuid.uuid4().bytes[1:]
        cluster = base64.urlsafe_b64encode(drawn).decode().rstrip("=")
        done = subprocess.run(
            [
                *self._java("-Xshare:auto"),
                "kafka.tools.StorageTool",
                *("format", "--cluster-id", cluster, "--config", str(self._write_properties())),
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=FORMAT_TIMEOUT_S,
            **self._spawn_options(),
        )
        if done.returncode != 0:
            raise NotUp(f"Kafka's storage could not be formatted:\n{done.stdout}{done.stderr}")

    def _command(self) -> list[str]:
        properties = str(self._write_properties())
        options = [*self.settings.get(JAVA_OPTIONS, "").split(), f"-Dserver.data={self.data}"]
        return [*self._java(HEAP, *options), "kafka.Kafka", properties]

    def _java(self, *options: str) -> list[str]:
        quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
        # The serial collector: few threads and a small footprint beside what is tested.
        return [java(), "-XX:+UseSerialGC", quiet, *options, "-cp", f"{kafka_jars()}/*"]

    def _write_properties(self) -> Path:
        controller = self.settings[CONTROLLER_PORT]
        own = {
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "log.dirs": str(self.data),
        }
        kept = (CONTROLLER_PORT, JAVA_OPTIONS)
        given = {name: value for name, value in self.settings.items() if name not in kept}
        properties = self.folder / "server.properties"
        lines = [f"{name}={value}" for name, value in {**SETTINGS, **own, **given}.items()]
        properties.write_text("\n".join([*lines, ""]), "utf-8")
        return properties

    def _spawn_options(self) -> dict[str, Any]:
        return {"cwd": self.folder, "env": environment_without("KAFKA_", "JAVA_TOOL", "_JAVA")}


def _ask(link: socket.socket, api: int, body: bytes, *, version: int = 0) -> bytes | None:
    """One request in Kafka's protocol; the answer after its correlation id, None when hung up."""
    client = b"servers"
    head = struct.pack("!hhih", api, version, 1, len(client)) + client
    link.sendall(struct.pack("!i", len(head) + len(body)) + head + body)
    with link.makefile("rb") as answer:
        size = answer.read(4)
        if len(size) < 4 or not 4 <= (length := struct.unpack("!i", size)[0]) <= ANSWER_BYTES_MAX:
            return None
        read = answer.read(length)
    return read[4:] if len(read) == length else None

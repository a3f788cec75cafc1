"""TLS and SASL against a real broker: who may come in, and what the others are told."""

from __future__ import annotations

import subprocess
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from adapters.kafka.cluster import Cluster
from adapters.kafka.options import KafkaOptions
from adapters.kafka.topics import migrate
from domain.outbox import Message
from domain.source import SourceDown
from tests.integration.kafka.world import LANES, source_of, taken, values_of
from tools.servers import Kafka, free_port
from tools.servers.installing import java, kafka_jars

pytestmark = pytest.mark.kafka
NAME, SECRET = "engine", "correct horse"
MODULE = "org.apache.kafka.common.security"
TOOL_TIMEOUT_S = 60


@dataclass(frozen=True)
class Guarded:
    """A broker that lets nobody in without TLS and a name."""

    address: str
    ca: Path


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of the loopback for one day, and a file with its key as brokers want it."""
    key, found = folder / "key.pem", folder / "ca.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj",
         "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", found],
        check=True, capture_output=True, timeout=TOOL_TIMEOUT_S,
    )  # fmt: skip
    both = folder / "store.pem"
    both.write_text(key.read_text() + found.read_text())
    return found, both


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("tls")
    ca, store = certificate(folder)
    plain, control, safe = free_port(), free_port(), free_port()
    own = f"PLAINTEXT://127.0.0.1:{plain},SAFE://127.0.0.1:{safe}"
    settings = {
        "controller.port": str(control),
        "listeners": f"{own},CONTROLLER://127.0.0.1:{control}",
        "advertised.listeners": own,
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SAFE:SASL_SSL",
        "inter.broker.listener.name": "PLAINTEXT",
        "sasl.enabled.mechanisms": "SCRAM-SHA-512,OAUTHBEARER",
        "listener.name.safe.scram-sha-512.sasl.jaas.config":
            f"{MODULE}.scram.ScramLoginModule required;",
        "listener.name.safe.oauthbearer.sasl.jaas.config":
            f"{MODULE}.oauthbearer.OAuthBearerLoginModule required"
            ' unsecuredLoginStringClaim_sub="b";',
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(store),
    }  # fmt: skip
    with Kafka.start(folder / "broker", settings=settings, port=plain) as server:
        subprocess.run(
            [java(), "-cp", f"{kafka_jars()}/*", "kafka.admin.ConfigCommand", "--bootstrap-server",
             server.address, "--alter", "--entity-type", "users", "--entity-name", NAME,
             "--add-config", f"SCRAM-SHA-512=[password={SECRET}]"],
            check=True, capture_output=True, timeout=TOOL_TIMEOUT_S,
        )  # fmt: skip
        yield Guarded(f"127.0.0.1:{safe}", ca)


def token() -> str:
    """A token that a broker takes which checks no signature."""
    now_s = int(time.time())
    parts = ({"alg": "none"}, {"sub": NAME, "iat": now_s, "exp": now_s + 600})
    coded = [urlsafe_b64encode(orjson.dumps(part)).decode().rstrip("=") for part in parts]
    return ".".join([*coded, ""])


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "OAUTHBEARER"])
async def test_who_has_a_name_reads_and_writes_over_tls(
    guarded: Guarded, topic_prefix: str, tmp_path: Path, mechanism: str
) -> None:
    """Topics, a record out and the same record in, each over a connection of its own."""
    from adapters.kafka.sink import KafkaSink

    file = tmp_path / "token"
    file.write_text(token())
    options = KafkaOptions.from_url(
        f"kafka+sasl://{guarded.address}/{topic_prefix}?ssl_ca={guarded.ca}&replication=1",
        sasl_username=NAME, sasl_password=SECRET, sasl_mechanism=mechanism, sasl_token_file=file,
    )  # fmt: skip
    async with Cluster(options) as cluster:
        await migrate(cluster, options, LANES)
    sink = KafkaSink(options)
    assert await sink.send([Message(options.events, b"k", b"hello")]) == [None]
    await sink.discard()
    async with source_of(options) as source:
        await source.own(dict.fromkeys(source.parts_of(range(LANES))))
        assert values_of(await taken(source, 1)) == [b"hello"]


@pytest.mark.parametrize("change", [{"sasl_password": "wrong"}, {"ssl_ca": None}])
async def test_who_has_not_is_told_and_waits(
    guarded: Guarded, topic_prefix: str, change: dict[str, str | None]
) -> None:
    """A wrong password or an unknown CA: SourceDown, so that it is tried again and seen."""
    values = {"ssl_ca": guarded.ca, "sasl_username": NAME, "sasl_password": SECRET, **change}
    url = f"kafka+sasl://{guarded.address}/{topic_prefix}?request_timeout_s=5"
    options = KafkaOptions.from_url(url, **values)
    with pytest.raises(SourceDown):
        await Cluster(options).open()

"""Kafka, as far as participants need it: where it is, what its topics are called, its clients.

aiokafka is an extra (`troth[kafka]`), imported only when a bus is used.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from ._errors import TrothError

__all__ = ["BUS_PAUSE_MAX_S", "Bus", "Held", "bus_of", "give_up", "kafka"]

TOPIC_PREFIX = "troth."
SCHEME = "kafka://"
IN_PROCESS = "in-process"
"""What the engine calls its own bus: participants speak HTTP then."""
SESSION_TIMEOUT_MS = 10_000
MAX_POLL_INTERVAL_MS = 300_000
REQUEST_TIMEOUT_MS = 15_000
"""How long a request, and a reply that waits to be sent, may take before it is tried anew."""
MESSAGE_BYTES_MAX = 1_048_576
CLOSE_TIMEOUT_S = 5.0
BUS_PAUSE_MAX_S = 1.0
"""Between two tries to reach a broker: who came back is to be noticed at once."""
_SECURITY = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")

log = logging.getLogger("troth.worker")


@dataclass(frozen=True, slots=True)
class Bus:
    """A Kafka cluster and the prefix of troth's topics in it.

    Attributes:
        servers: `host:port`, several separated by commas.
        topic_prefix: of every topic, and of the consumer groups.
        options: for every client of aiokafka, above all security: `security_protocol`,
            `ssl_context`, `sasl_mechanism`, `sasl_oauth_token_provider`, ...
    """

    servers: str
    topic_prefix: str = TOPIC_PREFIX
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @classmethod
    def at(cls, url: str, *, topic_prefix: str | None = None) -> Bus:
        """The bus of `kafka://[USER:PASSWORD@]HOST:PORT[,HOST:PORT][?OPTION=VALUE&...]`.

        Options: `security` (PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL; with a user SASL_SSL),
        `mechanism` (PLAIN, SCRAM-SHA-256, SCRAM-SHA-512; that is the default), `ca_file` (PEM) and
        `topic_prefix`. Raises TrothError TR711 for anything else.
        """
        if not url.startswith(SCHEME):
            raise _wrong(f"{url.partition('://')[0]!r} is not understood")
        parts = urlsplit(url)
        login, _, servers = parts.netloc.rpartition("@")
        user, _, password = login.partition(":")
        given = dict(parse_qsl(parts.query))
        if not servers or parts.path not in ("", "/"):
            raise _wrong("it names no server")
        security = given.pop("security", "SASL_SSL" if login else "PLAINTEXT")
        mechanism = given.pop("mechanism", "SCRAM-SHA-512")
        ca_file = given.pop("ca_file", None)
        prefix = given.pop("topic_prefix", topic_prefix or TOPIC_PREFIX)
        if given:
            raise _wrong(f"unknown option {next(iter(given))!r}")
        if security not in _SECURITY or mechanism not in _MECHANISMS:
            raise _wrong(f"security {security!r} with mechanism {mechanism!r} is not known")
        options: dict[str, Any] = {"security_protocol": security}
        if security.endswith("SSL"):
            options["ssl_context"] = ssl.create_default_context(cafile=ca_file)
        if security.startswith("SASL"):
            options |= {
                "sasl_mechanism": mechanism,
                "sasl_plain_username": unquote(user),
                "sasl_plain_password": unquote(password),
            }
        return cls(servers, prefix, options)

    def __repr__(self) -> str:
        return f"<bus {self.servers}, topics {self.topic_prefix}*>"

    def topic(self, name: str) -> str:
        """The full name of a topic such as `replies` or `commands.crm`."""
        return f"{self.topic_prefix}{name}"

    def consumer(self, group: str) -> Any:
        """A consumer of a group, without topics yet; it never commits by itself."""
        return kafka().AIOKafkaConsumer(
            bootstrap_servers=self.servers,
            group_id=self.topic(group),
            enable_auto_commit=False,
            # A group that is new finds commands that were sent before it came.
            auto_offset_reset="earliest",
            session_timeout_ms=SESSION_TIMEOUT_MS,
            max_poll_interval_ms=MAX_POLL_INTERVAL_MS,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
            **self.options,
        )

    def producer(self) -> Any:
        """An idempotent producer whose messages count once all replicas have them."""
        return kafka().AIOKafkaProducer(
            bootstrap_servers=self.servers,
            enable_idempotence=True,
            acks="all",
            request_timeout_ms=REQUEST_TIMEOUT_MS,
            max_request_size=MESSAGE_BYTES_MAX,
            **self.options,
        )

    async def partitions(self, topic: str) -> list[int]:
        """The partitions of a topic, none if it is missing; asked so that no broker makes it.

        Raises KafkaError.
        """
        kafka()
        made: Any = import_module("aiokafka.admin")
        admin = made.AIOKafkaAdminClient(bootstrap_servers=self.servers, **self.options)
        try:
            await admin.start()
            # All of them: a question about one topic may make it.
            for found in await admin.describe_topics():
                if found["topic"] == topic:
                    return sorted(one["partition"] for one in found["partitions"])
            return []
        finally:
            await admin.close()


class Held:
    """A producer that is started when it is wanted, and given up after a failure.

    One that failed once cannot say what of it arrived, nor keep the order.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._producer: Any = None

    async def ready(self, topic: str | None = None) -> Any:
        """The producer, started. Raises KafkaError, also where `topic` is named and missing."""
        if self._producer is None:
            if topic is not None and not await self._bus.partitions(topic):
                raise kafka().errors.UnknownTopicOrPartitionError(f"no topic {topic}")
            producer = self._bus.producer()
            try:
                await producer.start()
            except BaseException:
                await producer.stop()
                raise
            self._producer = producer
        return self._producer

    async def discard(self) -> None:
        """Give it up; the next `ready` makes a new one."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await give_up(producer, "a producer", CLOSE_TIMEOUT_S)


async def give_up(client: Any, what: str, timeout_s: float) -> None:
    """Stop a producer or consumer that nobody uses any more, whatever the brokers say to it."""
    try:
        async with asyncio.timeout(timeout_s):
            await client.stop()
    except Exception as error:  # noqa: BLE001  it is given up anyhow
        log.info("action=bus_given_up what=%r error=%r", what, error)


def bus_of(bus: Bus | str | None, *, topic_prefix: str | None = None) -> Bus | None:
    """The bus of a setting; None where there is none, or the engine's own in its process."""
    if bus is None or isinstance(bus, Bus):
        return bus
    return None if bus == IN_PROCESS else Bus.at(bus, topic_prefix=topic_prefix)


def kafka() -> Any:
    """The module aiokafka. Raises TrothError TR743 where it is not installed."""
    try:
        return import_module("aiokafka")
    except ImportError as error:
        raise TrothError(
            "TR743",
            "a bus on Kafka is set, and aiokafka is not installed",
            do="pip install 'troth[kafka]'",
        ) from error


def _wrong(why: str) -> TrothError:
    return TrothError("TR711", f"bus_url: {why}", do="kafka://HOST:PORT, or leave it out for HTTP")

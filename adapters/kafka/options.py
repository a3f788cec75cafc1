"""How to reach Kafka and what its topics are like: one frozen object, from settings or a URL."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, get_type_hints
from urllib.parse import parse_qsl, unquote, urlsplit

from domain.errors import refusal

__all__ = ["EVENTS", "REPLIES", "SCHEMES", "KafkaOptions"]

EVENTS = "events"
REPLIES = "replies"
COMMANDS = "commands."
FACTS = "facts"
DEAD_LETTERS = "dead-letters"

SCHEMES = {"kafka": "PLAINTEXT", "kafka+ssl": "SSL", "kafka+sasl": "SASL_SSL"}
PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS = ("SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")
COMPRESSIONS = ("lz4", "zstd", "snappy", "gzip", "none")
PORT = 9092
DAY_S = 86_400

TokenSource = Callable[[], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class KafkaOptions:
    """Where the brokers are, how to be let in, and how `migrate` makes the topics.

    `bootstrap` is a tuple of HOST:PORT. `input_partitions` 0 means as many as there are lanes;
    `replication` -1 is the broker's own default. A retention of -1 keeps records for ever.
    `sasl_token` is asked for a fresh token at each connection; `sasl_token_file` is read instead.
    Secrets are never shown by repr. Raises Refusal (settings.value) for what cannot be.
    """

    bootstrap: tuple[str, ...]
    prefix: str = "troth."
    protocol: str = "PLAINTEXT"
    ssl_ca: Path | None = None
    ssl_cert: Path | None = None
    ssl_key: Path | None = None
    ssl_key_password: str | None = field(default=None, repr=False)
    ssl_check_hostname: bool = True
    sasl_mechanism: str = "SCRAM-SHA-512"
    sasl_username: str | None = None
    sasl_password: str | None = field(default=None, repr=False)
    sasl_token_file: Path | None = None
    sasl_token: TokenSource | None = field(default=None, repr=False)
    client_id: str = "troth-engine"
    group: str = "troth-engine"
    request_timeout_s: float = 10.0
    compression: str = "lz4"
    input_partitions: int = 0
    command_partitions: int = 6
    output_partitions: int = 6
    replication: int = -1
    input_retention_s: int = 7 * DAY_S
    command_retention_s: int = 7 * DAY_S
    output_retention_s: int = 30 * DAY_S
    message_bytes_max: int = 4 * 1024 * 1024

    def __post_init__(self) -> None:
        for fault in self._faults():
            raise refusal("settings.value", fault)

    def _faults(self) -> list[str]:
        faults: list[str] = []
        if not self.bootstrap:
            faults.append("kafka: name at least one broker as HOST:PORT")
        if self.protocol not in PROTOCOLS:
            faults.append(f"kafka protocol: one of {', '.join(PROTOCOLS)}")
        if self.compression not in COMPRESSIONS:
            faults.append(f"kafka compression: one of {', '.join(COMPRESSIONS)}")
        if (self.ssl_cert is None) != (self.ssl_key is None) and self.ssl_cert is None:
            faults.append("kafka ssl_key: it needs ssl_cert")
        if self.is_sasl:
            faults += self._sasl_faults()
        return faults

    def _sasl_faults(self) -> list[str]:
        if self.sasl_mechanism not in MECHANISMS:
            return [f"kafka sasl_mechanism: one of {', '.join(MECHANISMS)}"]
        if self.sasl_mechanism == "OAUTHBEARER":
            has_token = self.sasl_token is not None or self.sasl_token_file is not None
            return [] if has_token else ["kafka: OAUTHBEARER needs sasl_token_file"]
        if not (self.sasl_username and self.sasl_password):
            return [f"kafka: {self.sasl_mechanism} needs sasl_username and sasl_password"]
        return []

    @property
    def is_ssl(self) -> bool:
        return self.protocol in ("SSL", "SASL_SSL")

    @property
    def is_sasl(self) -> bool:
        return self.protocol.startswith("SASL_")

    # --- names of topics -------------------------------------------------------------------------

    @property
    def events(self) -> str:
        return f"{self.prefix}{EVENTS}"

    @property
    def replies(self) -> str:
        return f"{self.prefix}{REPLIES}"

    @property
    def facts(self) -> str:
        return f"{self.prefix}{FACTS}"

    @property
    def dead_letters(self) -> str:
        return f"{self.prefix}{DEAD_LETTERS}"

    def commands(self, participant: str) -> str:
        """The topic from which the workers of a participant read."""
        return f"{self.prefix}{COMMANDS}{participant}"

    # --- from outside ----------------------------------------------------------------------------

    @classmethod
    def from_url(cls, url: str, **more: Any) -> KafkaOptions:
        """Options of `kafka://host:port,host2:port/prefix?name=value`, and `more` over them.

        The scheme is kafka, kafka+ssl or kafka+sasl (SCRAM over TLS); name and password may stand
        before the hosts; every other option is a parameter by its name. Raises Refusal
        (settings.value, settings.unknown).
        """
        parts = urlsplit(url)
        if parts.scheme not in SCHEMES:
            raise refusal("settings.value", f"{parts.scheme}://: kafka://HOST:PORT is wanted")
        account, _, hosts = parts.netloc.rpartition("@")
        values: dict[str, Any] = {"protocol": SCHEMES[parts.scheme]}
        if account:
            name, _, password = account.partition(":")
            values |= {"sasl_username": unquote(name), "sasl_password": unquote(password)}
        if prefix := unquote(parts.path.strip("/")):
            values["prefix"] = prefix
        values |= _converted(dict(parse_qsl(parts.query, strict_parsing=bool(parts.query))))
        values["bootstrap"] = tuple(_address(host) for host in hosts.split(",") if host)
        return cls(**{**values, **more})


def _address(host: str) -> str:
    name, colon, port = host.rpartition(":")
    if colon and port.isdecimal():
        return host
    if name.startswith("[") or not colon:
        return f"{host}:{PORT}"
    raise refusal("settings.value", f"kafka: {host!r} is not HOST:PORT")


def _converted(texts: Mapping[str, str]) -> dict[str, Any]:
    """The texts of a URL as the types of the fields."""
    kinds = get_type_hints(KafkaOptions)
    known = {f.name for f in fields(KafkaOptions)} - {"bootstrap", "sasl_token"}
    values: dict[str, Any] = {}
    for name, text in texts.items():
        if name not in known:
            raise refusal("settings.unknown", f"kafka: {name}")
        values[name] = _value(name, text, str(kinds[name]))
    return values


def _value(name: str, text: str, kind: str) -> Any:
    try:
        if "bool" in kind:
            return {"true": True, "false": False}[text.lower()]
        if "int" in kind:
            return int(text)
        if "float" in kind:
            return float(text)
    except (ValueError, KeyError):
        raise refusal("settings.value", f"kafka {name}: {text!r}") from None
    return Path(text) if "Path" in kind else text

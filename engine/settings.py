"""Settings: from the command line, TROTH_ variables and troth.toml, in this order; else a default.

A name that nobody knows is an error (TR711): a setting that is misspelled must not be ignored.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from domain.errors import Refusal, refusal

__all__ = ["FILE", "PREFIX", "Origin", "Settings", "listen_parts", "origins", "read_settings"]

PREFIX = "TROTH_"
FILE = Path("troth.toml")

# Read by the SDK in the same environment; none of the engine's business.
OF_THE_SDK = frozenset(
    {"url", "api_key", "tenant", "app", "engine", "worker_concurrency", "journal_url"}
)
# Of a run of the tests, which start engines.
OF_TESTS = frozenset({"test_postgres", "test_kafka", "require_servers"})

_LISTEN = re.compile(r"(?P<host>\[[0-9a-fA-F:]+\]|[^:\[\]/\s]+):(?P<port>[0-9]{1,5})")
PORT_MAX = 65_535
STORES = ("sqlite:///", "postgresql://", "postgres://")


Names: TypeAlias = Annotated[tuple[str, ...], NoDecode]


class Settings(BaseSettings):
    """Every setting of the engine. Sizes are in bytes, times in seconds."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, toml_file=FILE, extra="forbid", frozen=True, validate_default=True
    )

    store_url: str = Field("sqlite:///troth.db", description="The store.")
    bus_url: str = Field(
        "in-process",
        description="in-process or postgres (the store is the bus), or kafka://HOST:PORT.",
    )
    kafka_tenants: Names = Field(
        (), description="Tenants whose events may come over Kafka, with commas; none: all."
    )
    kafka_tenant: str | None = Field(None, description="Tenant of events that name none.")
    kafka_participants: Names = Field((), description="Participants served over Kafka.")
    kafka_journals: Names = Field(
        (), description="Of these, those with a journal that all their workers share."
    )
    kafka_sasl_password: SecretStr | None = Field(
        None, description="Password of SCRAM, for a bus_url that does not hold it."
    )
    listen: str = Field("127.0.0.1:8080", description="Address and port of the HTTP API.")
    lanes: int | None = Field(
        None,
        ge=1,
        le=1024,
        description="Shards, fixed when the store is made: 1 on SQLite, else 16.",
    )
    batch_messages_max: int = Field(
        500, ge=1, le=10_000, description="Requests that share a transaction."
    )
    lease_s: float = Field(30, ge=1, le=3_600, description="How long a claim is held.")
    drain_timeout_s: float = Field(
        25, ge=0, le=600, description="How long a stopping engine finishes what is under way."
    )
    event_bytes_max: int = Field(
        1_048_576, ge=1_024, le=16_777_216, description="Size of one event."
    )
    payload_bytes_max: int = Field(
        262_144, ge=1_024, le=4_194_304, description="Size of arguments, a result, an answer."
    )
    api_keys_file: Path = Field(Path("troth-keys.jsonl"), description="Hashes of the API keys.")
    log_format: Literal["json", "text", "auto"] = Field(
        "auto", description="Logs on stderr; auto is text on a terminal, else json."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least that is logged."
    )

    @field_validator("listen")
    @classmethod
    def _listen_has_host_and_port(cls, text: str) -> str:
        listen_parts(text)
        return text

    @field_validator("store_url")
    @classmethod
    def _store_is_known(cls, url: str) -> str:
        if not url.startswith(STORES):
            raise ValueError(
                "want sqlite:///PATH of a file, for example sqlite:///troth.db,"
                " or postgresql://USER@HOST:PORT/DATABASE"
            )
        return url

    @field_validator("bus_url")
    @classmethod
    def _bus_is_known(cls, url: str) -> str:
        if url not in ("in-process", "postgres") and not url.startswith("kafka"):
            raise ValueError("want in-process, postgres, or kafka://HOST:PORT")
        return url

    @field_validator("kafka_tenants", "kafka_participants", "kafka_journals", mode="before")
    @classmethod
    def _names_have_commas(cls, given: Any) -> Any:
        if not isinstance(given, str):
            return given
        return tuple(name.strip() for name in given.split(",") if name.strip())

    @model_validator(mode="after")
    def _bus_fits_the_store(self) -> Settings:
        if self.bus_url != "in-process" and self.is_embedded:
            raise ValueError(f"bus_url {self.bus_url} needs a store_url of postgresql://")
        return self

    @property
    def is_embedded(self) -> bool:
        """Whether the store is a file of this machine."""
        return self.store_url.startswith("sqlite:")

    @property
    def has_kafka(self) -> bool:
        """Whether Kafka is the bus."""
        return self.bus_url.startswith("kafka")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - named by the library
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - named by the library
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


@dataclass(frozen=True, slots=True)
class Origin:
    """A setting, its value, and where the value is from."""

    name: str
    value: Any
    origin: str


def listen_parts(text: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`; port 0 lets the system choose. Raises ValueError."""
    found = _LISTEN.fullmatch(text)
    if found is None or int(found["port"]) > PORT_MAX:
        raise ValueError(f"{text!r}: want HOST:PORT, for example 127.0.0.1:8080")
    return found["host"].strip("[]"), int(found["port"])


def read_settings(overrides: Mapping[str, Any] | None = None) -> Settings:
    """The settings of this process. Raises Refusal (TR711, TR714); overrides that are None pass."""
    given = {name: value for name, value in (overrides or {}).items() if value is not None}
    _refuse_unknown(_of_environment(), f"the environment ({PREFIX}...)", OF_THE_SDK | OF_TESTS)
    _refuse_unknown(_of_file(), str(FILE), frozenset())
    try:
        return Settings(**given)
    except ValidationError as error:
        faults = [_told(fault, given) for fault in error.errors()]
        raise Refusal("settings.value", "; ".join(faults)) from None


def origins(settings: Settings, overrides: Mapping[str, Any] | None = None) -> list[Origin]:
    """Every setting with where it is from, in the order of the class."""
    given = {name for name, value in (overrides or {}).items() if value is not None}
    return [
        Origin(name, getattr(settings, name), _origin(name, given))
        for name in type(settings).model_fields
    ]


def _origin(name: str, given: set[str] | Mapping[str, Any]) -> str:
    if name in given:
        return "command line"
    if name in _of_environment():
        return f"{PREFIX}{name.upper()}"
    if name in _of_file():
        return str(FILE)
    return "default"


def _of_environment() -> dict[str, str]:
    return {
        name.upper().removeprefix(PREFIX).lower(): value
        for name, value in os.environ.items()
        if name.upper().startswith(PREFIX)
    }


def _of_file() -> dict[str, Any]:
    try:
        return tomllib.loads(FILE.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise refusal("settings.value", f"{FILE} is not TOML: {error}") from None
    except OSError as error:
        raise refusal("settings.value", f"{FILE}: {error.strerror}") from None


def _refuse_unknown(names: Mapping[str, Any], where: str, passed: frozenset[str]) -> None:
    known = set(Settings.model_fields)
    for name in sorted(set(names) - known - passed):
        near = get_close_matches(name, known, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise refusal("settings.unknown", f"{name} in {where}{hint}")


def _told(fault: Any, given: Mapping[str, Any]) -> str:
    # What no single setting says is about the bus and the store: the bus does not fit.
    name = str(fault["loc"][0]) if fault["loc"] else "bus_url"
    return f"{name} ({_origin(name, given)}): {fault['msg'].removeprefix('Value error, ')}"

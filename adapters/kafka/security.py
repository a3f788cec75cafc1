"""TLS and SASL as aiokafka wants them."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

from aiokafka.abc import AbstractTokenProvider

from adapters.kafka.options import KafkaOptions
from domain.errors import refusal

__all__ = ["client_arguments"]


def client_arguments(options: KafkaOptions) -> dict[str, Any]:
    """What every client of aiokafka takes. Raises Refusal (settings.value) for unusable files."""
    arguments: dict[str, Any] = {
        "bootstrap_servers": list(options.bootstrap),
        "client_id": options.client_id,
        "request_timeout_ms": int(options.request_timeout_s * 1000),
        "security_protocol": options.protocol,
    }
    if options.is_ssl:
        arguments["ssl_context"] = _context(options)
    if options.is_sasl:
        arguments |= _sasl(options)
    return arguments


def _context(options: KafkaOptions) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=options.ssl_ca)
        if options.ssl_cert is not None:
            context.load_cert_chain(options.ssl_cert, options.ssl_key, options.ssl_key_password)
    except (OSError, ssl.SSLError) as error:
        names = f"{options.ssl_ca}, {options.ssl_cert}, {options.ssl_key}"
        raise refusal("settings.value", f"kafka ssl ({names}): {error}") from error
    context.check_hostname = options.ssl_check_hostname
    return context


def _sasl(options: KafkaOptions) -> dict[str, Any]:
    if options.sasl_mechanism == "OAUTHBEARER":
        return {"sasl_mechanism": "OAUTHBEARER", "sasl_oauth_token_provider": _Tokens(options)}
    return {
        "sasl_mechanism": options.sasl_mechanism,
        "sasl_plain_username": options.sasl_username,
        "sasl_plain_password": options.sasl_password,
    }


class _Tokens(AbstractTokenProvider):
    """A token for each connection: whoever renews the file needs to tell nobody."""

    def __init__(self, options: KafkaOptions) -> None:
        self._ask = options.sasl_token
        self._file = options.sasl_token_file

    # Annotated as None there.
    async def token(self) -> str:  # pyright: ignore[reportIncompatibleMethodOverride]
        if self._ask is not None:
            return await self._ask()
        assert self._file is not None
        return await asyncio.to_thread(_read, self._file)


def _read(file: Path) -> str:
    return file.read_text("utf-8").strip()

"""How Kafka is reached: URLs, what is refused, and what aiokafka is given."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.kafka.options import KafkaOptions
from adapters.kafka.security import client_arguments
from domain.errors import Refusal


def test_a_url_names_brokers_prefix_and_options() -> None:
    options = KafkaOptions.from_url(
        "kafka+sasl://eng%40x:s%2Fecret@one:9093,two/north.?ssl_check_hostname=false"
        "&input_partitions=32&ssl_ca=/ca.pem&request_timeout_s=2.5",
        group="g",
    )
    assert options.bootstrap == ("one:9093", "two:9092")
    assert (options.events, options.commands("crm")) == ("north.events", "north.commands.crm")
    assert (options.sasl_username, options.sasl_password) == ("eng@x", "s/ecret")
    assert (options.protocol, options.input_partitions) == ("SASL_SSL", 32)
    assert (options.ssl_ca, options.ssl_check_hostname) == (Path("/ca.pem"), False)
    assert (options.request_timeout_s, options.group) == (2.5, "g")
    assert "ecret" not in repr(options)


def test_the_prefix_is_troth_unless_it_is_named() -> None:
    assert KafkaOptions.from_url("kafka://h").facts == "troth.facts"


@pytest.mark.parametrize(
    ("url", "alias", "told"),
    [
        ("http://h", "settings.value", "kafka://HOST:PORT"),
        ("kafka://", "settings.value", "at least one broker"),
        ("kafka://h:port", "settings.value", "HOST:PORT"),
        ("kafka://h?colour=red", "settings.unknown", "colour"),
        ("kafka://h?replication=three", "settings.value", "replication"),
        ("kafka://h?protocol=TELNET", "settings.value", "protocol"),
        ("kafka://h?compression=rar", "settings.value", "compression"),
        ("kafka+sasl://h", "settings.value", "sasl_username"),
        ("kafka+sasl://h?sasl_mechanism=PLAIN", "settings.value", "SCRAM-SHA-256"),
        ("kafka+sasl://h?sasl_mechanism=OAUTHBEARER", "settings.value", "sasl_token_file"),
        ("kafka+ssl://h?ssl_key=/k.pem", "settings.value", "ssl_cert"),
    ],
)
def test_what_cannot_be_is_refused(url: str, alias: str, told: str) -> None:
    with pytest.raises(Refusal) as refused:
        KafkaOptions.from_url(url)
    assert refused.value.alias == alias
    assert told in refused.value.detail


def test_scram_is_handed_over() -> None:
    options = KafkaOptions.from_url("kafka://u:p@h?protocol=SASL_PLAINTEXT")
    arguments = client_arguments(options)
    assert arguments["sasl_mechanism"] == "SCRAM-SHA-512"
    assert (arguments["sasl_plain_username"], arguments["sasl_plain_password"]) == ("u", "p")
    assert arguments["security_protocol"] == "SASL_PLAINTEXT"


def test_a_certificate_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    options = KafkaOptions.from_url(f"kafka+ssl://h?ssl_ca={tmp_path / 'none.pem'}")
    with pytest.raises(Refusal, match=r"none\.pem"):
        client_arguments(options)


async def test_a_token_is_asked_for_at_each_connection(tmp_path: Path) -> None:
    """Whoever renews the file tells nobody; a callable is asked instead where there is one."""
    file = tmp_path / "token"
    url = "kafka://h?protocol=SASL_PLAINTEXT&sasl_mechanism=OAUTHBEARER"
    options = KafkaOptions.from_url(f"{url}&sasl_token_file={file}")
    provider = client_arguments(options)["sasl_oauth_token_provider"]
    file.write_text("one\n")
    assert await provider.token() == "one"
    file.write_text("two")
    assert await provider.token() == "two"

    async def ask() -> str:
        return "asked"

    asking = KafkaOptions.from_url(url, sasl_token=ask)
    assert await client_arguments(asking)["sasl_oauth_token_provider"].token() == "asked"

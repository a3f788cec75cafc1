"""Sends one CloudEvent to troth with the CloudEvents SDK of Python, over HTTP or Kafka."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import urllib.error
import urllib.request
from datetime import datetime

from aiokafka import AIOKafkaProducer
from cloudevents.core.bindings import http, kafka
from cloudevents.core.v1.event import CloudEvent

TIMEOUT_S = 30


def arguments() -> argparse.Namespace:
    """The command line, the same in every language."""
    parser = argparse.ArgumentParser(prog="producer")
    parser.add_argument("--to", required=True, help="http://host:port or kafka://host:port/topic")
    parser.add_argument("--mode", required=True, choices=["binary", "structured"])
    for name in ("type", "source", "id", "key", "data"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--time", help="RFC 3339; now, where it is left out")
    return parser.parse_args()


def event_of(given: argparse.Namespace) -> CloudEvent:
    """The event; the SDK makes the key of its record from `partitionkey`."""
    attributes: dict[str, object] = {
        "type": given.type,
        "source": given.source,
        "id": given.id,
        "partitionkey": given.key,
        "datacontenttype": "application/json",
    }
    if given.time:
        attributes["time"] = datetime.fromisoformat(given.time)
    return CloudEvent(attributes, json.loads(given.data))


def over_http(event: CloudEvent, given: argparse.Namespace) -> None:
    """POST /v1/events with the key of TROTH_KEY. Raises HTTPError when it is refused."""
    is_binary = given.mode == "binary"
    message = http.to_binary_event(event) if is_binary else http.to_structured_event(event)
    request = urllib.request.Request(  # noqa: S310 - the address is the user's own
        f"{given.to.rstrip('/')}/v1/events",
        data=message.body,
        headers={**message.headers, "Authorization": f"Bearer {os.environ['TROTH_KEY']}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310 - as above
            print(answer.read().decode())
    except urllib.error.HTTPError as refused:
        sys.exit(f"{refused.code} {refused.read().decode()}")


async def over_kafka(event: CloudEvent, given: argparse.Namespace) -> None:
    """Send a record, and wait until every replica in sync has it."""
    is_binary = given.mode == "binary"
    message = kafka.to_binary_event(event) if is_binary else kafka.to_structured_event(event)
    server, _, topic = given.to.removeprefix("kafka://").partition("/")
    producer = AIOKafkaProducer(bootstrap_servers=server, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        key = message.key.encode() if isinstance(message.key, str) else message.key
        sent = producer.send_and_wait(
            topic, message.value, key=key, headers=list(message.headers.items())
        )
        place = await asyncio.wait_for(sent, TIMEOUT_S)
        print(json.dumps({"partition": place.partition, "offset": place.offset}))
    finally:
        await producer.stop()


def main() -> None:
    """Send what the command line says."""
    given = arguments()
    event = event_of(given)
    if given.to.startswith("kafka://"):
        asyncio.run(over_kafka(event, given))
    else:
        over_http(event, given)


if __name__ == "__main__":
    main()

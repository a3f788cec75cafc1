"""A broker that is down at the start, and one that is killed in the middle."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.kafka_engine.world import (
    LANES,
    Market,
    counted,
    made_topics,
    market,
    reason,
    until_all,
)
from tests.integration.processes.world import until
from tools.servers import Kafka

NUMBERS = [f"n{n}" for n in range(8)]
H0 = {"saga": "order", "input": {"number": "h0"}}


@pytest.fixture
def alone(tmp_path: Path, store: str, own_kafka: Kafka) -> Iterator[Market]:
    with market(tmp_path, store, own_kafka.address) as found:
        asyncio.run(made_topics(found))
        yield found


def test_a_broker_that_is_gone_costs_time_and_nothing_else(alone: Market, own_kafka: Kafka) -> None:
    """Down at the start HTTP goes on; killed in the middle nothing is lost."""
    own_kafka.kill()
    engine = alone.here.serve("--with-lanes")
    assert "kafka" in reason(engine)
    alone.register(engine)
    with alone.speaker(engine) as speaker:
        assert speaker.call("operator", "POST", "/v1/commitments", H0).status_code == 201
        assert speaker.publish("order.confirmed", {"number": "h1"}, "c-h1").status_code == 202
        assert counted(speaker, "open") == 1
        own_kafka.restart()
        alone.participants(engine.url)
        until(lambda: not reason(engine), what="it is ready")
        alone.order(*NUMBERS)
        until_all(speaker, "waiting", 1 + len(NUMBERS))
        own_kafka.kill()
        until(lambda: "kafka" in reason(engine), what="readiness says why")
        own_kafka.restart()
        alone.confirm("h0", *NUMBERS)
        until_all(speaker, "fulfilled", 1 + len(NUMBERS))
    assert alone.is_written_once(["h0", *NUMBERS])
    assert alone.here.is_gapless()
    assert alone.here.lanes() == LANES

"""Sagas over Kafka from end to end: events in, commands and replies, facts and dead letters out."""

from __future__ import annotations

from collections import defaultdict

from tests.integration.kafka_engine.world import Json, Market, event, until_all
from tests.integration.processes.world import until

NUMBERS = [f"n{n:02}" for n in range(20)]
ENDED = "troth.commitment.ended"


def followed(facts: list[Json]) -> dict[str, list[Json]]:
    """The facts of each commitment: repeats fall away, a lower version is no news."""
    found: dict[str, list[Json]] = defaultdict(list)
    for fact in facts:
        mine = found[fact["commitmentid"]]
        if not mine or int(fact["commitmentversion"]) > int(mine[-1]["commitmentversion"]):
            mine.append(fact)
    return found


def test_a_saga_runs_over_the_topics_alone(shop: Market) -> None:
    """Started and awaited by records, served by pushes and doorbells, told as facts."""
    here = shop.here
    engine = here.serve("--with-lanes")
    shop.register(engine)
    shop.participants(engine.url)
    with shop.speaker(engine) as speaker:
        shop.order(*NUMBERS)
        until_all(speaker, "waiting", len(NUMBERS))
        shop.confirm(*NUMBERS)
        until_all(speaker, "fulfilled", len(NUMBERS))
    assert shop.is_written_once(NUMBERS)
    facts = shop.read(
        shop.options.facts,
        lambda told: sum(fact["type"] == ENDED for fact in told) >= len(NUMBERS),
    )
    by_commitment = followed(facts)
    assert len(by_commitment) == len(NUMBERS)
    for told in by_commitment.values():
        names = [fact["type"].removeprefix("troth.commitment.") for fact in told]
        assert (names[0], names[-1]) == ("opened", "ended")
        assert told[-1]["data"]["status"] == "fulfilled"
        assert names.count("step.done") == 2
    commands = shop.read(shop.options.commands("shop"), lambda told: len(told) >= len(NUMBERS))
    assert all(command["push"] for command in commands)


def test_what_is_decided_by_people_is_rung_for_and_started_over_http(shop: Market) -> None:
    engine = shop.here.serve("--with-lanes", TROTH_KAFKA_JOURNALS="shop,bank")
    shop.register(engine)
    with shop.speaker(engine) as speaker:
        shop.produce([event("refund-wanted", "r1")])
        (approval,) = until(lambda: speaker.get("/v1/approvals?status=open")["items"])
        assert speaker.decide("function_head", approval, "approve").status_code == 200
        (bell,) = shop.read(shop.options.commands("bank"), bool)
        assert "claim" not in bell
        assert bell["contract"] == "bank/refund@1"
        shop.participants(engine.url)
        until(lambda: speaker.get("/v1/sagas/refund/keys/r1")["status"] == "fulfilled")
        history = speaker.get("/v1/sagas/refund/keys/r1/history")
    assert shop.written() == {("refund", "r1"): 1}
    assert "effect.started" in str(history)


def test_several_engine_processes_share_topics_and_lanes(shop: Market) -> None:
    here = shop.here
    api = here.serve()
    crew = [here.work(), here.work()]
    until(lambda: here.is_shared(*crew))
    shop.register(api)
    shop.participants(api.url)
    with shop.speaker(api) as speaker:
        shop.produce([event("confirmed", number) for number in NUMBERS[:5]])
        shop.order(*NUMBERS)
        shop.confirm(*NUMBERS)
        until_all(speaker, "fulfilled", len(NUMBERS))
        shop.produce([event("placed", "late", id="x", specversion="0.2")])
        letters = shop.read(shop.options.dead_letters, lambda told: len(told) >= 1)
    assert [letter["type"] for letter in letters] == ["troth.dead_letter"]
    assert shop.is_written_once(NUMBERS)
    assert here.is_gapless()

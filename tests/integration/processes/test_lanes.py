"""Lanes are shared by the processes that live, and go on when one of them ends, however it ends."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.integration.engine.world import CRM, REGISTRY
from tests.integration.processes.world import (
    LANES,
    TAKEOVER_MAX_S,
    Child,
    Site,
    Speaker,
    until,
)

COMPANIES = [f"c{n:02}" for n in range(24)]
DRAINED_MAX_S = 1.0
SILENCE_S = 3.0


@pytest.fixture
def api(here: Site) -> Child:
    return here.serve()


@contextmanager
def speaking(here: Site, api: Child) -> Iterator[Speaker]:
    """Speaks to the API, which waits until there is somebody to register with."""
    with Speaker(api.url, here.keys) as speaker:
        assert speaker.register().status_code == 201
        yield speaker


def workers(here: Site, count: int) -> list[Child]:
    found = [here.work() for _ in range(count)]
    until(lambda: here.is_shared(*found))
    return found


def started(speaker: Speaker) -> None:
    for company in COMPANIES:
        assert speaker.begin(company, once=company).status_code == 201


def to_the_wait(speaker: Speaker) -> None:
    """Move every commitment by its three steps, and find it waiting."""
    for participant in (REGISTRY, REGISTRY, CRM):
        claims = speaker.claim(participant, len(COMPANIES))
        assert len(claims) == len(COMPANIES)
        assert set(speaker.perform(participant, claims)) == {"recorded"}
    for company in COMPANIES:
        assert speaker.step(company)["step"] == "partner_signed"


def alone_within(here: Site, child: Child, within_s: float) -> float:
    """Seconds until all lanes are this process's."""
    begun_s = time.monotonic()
    until(lambda: here.shares(child) == [LANES], within_s, "the lanes are taken over")
    return time.monotonic() - begun_s


def test_lanes_are_shared_again_whenever_a_process_comes_or_goes(here: Site) -> None:
    first = here.work()
    until(lambda: here.is_shared(first))
    second = here.work()
    until(lambda: here.shares(first, second) == [4, 4])
    third = here.work()
    until(lambda: here.is_shared(first, second, third))
    assert second.end() == 0
    until(lambda: here.shares(first, third) == [4, 4])
    assert third.end() == 0
    until(lambda: here.shares(first) == [LANES])
    changes = [line["lanes"] for line in first.logged("lanes_changed")]
    assert changes[0] == changes[-1] == list(range(LANES))


def test_a_killed_process_is_replaced_and_every_commitment_moves_on(here: Site, api: Child) -> None:
    killed, other = workers(here, 2)
    with speaking(here, api) as speaker:
        started(speaker)
        killed.end(signal.SIGKILL)
        took_s = alone_within(here, other, TAKEOVER_MAX_S)
        assert took_s < TAKEOVER_MAX_S
        to_the_wait(speaker)
        assert speaker.get("/v1/counts")["status"] == {"waiting": len(COMPANIES)}
    assert here.is_gapless()
    assert here.rows("inbox") == here.rows("dispatches") == 0


def test_a_drained_process_hands_its_lanes_over_at_once(here: Site, api: Child) -> None:
    ended, other = workers(here, 2)
    with speaking(here, api) as speaker:
        started(speaker)
        ended.send(signal.SIGTERM)
        assert ended.wait() == 0
        assert alone_within(here, other, TAKEOVER_MAX_S) < DRAINED_MAX_S
        to_the_wait(speaker)
    assert ended.logged("engine_stopped")[0]["orderly"] is True
    assert here.is_gapless()


def test_a_stopped_process_that_wakes_as_a_zombie_loses(here: Site, api: Child) -> None:
    """It finds its lanes gone, gets its share anew, and nothing is there twice."""
    zombie, other = workers(here, 2)
    with speaking(here, api) as speaker:
        started(speaker)
        zombie.send(signal.SIGSTOP)
        alone_within(here, other, SILENCE_S + TAKEOVER_MAX_S)
        to_the_wait(speaker)
        zombie.send(signal.SIGCONT)
        until(lambda: here.is_shared(zombie, other))
        for company in COMPANIES:
            data = {"company": company, "signed_by": "ceo"}
            assert speaker.publish("partner.signed", data, f"s-{company}").status_code == 202
            found = speaker.step(company, f"?after=s-{company}&timeout_s=10")
            assert found["status"] == "waiting"
        assert len(speaker.get("/v1/approvals?status=open")["items"]) == len(COMPANIES)
    assert zombie.process.poll() is None
    assert here.is_gapless()


def test_a_process_killed_under_load_loses_and_doubles_nothing(here: Site, api: Child) -> None:
    """Starts go on while owners are killed one after the other; each answered one is there once."""
    crew = workers(here, 2)
    answered: dict[str, str] = {}
    over = threading.Event()

    def load() -> None:
        number = 0
        with Speaker(api.url, here.keys) as speaker:
            while not over.is_set():
                number += 1
                found = speaker.begin(f"n{number}", once=f"n{number}")
                if found.status_code == 201:
                    answered[f"n{number}"] = found.json()["id"]

    with speaking(here, api) as speaker:
        loading = threading.Thread(target=load)
        loading.start()
        try:
            for _ in range(2):
                wanted = len(answered) + 20
                until(lambda wanted=wanted: len(answered) > wanted)
                crew.append(here.work())
                crew.pop(0).end(signal.SIGKILL)
                until(lambda: here.is_shared(*crew), 2 * TAKEOVER_MAX_S)
        finally:
            over.set()
            loading.join()
        for company, id in answered.items():
            assert speaker.step(company)["id"] == id
        until(lambda: here.rows("inbox") == 0)
        items = speaker.get("/v1/commitments?limit=1000")["items"]
    assert {(one["key"], one["run"]) for one in items} >= {(name, 1) for name in answered}
    assert len(items) == len({one["key"] for one in items}) == here.rows("dispatches")
    assert here.is_gapless()

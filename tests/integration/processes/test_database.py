"""PostgreSQL goes away under engines that run: they say so, and go on when it is back."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from httpx2 import HTTPError

from tests.integration.engine.world import REGISTRY
from tests.integration.processes.world import Child, Site, Speaker, site, until
from tools.servers import Postgres

Json = Any
ENGINES = ("serve --with-lanes", "serve and two of work")


@pytest.fixture
def here(tmp_path: Path, own_postgres: Postgres) -> Iterator[Site]:
    with site(tmp_path, own_postgres.address) as found:
        found.migrate()
        yield found


@pytest.fixture(params=ENGINES)
def api(request: pytest.FixtureRequest, here: Site) -> Child:
    if request.param == ENGINES[0]:
        found = here.serve("--with-lanes")
        until(lambda: here.is_shared(found))
    else:
        found, workers = here.serve(), [here.work(), here.work()]
        until(lambda: here.is_shared(*workers))
    return found


class Load:
    """Starts commitments and sends events until it is over; `sure` are those that were answered."""

    def __init__(self, api: Child, keys: dict[str, str]) -> None:
        self.sure: set[str] = set()
        self.tried: set[str] = set()
        self.faults: set[tuple[int, str]] = set()
        self._over = threading.Event()
        self._speaker = Speaker(api.url, keys)
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._speaker.http.close()

    def _run(self) -> None:
        number = 0
        while not self._over.is_set():
            number += 1
            self._try(f"n{number}")

    def _try(self, name: str) -> None:
        self.tried.add(name)
        try:
            if len(self.tried) % 2:
                found = self._speaker.begin(name, once=name)
            else:
                found = self._speaker.publish("partner.applied", {"company": name}, name)
        except HTTPError as fault:
            self.faults.add((0, type(fault).__name__))
            return
        if found.status_code in {200, 201, 202}:
            self.sure.add(name)
        else:
            self.faults.add((found.status_code, found.json()["alias"]))

    def goes_on(self, by: int = 20) -> Callable[[], bool]:
        wanted = len(self.sure) + by
        return lambda: len(self.sure) >= wanted


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_engines_go_on_by_themselves_when_the_database_is_back(
    here: Site, api: Child, own_postgres: Postgres, how: str
) -> None:
    """Twice: what was answered is there once, what was not is refused with its reason."""
    with Speaker(api.url, here.keys) as speaker:
        assert speaker.register().status_code == 201
        with Load(api, here.keys) as load:
            for _ in range(2):
                until(load.goes_on())
                own_postgres.kill() if how == "kill" else own_postgres.stop()
                status, told = until(lambda: _unready(api))
                assert (status, told["ready"]) == (503, False)
                assert "store.gone" in told["reason"]
                own_postgres.restart()
                until(load.goes_on())
                until(api.ready)
        assert load.faults <= {(503, "store.gone"), (503, "lane.silent"), (503, "store.lane_lost")}
        until(lambda: here.rows("inbox") == 0)
        items = speaker.get("/v1/commitments?limit=1000")["items"]
        names = [one["key"] for one in items]
        assert len(names) == len(set(names)) == here.rows("dispatches")
        assert load.sure <= set(names) <= load.tried
        claims = speaker.claim(REGISTRY, 1)
        assert set(speaker.perform(REGISTRY, claims)) == {"recorded"}
    assert here.is_gapless()
    assert all(child.process.poll() is None for child in here.children)
    assert [child.end() for child in here.children] == [0] * len(here.children)


def _unready(api: Child) -> tuple[int, Json] | None:
    found = api.readiness()
    return found if found[0] == 503 else None


def test_a_database_that_hangs_is_told_and_comes_back(
    here: Site, api: Child, own_postgres: Postgres
) -> None:
    """Stopped in the middle of whatever it does: connections stay open and nothing answers."""
    with Speaker(api.url, here.keys) as speaker:
        assert speaker.register().status_code == 201
        with Load(api, here.keys) as load:
            until(load.goes_on())
            own_postgres.pause()
            assert speaker.http.get("/healthz").status_code == 200
            own_postgres.resume()
            until(load.goes_on())
        until(lambda: here.rows("inbox") == 0)
        names = [one["key"] for one in speaker.get("/v1/commitments?limit=1000")["items"]]
        assert load.sure <= set(names)
        assert len(names) == len(set(names))
    assert here.is_gapless()

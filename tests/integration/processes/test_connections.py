"""How many connections a process holds: docs/deployment.md counts on it."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import psycopg

from tests.integration.processes.world import ROOT, Site, Speaker, until

ALWAYS, READS, METRICS = 4, 8, 8


def connections(here: Site) -> Counter[str]:
    """By what they are for."""
    query = """SELECT application_name FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()"""
    with psycopg.connect(here.store) as db:
        return Counter(name for (name,) in db.execute(query))


def test_a_process_has_the_connections_that_the_page_counts(here: Site) -> None:
    page = (ROOT / "docs/deployment.md").read_text("utf-8")
    assert f"{ALWAYS} that stay open" in page
    assert f"up to {READS} for reads and up to {METRICS} for `/metrics`" in page
    assert f"at most\n{ALWAYS + READS + METRICS + 2}." in page
    api = here.serve("--with-lanes")
    until(lambda: here.is_shared(api))
    with Speaker(api.url, here.keys) as speaker, ThreadPoolExecutor(24) as pool:
        assert speaker.register().status_code == 201
        asked = [pool.submit(speaker.get, "/v1/commitments") for _ in range(200)]
        asked += [pool.submit(speaker.http.get, "/metrics") for _ in range(100)]
        assert all(one.result() is not None for one in asked)
        found = connections(here)
    assert all(name.startswith("troth") for name in found), found
    stay = [name for name in found if f"-{api.pid}-" in name]
    assert ALWAYS - 1 <= len(stay) <= ALWAYS, found
    assert found.total() <= ALWAYS + READS + METRICS

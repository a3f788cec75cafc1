"""Other processes are woken after a commit, in one go, and again after a lost connection."""

import queue
from collections.abc import Callable, Iterator

import psycopg
import pytest

from adapters.postgres import Listener, Notifier, Told

WAIT_S = 30.0
Heard = queue.SimpleQueue[tuple[str, str]]


@pytest.fixture
def heard(postgres_url: str) -> Iterator[Heard]:
    """What a listener hears; it listens already."""
    found: Heard = queue.SimpleQueue()
    listener = Listener(postgres_url, "p2", lambda kind, value: found.put((kind, value)))
    listener.start()
    assert found.get(timeout=WAIT_S) == ("missed", "")
    yield found
    listener.close()


@pytest.fixture
def notifier(postgres_url: str) -> Iterator[Notifier]:
    made = Notifier(postgres_url, "p1")
    made.start()
    yield made
    made.close()


def until(heard: Heard, wanted: tuple[str, str]) -> list[tuple[str, str]]:
    found = [heard.get(timeout=WAIT_S)]
    while found[-1] != wanted:
        found.append(heard.get(timeout=WAIT_S))
    return found


def test_lanes_work_and_answers_are_heard(heard: Heard, notifier: Notifier) -> None:
    notifier.tell(Told({3, 11}, {"crm"}, {"p7"}))
    found = {heard.get(timeout=WAIT_S) for _ in range(4)}
    assert found == {("lane", "3"), ("lane", "11"), ("work", "crm"), ("answer", "p7")}


def test_what_is_told_at_once_is_heard_once(heard: Heard, notifier: Notifier) -> None:
    for _ in range(200):
        notifier.tell(Told({3}))
    notifier.tell(Told(askers={"end"}))
    found = until(heard, ("answer", "end"))
    assert 1 <= found.count(("lane", "3")) < 100


@pytest.mark.parametrize("which", ["troth p1 notifier", "troth p2 listener"])
def test_a_lost_connection_is_opened_again(
    heard: Heard, notifier: Notifier, postgres_url: str, which: str
) -> None:
    notifier.tell(Told({1}))
    assert heard.get(timeout=WAIT_S) == ("lane", "1")
    query = """
    SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE application_name = %s AND datname = current_database()
    """
    with psycopg.connect(postgres_url) as db:
        assert db.execute(query, [which]).fetchall() == [(True,)]
    if which.endswith("listener"):
        assert heard.get(timeout=WAIT_S) == ("missed", "")
    else:
        # The one that met the lost connection is lost with it.
        tell_until_heard(notifier, heard)
        return
    notifier.tell(Told({2}))
    assert heard.get(timeout=WAIT_S) == ("lane", "2")


def tell_until_heard(notifier: Notifier, heard: Heard) -> None:
    for _ in range(100):
        notifier.tell(Told({2}))
        try:
            assert heard.get(timeout=0.2) == ("lane", "2")
        except queue.Empty:
            continue
        return
    raise AssertionError("nothing was heard any more")


make: Callable[[str, str], Notifier] = Notifier  # the type checker holds the class to its use

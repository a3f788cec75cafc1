"""The store on PostgreSQL keeps what every store promises."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.ports import (
    LaneWrite,
    Store,
)
from tests.contract.dispatch_contract import DispatchContract
from tests.contract.doubt_contract import DoubtContract
from tests.contract.postgres_world import PostgresWorld, emptied, shared
from tests.contract.store_contract import StoreContract
from tests.contract.store_world import (
    World,
    ask,
    commit,
    mail,
)
from tests.servers import Databases


@pytest.fixture(scope="module")
def shared_one(databases: Databases) -> Iterator[str]:
    yield from shared(databases, 1)


@pytest.fixture
def url_of_one(shared_one: str) -> str:
    return emptied(shared_one)


class TestPostgresStore(StoreContract):
    def make_world(self, place: Path) -> World:
        raise AssertionError(place)

    @pytest.fixture
    def world(self, url_of_one: str) -> World:
        return PostgresWorld(url_of_one)

    def test_roots_are_never_given_out_twice(self, store: Store) -> None:
        """They are drawn: no process asks another for the next one."""
        roots = [ask(store, lambda t: t.next_root()) for _ in range(100)]
        assert len(set(roots)) == 100
        assert all(0 < root < 2**52 for root in roots)

    def test_a_root_in_waiting_mail_is_not_given_out_again(self, store: Store) -> None:
        commit(store, LaneWrite(inbox=[mail("a", root=41)]))
        assert ask(store, lambda t: t.next_root()) != 41


class TestPostgresDispatch(DispatchContract):
    def make_world(self, place: Path) -> World:
        raise AssertionError(place)

    @pytest.fixture
    def world(self, url_of_one: str) -> World:
        return PostgresWorld(url_of_one)


class TestPostgresDoubt(DoubtContract):
    def make_world(self, place: Path) -> World:
        raise AssertionError(place)

    @pytest.fixture
    def world(self, url_of_one: str) -> World:
        return PostgresWorld(url_of_one)

"""What is registered is held against what is registered everywhere, not only here."""

from typing import Any

import orjson
import pytest

from consumers.registering import definition_hash, register
from consumers.registry import Registry
from domain.errors import Refusal
from domain.ports import Asked
from domain.requests import RegisterRequest
from sagas.catalogue.pmi import milestone, pmi
from tests.semantics.language import lock, saga, sleep

OPERATOR = Asked("north", "olga", "human", ("operator",))


class _Transaction:
    """Notes what is done with it."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def register(self, document: bytes, **more: Any) -> None:
        del document, more
        self.done.append("register")

    def commit(self) -> None:
        self.done.append("commit")

    def rollback(self) -> None:
        self.done.append("rollback")


def _document(saga: Any) -> Any:
    return orjson.loads(orjson.dumps(saga.document()))


def test_a_child_that_another_process_registered_is_learnt_before_its_parent_is_judged() -> None:
    """Beginning a transaction teaches the registry; only then it is asked for the child."""
    registry, tx = Registry(), _Transaction()

    def begin() -> Any:
        child = _document(milestone)
        registry.add(child, definition_hash(child).hex())
        return tx

    answer = register(registry, begin, RegisterRequest(OPERATOR, _document(pmi)), 0)
    assert answer["created"]
    assert tx.done == ["register", "commit"]


def test_a_child_that_nobody_registered_is_refused_and_nothing_is_kept() -> None:
    """The transaction that was begun for it is rolled back."""
    registry, tx = Registry(), _Transaction()

    def begin() -> Any:
        return tx

    with pytest.raises(Refusal) as refused:
        register(registry, begin, RegisterRequest(OPERATOR, _document(pmi)), 0)
    assert refused.value.alias == "def.child"
    assert tx.done == ["rollback"]


# --- the order of locks ---------------------------------------------------------------------------


def _nested(name: str, version: int, outer: str, *inner: str) -> Any:
    flow = [lock(f"its_{of}", sleep(f"nap_{of}", "1d"), of=of) for of in inner]
    return saga(lock("held", sleep("nap", "1d"), *flow, of=outer), saga=name, version=version)


def _refused(registry: Registry, document: Any) -> str:
    """What registering says against it; empty where it is registered."""
    tx: Any = _Transaction()
    faults: tuple[Any, ...] = ()
    try:
        register(registry, lambda: tx, RegisterRequest(OPERATOR, document), 0)
    except Refusal as refused:
        faults = refused.errors
    assert tx.done == (["rollback"] if faults else ["register", "commit"])
    assert all((f["alias"], f["node"]) == ("def.locks", "held/its_a") for f in faults)
    return "; ".join(f["message"] for f in faults)


def test_locks_that_another_saga_takes_the_other_way_round_are_refused() -> None:
    registry = Registry()
    assert _refused(registry, _nested("one", 1, "a", "b")) == ""
    said = _refused(registry, _nested("two", 1, "b", "a"))
    assert said == "a inside b here, b inside a at held/its_b of one version 1"
    assert registry.of_saga("two") is None


def test_an_order_is_changed_saga_by_saga_by_giving_it_up_first() -> None:
    registry = Registry()
    for name in ("one", "two"):
        assert _refused(registry, _nested(name, 1, "a", "b")) == ""
    assert _refused(registry, _nested("one", 2, "b", "a"))
    assert _refused(registry, _nested("two", 2, "a")) == ""
    assert _refused(registry, _nested("one", 2, "b", "a")) == "", "its own old order is no other"
    assert _refused(registry, _nested("two", 3, "b", "a")) == ""

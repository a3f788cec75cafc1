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

"""JSON has one kind of number, expressions have two: the types say which is meant."""

import pytest

from sagas.checks import check, typed
from sagas.loading import load
from tests.unit.checks.documents import TEXT, of, record, sleep

CHOOSE = {
    "node": "choose",
    "name": "size",
    "branches": [{"name": "big", "when": "input.amount * 1.5 > 10.0", "flow": []}],
    "else": [],
}


@pytest.mark.parametrize("amount", [20, 20.0])
def test_a_checked_expression_computes_with_either_form_of_a_number(amount: float) -> None:
    numbers = record(company=TEXT, amount={"type": "number"})
    document = of(CHOOSE, input=numbers)
    assert check(document) == []
    guard = typed(document)["size", "branches.big.when"]
    assert guard.evaluate(lambda *_: {"company": "acme", "amount": amount}) is True


def test_paths_and_members_are_those_of_the_engine() -> None:
    document = of(CHOOSE, sleep("pause"), input=record(company=TEXT, amount={"type": "number"}))
    paths = {path for path, _ in typed(document)}
    assert paths <= set(load(document, "00").by_template)


def test_without_such_numbers_no_types_are_wanted() -> None:
    """Most documents have none; loading them stays quick."""
    assert typed(of(sleep("pause"))) == {}

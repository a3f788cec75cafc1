"""Children: a saga called from a flow becomes a node."""

from typing import Any

import pytest

from sagas.checks import check
from tests.typing.right import family
from tests.typing.right.family import Order, Parcel, Shipment, carrier, ordering, ship, shipping
from troth import TrothError, child, new, saga
from troth._run import serves

Json = Any
PARCEL = "{'number': input.number, 'place': input.country}"


def document_of(one: Any) -> Json:
    """The definition of a saga, as JSON."""
    return one.document()


def test_a_child_carries_what_it_takes_gives_and_is_undone_by() -> None:
    document = document_of(ordering)
    shipped, noted, *_ = document["flow"]
    assert shipped == {
        "node": "child", "name": "shipping", "saga": "shipping", "key": "input.number",
        "input": PARCEL, "within": "30d", "takes": {"$ref": "Parcel"},
        "result": {"$ref": "Shipment"}, "on_undo": "contract",
        "undo": {"contract": "carrier/call-back@1", "args": {"shipment": "result"}},
    }  # fmt: skip
    assert noted == {
        "node": "child", "name": "noting", "saga": "noting", "key": "input.number",
        "input": PARCEL, "wait": False, "version": 1, "on_stop": "leave",
        "takes": {"$ref": "Parcel"}, "on_undo": "none",
    }  # fmt: skip
    assert document["flow"][-1]["result"] == "results.shipping.tracking"


@pytest.mark.parametrize("one", ["shipping", "noting", "ordering"])
def test_the_family_passes_the_checks(one: str) -> None:
    assert check(getattr(family, one).document()) == []


def test_the_worker_runs_the_step_that_undoes_a_child() -> None:
    """It is commanded as an undo, under the name of the step itself."""
    found = serves(carrier.contracts.values(), None)
    assert ("carrier/call-back@1", "undo") in found


def test_an_undo_that_wants_more_than_the_result_is_refused() -> None:
    @carrier.step("sort-out")
    def sort_out(shipment: Shipment, why: str) -> None: ...

    def flow(order: Order) -> None:
        child(shipping, new(Parcel, number=order.number, place="x"), on_undo=sort_out)

    with pytest.raises(TrothError, match="TR205") as refused:
        saga("mother", version=1, starts_on=Order)(flow).document()
    assert "has one" in str(refused.value)
    assert ship.contract.name == "carrier/ship@1"


def test_a_child_may_be_named_and_have_a_key_of_its_own() -> None:
    def flow(order: Order) -> None:
        parcel = new(Parcel, number=order.number, place="x")
        child(shipping, parcel, on_undo="none", name="by_sea", key=order.country)

    (node,) = document_of(saga("mother", version=1, starts_on=Order)(flow))["flow"]
    assert (node["name"], node["key"]) == ("by_sea", "input.country")

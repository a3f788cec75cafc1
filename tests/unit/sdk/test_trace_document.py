"""The whole document: its head, its schemas, its lines; and the golden ones."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from tests.typing.right import invoices, partner
from tests.unit.sdk.world import Order, check_stock, document_of, tell, told_elsewhere
from troth import (
    App,
    Saga,
    event,
    fulfil,
    on,
    on_failure,
    otherwise,
    parallel,
    saga,
    scope,
    wait_for,
    when,
)

GOLDEN = Path(__file__).parents[2] / "golden" / "definitions"


@pytest.mark.parametrize(
    ("traced", "file"),
    [
        (partner.activation, "partner-activation.v1.json"),
        (invoices.pay_invoice, "pay-invoice.v1.json"),
    ],
)
def test_the_sagas_users_are_shown_trace_into_their_golden_documents(
    traced: Saga[Any, Any], file: str
) -> None:
    """A change of these files changes the hash of what users have registered."""
    assert traced.document() == json.loads((GOLDEN / file).read_text("utf-8"))


def test_the_head_says_what_the_decorator_says() -> None:
    def flow(order: Order) -> None:
        tell(order.number, "x")

    document = document_of(
        flow,
        double_start={"running": "return", "finished": "after_failure"},
        deadline="60d",
        early_ttl="2d",
        debt_due="1d",
        undo_deadline="3d",
        on_debt="continue",
        undo_order="reverse",
        attributes={"number": "number", "big": lambda order: order.amount > 9},
        key=lambda order: order.number + "-x",
    )
    head = {name: document[name] for name in document if name not in ("schemas", "contracts")}
    del head["flow"], head["source"], head["events"]
    assert head == {
        "troth": 1,
        "saga": "test",
        "version": 1,
        "key": "input.number + '-x'",
        "input": {"$ref": "Order"},
        "starts_on": [{"event": "order.placed", "input": "event.data"}],
        "double_start": {"running": "return", "finished": "after_failure"},
        "deadline": {"after": "60d"},
        "early_ttl": "2d",
        "debt_due": "1d",
        "undo_deadline": "3d",
        "on_debt": "continue",
        "undo_order": "reverse",
        "attributes": {"number": "input.number", "big": "input.amount > 9"},
    }


class Wish(BaseModel):
    who: str
    what: list[str]


def test_a_saga_may_start_by_request_only() -> None:
    """A plain model starts on no event; the key must then be said."""

    @saga("wishes", version=2, starts_on=Wish, key="who")
    def wishes(wish: Wish) -> list[str]:
        return wish.what

    document = wishes.document()
    assert document["starts_on"] == []
    assert document["key"] == "input.who"
    assert document["result"] == {"type": "array", "items": {"type": "string"}}
    assert document["flow"] == [{"node": "fulfil", "name": "fulfilled", "result": "input.what"}]


def test_schemas_are_named_by_class_and_say_nothing_of_docstrings() -> None:
    document = document_of(lambda_flow)
    assert document["schemas"]["Line"] == {
        "type": "object",
        "properties": {"sku": {"type": "string"}, "count": {"type": "integer"}},
        "required": ["sku", "count"],
    }
    assert document["schemas"]["Size"] == {"enum": ["small", "big"], "type": "string"}
    assert document["schemas"]["Order"]["properties"]["lines"] == {
        "type": "array",
        "items": {"$ref": "Line"},
        "default": [],
    }


def lambda_flow(order: Order) -> None:
    """Checks."""
    check_stock(order)


def test_two_classes_of_one_name_have_two_schemas() -> None:
    def other() -> type[BaseModel]:
        @event("order.counted", version=1, key="count")
        class Line(BaseModel):
            count: str

        return Line

    line = other()

    def flow(order: Order) -> None:
        wait_for(line, order.number, within="1d")

    document = document_of(flow)
    assert document["events"]["order.counted"]["schema"] == {"$ref": "Line_2"}
    assert document["schemas"]["Line_2"]["properties"] == {"count": {"type": "string"}}
    assert "sku" in document["schemas"]["Line"]["properties"]


def every_line(order: Order) -> str:
    with scope("all"):
        with parallel("both"):
            stock = check_stock(order)
            tell(
                order.number,
                "x",
            )
        with on_failure("business:*", name="sorry"):
            tell.named("excuse")(order.number, "x")
        with on("again", Order, order.number):
            tell.named("hurry")(order.number, "x")
    with when("big", order.amount > 9):
        fulfil("big")
    with otherwise("big"):
        tell.named("small")(order.number, "x")
    return stock.place


def test_lines_are_kept_by_path_outside_the_hash() -> None:
    first = every_line.__code__.co_firstlineno
    source = document_of(every_line)["source"]
    assert source["file"] == "tests/unit/sdk/test_trace_document.py"
    assert {path: line - first for path, line in source["lines"].items()} == {
        "all": 1,
        "all/both": 2,
        "all/both/check_stock": 3,
        "all/both/tell": 4,
        "all/excuse": 9,
        "all/again": 10,
        "all/again/hurry": 11,
        "big": 12,
        "big/fulfil": 13,
        "big/small": 15,
        "fulfilled": 16,
    }


def test_a_document_is_traced_once() -> None:
    assert partner.activation.document() is partner.activation.document()


def test_an_app_gives_documents_and_contracts() -> None:
    assert [d["saga"] for d in partner.app.documents()] == ["partner-activation"]
    assert list(partner.app.contracts()) == [
        "registry/check-company@1",
        "registry/list-signers@1",
        "crm/create-account@1",
        "crm/create-account@1:undo",
        "crm/activate@1",
        "crm/activate@1:undo",
    ]
    assert App().documents() == []


def helper(order: Order) -> None:
    tell(order.number, "x")


def test_a_helper_in_the_same_file_has_lines_of_its_own() -> None:
    """A helper elsewhere is known by the line that calls it."""

    def flow(order: Order) -> None:
        helper(order)
        told_elsewhere(order)

    lines = document_of(flow)["source"]["lines"]
    assert lines["tell"] == helper.__code__.co_firstlineno + 1
    assert lines["elsewhere"] == flow.__code__.co_firstlineno + 2

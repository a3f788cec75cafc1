"""`while_=` of a scope and of a saga: what must hold as long as it runs."""

from sagas.checks import check
from tests.unit.sdk.world import Order, check_stock, document_of, nodes_of, tell
from troth import cel, has, not_, scope, set_, var


def watched(order: Order) -> None:
    tries = var("tries", int, 0)
    with scope("first", while_=tries < 3):
        tell(order.number, "x")
        set_(tries=tries + 1)
    with scope("second", while_=lambda: not_(has(stock)) | (stock.count > 0)):
        stock = check_stock(order)


def whole(order: Order) -> None:
    var("tries", int, 0)
    tell(order.number, "x")


def test_a_condition_of_a_scope_may_read_what_is_made_inside() -> None:
    first, second = nodes_of(watched)
    assert first["while"] == "vars.tries < 3"
    assert second["while"] == "!has(results.check_stock) || results.check_stock.count > 0"
    assert check(document_of(watched)) == []


def test_a_saga_has_one_over_its_input_and_vars() -> None:
    document = document_of(whole, while_=lambda o: (o.amount > 0) & cel("vars.tries < 3", bool))
    assert document["while"] == "input.amount > 0 && (vars.tries < 3)"
    assert check(document) == []

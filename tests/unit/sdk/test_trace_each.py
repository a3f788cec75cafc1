"""`for x in each(...)`: the loop is traced once, and what its items gave is there afterwards."""

from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from sagas.checks import check
from tests.typing.right.parties import open_room
from tests.unit.sdk.world import Line, Order, Paid, check_stock, document_of, nodes_of, tell
from troth import (
    A1,
    S3,
    TrothError,
    add,
    approve,
    each,
    fulfil,
    is_in,
    not_,
    on,
    out,
    parallel,
    set_,
    size,
    sleep,
    update,
    var,
    wait_for,
    when,
)


def lines(order: Order) -> None:
    for line in each("lines", order.lines, key=lambda line: line.sku, at_most=50, width=5):
        tell(order.number, line.sku)


def what_became_of_them(order: Order) -> None:
    found = each(
        "lines", order.lines, at_most=3, join=2, on_item="collect", losers="keep", within="1d"
    )
    for line in found:
        tell(order.number, found.key)
        out(line.count + found.index)
    fulfil({"done": found.done, "failed": found.failed, "outs": found.out})


def with_an_order(order: Order) -> None:
    for line in each("lines", order.lines, key=lambda x: x.sku, after=lambda x: [x.sku], at_most=9):
        tell(order.number, line.sku)


def an_open_list(order: Order) -> None:
    closed = var("closed", bool, False)
    tags = each("tags", ["a", "b"], open=True, close_when=lambda: closed, at_most=9)
    for tag in tags:
        tell(order.number, tag)
    with on("paid", Paid, order.number) as paid:
        add(tags, [paid.number], close=paid.amount > 9)
        set_(closed=True)
        add(tags, close=True, name="enough")


TELL: dict[str, Any] = {"node": "step", "name": "tell", "contract": "shop/tell@2"}


def told(text: str) -> dict[str, Any]:
    return TELL | {"args": {"number": "input.number", "text": text}}


def test_a_loop_over_a_list_is_a_for_each() -> None:
    assert nodes_of(lines) == [
        {
            "node": "for_each",
            "name": "lines",
            "items": "input.lines",
            "key": "each.lines.item.sku",
            "max_items": 50,
            "width": 5,
            "flow": [told("each.lines.item.sku")],
        }
    ]


def test_its_name_says_afterwards_what_became_of_the_items() -> None:
    assert nodes_of(what_became_of_them) == [
        {
            "node": "for_each",
            "name": "lines",
            "items": "input.lines",
            "max_items": 3,
            "join": 2,
            "on_item": "collect",
            "losers": "keep",
            "within": "1d",
            "flow": [told("each.lines.key")],
            "out": "each.lines.item.count + each.lines.index",
        },
        {
            "node": "fulfil",
            "name": "fulfil",
            "result": "{'done': results.lines.done, 'failed': results.lines.failed, "
            "'outs': results.lines.out}",
        },
    ]


def test_items_come_after_others_by_their_keys() -> None:
    (node,) = nodes_of(with_an_order)
    assert node["after"] == "[each.lines.item.sku]"


def test_an_open_list_takes_more_from_a_handler() -> None:
    document = document_of(an_open_list)
    (node,) = document["flow"]
    assert (node["open"], node["close_when"], node["items"]) == (True, "vars.closed", "['a', 'b']")
    (handler,) = document["handlers"]
    assert handler["flow"] == [
        {
            "node": "add",
            "name": "add_tags",
            "to": "tags",
            "items": "[event.data.number]",
            "close": "event.data.amount > 9",
        },
        {"node": "set", "name": "set_closed", "values": {"closed": "true"}},
        {"node": "add", "name": "enough", "to": "tags", "close": "true"},
    ]


def test_in_a_parallel_the_loop_is_a_branch_of_its_own() -> None:
    def flow(order: Order) -> None:
        with parallel("both"):
            check_stock(order)
            for line in each("lines", order.lines, at_most=3):
                tell(order.number, line.sku)

    (node,) = nodes_of(flow)
    assert [branch["flow"][0]["node"] for branch in node["branches"]] == ["step", "for_each"]


def test_a_join_may_be_what_holds_of_items_or_branches() -> None:
    def flow(order: Order) -> None:
        for line in each("lines", order.lines, at_most=9, join=lambda lines: size(lines.done) > 1):
            tell(order.number, line.sku)
        with parallel("both", join=lambda both: size(both.failed) > 1):
            check_stock(order)
            check_stock.named("again")(order)

    assert [node["join"]["until"] for node in nodes_of(flow)] == [
        "size(results.lines.done) > 1",
        "size(results.both.failed) > 1",
    ]


# --- what is refused -----------------------------------------------------------------------------


def not_entered(order: Order) -> None:
    each("lines", order.lines, at_most=3)
    check_stock(order)


def no_bound(order: Order) -> None:
    for _ in each("lines", order.lines, at_most=0):
        sleep("pause", "1d")


def no_list(order: Order) -> None:
    # That it is refused is what is tested.
    for _ in each("lines", order.amount, at_most=3):  # pyright: ignore[reportArgumentType]
        sleep("pause", "1d")


def twice(order: Order) -> None:
    found = each("lines", order.lines, at_most=3)
    for _ in found:
        sleep("pause", "1d")
    for _ in found:
        sleep("again", "1d")


def plain_loop(order: Order) -> None:
    names = [order.number]
    for _ in names:
        sleep("pause", "1d")


def loop_with_else(order: Order) -> None:
    for _ in each("lines", order.lines, at_most=3):
        sleep("pause", "1d")
    else:  # noqa: PLW0120 - that it is refused is what is tested
        sleep("again", "1d")


def return_inside(order: Order) -> str:
    for line in each("lines", order.lines, at_most=3):
        return line.sku
    return ""


def unlike_item(order: Order) -> None:
    for line in each("lines", order.lines, at_most=3):
        # That it is refused is what is tested.
        tell(order.number, line.nothing)  # pyright: ignore[reportAttributeAccessIssue]


WRONG: list[tuple[Any, str]] = [
    (not_entered, "TR123"),
    (no_bound, "TR212"),
    (no_list, "TR209"),
    (twice, "TR123"),
    (plain_loop, "TR120"),
    (loop_with_else, "TR120"),
    (return_inside, "TR120"),
    (unlike_item, "TR208"),
]


@pytest.mark.parametrize(("flow", "code"), WRONG, ids=lambda value: getattr(value, "__name__", ""))
def test_what_cannot_be_a_loop_is_refused(flow: Any, code: str) -> None:
    with pytest.raises(Exception, match=code):
        nodes_of(flow)


def test_the_room_that_users_are_shown_passes_the_checks() -> None:
    assert check(open_room.document()) == []


class Newcomer(BaseModel):
    line: Line


def a_list_that_clients_fill(order: Order) -> None:
    lines = each("lines", order.lines, key=lambda line: line.sku, at_most=9, open=True, within="9d")
    for line in lines:
        tell(order.number, line.sku)
    with update("more", Newcomer, to=lines, add=lambda new: [new.line]):
        pass
    with update("last", Newcomer, to=lines, add=lambda new: [new.line], close=True):
        pass
    with update("enough", Newcomer, to=lines, close=lambda new: new.line.sku == "last"):
        pass


def test_an_update_adds_to_an_open_list_and_closes_it() -> None:
    document = document_of(a_list_that_clients_fill)
    assert [found["add"] for found in document["updates"]] == [
        {"to": "lines", "items": "[args.line]"},
        {"to": "lines", "items": "[args.line]", "close": "true"},
        {"to": "lines", "close": "args.line.sku == 'last'"},
    ]
    assert check(document) == []


def adds_nowhere(order: Order) -> None:
    for line in each("lines", order.lines, at_most=3, open=True, within="9d"):
        tell(order.number, line.sku)
    with update("more", Newcomer, add=lambda new: [new.line]):
        pass


def test_an_update_says_what_it_adds_and_where() -> None:
    with pytest.raises(TrothError, match=r"TR124.*says what is added only"):
        nodes_of(adds_nowhere)


class Person(BaseModel):
    name: str
    passport: Annotated[str, S3]


def secret_of_somebody(order: Order) -> None:
    found = var("person", Person, Person(name="ann", passport="c-1"))
    with update("who", Person, set=lambda person: {"person": person}):
        pass
    wait_for(Paid, order.number, within="2d")
    tell(order.number, found.passport)


def test_a_class_marks_a_field_and_the_checks_follow_it() -> None:
    document = document_of(secret_of_somebody)
    marked = document["schemas"]["Person"]["properties"]["passport"]
    assert marked["x-sensitivity"] == "S3"
    (problem,) = check(document)
    assert "def.data_flow" in str(problem)


def a_list_as_evidence(order: Order) -> None:
    lines = each("lines", order.lines, at_most=9)
    for line in lines:
        tell(order.number, line.sku)
    with approve("boss", level=A1, evidence=[lines], within="2d"):
        wait_for(Paid, order.number, within="2d")


def test_a_list_is_evidence_by_what_each_gave() -> None:
    assert nodes_of(a_list_as_evidence)[1]["evidence"] == ["lines"]


def known_or_not(order: Order) -> None:
    known = var("known", list[str], [])
    with when("new", not_(is_in(order.number, known) & is_in("a", ["a"]))):
        set_(known=known + [order.number])


def test_is_in_asks_a_list_for_an_item() -> None:
    (chosen,) = nodes_of(known_or_not)
    assert chosen["branches"][0]["when"] == "!(input.number in vars.known && true)"

"""JSON has one kind of number, expressions have two: the types say which is meant."""

from datetime import UTC, datetime
from typing import Any

import pytest

from sagas.checks import check, typed
from sagas.definition import Handler, Update
from sagas.expressions import Bind, Data
from sagas.loading import load
from tests.unit.checks.documents import TEXT, of, record, sleep, step

Json = Any
NUMBERS = record(company=TEXT, amount={"type": "number"})
START = "{'company': event.data.company, 'amount': event.data.amount * 2.0}"

CHOOSE = {
    "node": "choose",
    "name": "size",
    "branches": [{"name": "big", "when": "input.amount * 1.5 > 10.0", "flow": []}],
    "else": [],
}


@pytest.mark.parametrize("amount", [20, 20.0])
def test_a_checked_expression_computes_with_either_form_of_a_number(amount: float) -> None:
    document = of(CHOOSE, input=NUMBERS)
    assert check(document) == []
    guard = typed(document)["size", "branches.big.when"]
    assert guard.evaluate(lambda *_: {"company": "acme", "amount": amount}) is True


def everywhere() -> Json:
    """A definition whose every kind of expression computes with a number."""
    number = "input.amount * 1.5"
    guard = f"{number} > 10.0"
    step_ = step("create", args={"company": f"string({number})"})
    step_["undo"]["args"] = {"company": f"result.id + string({number})"}
    event = {"version": 1, "schema": NUMBERS, "key": "company"}
    wait = {"node": "wait_for", "name": "signed", "events": ["told"], "within": "1d"}
    wait |= {"key": f"string({number})", "when": guard, "collect": {"until": guard}}
    branch = {"name": "big", "when": guard, "flow": [], "out": number}
    told = {"name": "told", "events": ["told"], "key": "input.company", "when": guard, "flow": []}
    return of(
        step_,
        {"node": "set", "name": "keep", "values": {"v": number}},
        wait,
        {"node": "choose", "name": "size", "branches": [branch], "else": []},
        {
            "node": "emit",
            "name": "tell",
            "type": "told",
            "key": f"string({number})",
            "data": "input",
        },
        sleep("pause") | {"when": guard},
        key=f"string({number})",
        input=NUMBERS,
        events={"told": event},
        starts_on=[{"event": "told", "when": guard.replace("input", "event.data"), "input": START}],
        attributes={"amount": number},
        handlers=[told],
        vars={"v": {"schema": {}, "initial": 0}},
        deadline={"at": f"{guard} ? meta.now : meta.started_at"},
    )


def test_a_loaded_definition_has_them_in_every_place() -> None:
    document = everywhere()
    assert check(document) == []
    definition, found = load(document, "00"), typed(document)
    create, signed = definition.by_name["create"], definition.by_name["signed"]
    told = definition.by_template["told"]
    assert create.undo is not None
    assert isinstance(told, Handler)
    size = definition.by_name["size"].branches[0]
    placed = [
        definition.key, definition.attributes["amount"], definition.root.x["at"], told.when,
        definition.by_name["keep"].args[0][1], create.args[0][1], create.undo.args[0][1],
        signed.x["key"], signed.x["guard"], signed.x["until"], size.when, size.out,
        definition.by_name["tell"].x["key"], definition.by_name["pause"].x["when"],
        *definition.starts[0][1:],
    ]  # fmt: skip
    for expr in placed:
        assert expr is not None
        assert expr.evaluate(bind(20)) == expr.evaluate(bind(20.0))
    assert {*found} >= {("told", "when"), ("create", "undo.args.company"), ("", "deadline.at")}


def test_a_loaded_update_has_them_in_every_place() -> None:
    """Also where several stand in one list: each comes to its own place."""
    number = "args.amount * 1.5"
    small, big = f"{number} < 1.0", f"{number} > 90.0"
    rules = [{"if": rule, "code": "no", "message": "no"} for rule in (small, big)]
    times = [f"{rule} ? meta.now : meta.started_at" for rule in (small, big)]
    more: Json = {
        "name": "more", "schema": NUMBERS, "when": small, "validate": rules, "answer": number,
        "set": {"v": number, "w": f"{number} + 1.0"},
        "move": [{"timer": "pause", "to": to} for to in times],
        "add": {"to": "parts", "items": f"[string({number})]", "close": big},
    }  # fmt: skip
    parts: Json = {
        "node": "for_each", "name": "parts", "items": "[input.company]", "key": "each.parts.item",
        "open": True, "close_when": "false", "max_items": 9, "within": "9d",
        "flow": [sleep("rest")],
    }  # fmt: skip
    both: Json = {"node": "parallel", "name": "both", "branches": [
        {"flow": [sleep("pause")]}, {"flow": [parts]},
    ]}  # fmt: skip
    initial = {"schema": {}, "initial": 0}
    document = of(both, input=NUMBERS, vars={"v": initial, "w": initial}, updates=[more])
    assert check(document) == []
    update = load(document, "00").by_template["more"]
    assert isinstance(update, Update)
    assert update.adds is not None
    placed = [
        update.when, *(rule[0] for rule in update.rules), update.answer,
        *(to for _, to in update.moves), *(expr for _, expr in update.sets), *update.adds[1:],
    ]  # fmt: skip
    texts = [small, small, big, number, *times, number, f"{number} + 1.0",
             f"[string({number})]", big]  # fmt: skip
    for expr, text in zip(placed, texts, strict=True):
        assert expr is not None
        assert expr.text == text
        assert expr.evaluate(bind(20)) == expr.evaluate(bind(20.0))


def bind(amount: float) -> Bind:
    data: dict[str, Data] = {"company": "acme", "amount": amount}
    now = datetime(2026, 11, 30, tzinfo=UTC)
    values: dict[str, Data] = {
        "input": data,
        "event": {"data": data},
        "args": data,
        "result": {"id": "1"},
    }
    return lambda root, _: values.get(root, now)


def test_without_such_numbers_no_types_are_wanted() -> None:
    """Most documents have none; loading them stays quick."""
    assert typed(of(sleep("pause"))) == {}

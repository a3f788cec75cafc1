"""What `troth check` shows beside ✓: which gate covers which step, and the order of undoing."""

from typing import Any

from sagas.checks import check, gates, undo_order, undo_plan
from tests.unit.checks.documents import approve, of, pivot, scope, sleep, step

Json = Any


def order(document: Json) -> list[str]:
    assert check(document) == []
    return undo_order(undo_plan(document))


def parallel(*branches: Json) -> Json:
    shown = [{"name": f"side_{i}", "flow": flow} for i, flow in enumerate(branches)]
    return {"node": "parallel", "name": "both", "branches": shown}


def test_each_gated_step_has_its_gate() -> None:
    document = of(
        step("create"),
        approve("manager", "A1", **{"for": ["pay"]}),
        step("pay", "bank/pay@1"),
        approve("legal", "A3", pivot("sign")),
    )
    assert check(document) == []
    shown = {name: str(gate) for name, gate in gates(document).items()}
    assert shown == {"pay": "manager(A1)", "sign": "legal(A3)"}


def test_a_list_is_undone_from_its_end() -> None:
    document = of(step("one"), sleep("pause"), scope("part", step("two"), step("three")))
    assert order(document) == ["part/three", "part/two", "one"]


def test_an_undo_names_its_contract_and_participant() -> None:
    assert undo_plan(of(step("one"))) == [
        {"node": "one", "contract": "crm/create@1:undo", "participant": "crm"}
    ]


def test_branches_are_undone_beside_each_other() -> None:
    plan = undo_plan(of(step("first"), parallel([step("one")], [step("two"), step("three")])))
    assert [[item["node"] for item in branch] for branch in plan[0]["beside"]] == [
        ["both/side_1/three", "both/side_1/two"],
        ["both/side_0/one"],
    ]
    assert plan[1]["node"] == "first"


def test_what_a_block_keeps_is_not_undone() -> None:
    assert order(of(step("one"), scope("part", step("two"), keep=True))) == ["one"]


def test_one_line_is_said_where_the_order_is_known_only_later() -> None:
    part = parallel([step("one")], [step("two")]) | {"undo_order": "reverse"}
    (item,) = undo_plan(of(part))
    assert item["line"] == "both"
    assert undo_order([item]) == ["both/side_1/two", "both/side_0/one"]
    (item,) = undo_plan(of(step("one"), undo_order="reverse"))
    assert item["line"] == ""


def test_of_a_choice_one_is_undone() -> None:
    choose = {
        "node": "choose",
        "name": "size",
        "branches": [{"name": "big", "when": "input.amount > 5", "flow": [step("one")]}],
        "else": [step("two")],
    }
    (item,) = undo_plan(of(choose))
    assert [[one["node"] for one in plan] for plan in item["one_of"]] == [
        ["size/big/one"],
        ["size/two"],
    ]


def test_a_loop_is_undone_round_by_round_unless_its_rounds_are_kept() -> None:
    loop = {"node": "repeat", "name": "touches", "max": 3, "flow": [step("one")]}
    assert undo_plan(of(loop)) == [
        {"rounds": "touches", "plan": undo_plan(of(scope("touches", step("one"))))}
    ]
    assert undo_plan(of(loop | {"keep_rounds": True})) == []


def test_a_list_is_undone_item_by_item() -> None:
    listed = {
        "node": "for_each",
        "name": "parties",
        "items": "[1]",
        "max_items": 9,
        "flow": [step("one")],
    }
    assert undo_plan(of(listed)) == [
        {"items": "parties", "plan": undo_plan(of(scope("parties", step("one"))))}
    ]
    assert undo_order(undo_plan(of(listed))) == ["parties/one"]


def test_nothing_before_a_pivot_is_undone() -> None:
    document = of(step("before"), approve("legal", "A2", pivot("sign")))
    assert order(document) == []

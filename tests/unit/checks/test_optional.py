"""A property that its schema does not require is read only where has() asked for it.

What passed registration never meets a missing name: it would hold the commitment there.
"""

from typing import Any

import pytest

from sagas.checks import check
from tests.unit.checks.documents import TEXT, of, record, step

Json = Any
NUMBER = {"type": "integer"}


def open_(**properties: Json) -> Json:
    """An object that has only `id` for sure."""
    return {"type": "object", "properties": {"id": TEXT, **properties}, "required": ["id"]}


INPUT = {
    **record(company=TEXT, amount=NUMBER),
    "properties": {
        "company": TEXT,
        "amount": NUMBER,
        "note": TEXT,
        "discount": {**NUMBER, "default": 0},
        "address": open_(street=open_(number=NUMBER)),
        "tags": {"type": "array", "items": open_(color=TEXT)},
        "maybe": {"anyOf": [open_(x=NUMBER), {"type": "null"}]},
        "anything": {},
    },
}


def said(text: str, **members: Json) -> list[str]:
    keep = {"node": "set", "name": "keep", "values": {"v": text}}
    document = of(keep, input=INPUT, vars={"v": {"schema": {}, "initial": 0}}, **members)
    return [fault.message for fault in check(document)]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("input.note", "input.note"),
        ("size(input.note)", "input.note"),
        ("input.amount > 3 ? input.note : ''", "input.note"),
        ("has(input.note) ? '' : input.note", "input.note"),
        ("has(input.note) || input.note == ''", "input.note"),
        ("has(input.address) ? input.address.street.id : ''", "input.address.street"),
        ("has(input.address) && has(input.address.street) ? input.address.street.number : 0",
         "input.address.street.number"),
        ("has(input.note) || has(input.address) ? input.note : ''", "input.note"),
    ],
)  # fmt: skip
def test_what_need_not_be_there_is_refused(text: str, part: str) -> None:
    assert said(text) == [
        f"keep: `v`: `{part}` need not be there: its schema does not require it"
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "input.amount",
        "input",
        "input.discount + 1",
        "has(input.note) ? input.note : ''",
        "has(input.note) && input.note == ''",
        "!has(input.note) || input.note == ''",
        "!has(input.note) ? '' : input.note",
        "has(input.address) ? input.address.id : ''",
        "has(input.address) && has(input.address.street) ? input.address.street.id : ''",
        "has(input.anything) ? input.anything.whatever : 1",
    ],
)
def test_what_is_required_or_asked_for_or_has_a_default_passes(text: str) -> None:
    """A default counts as given: it is filled in where the data comes in."""
    assert said(text) == []


def test_it_holds_for_results_too() -> None:
    create = step("create")
    contracts = of()["contracts"]
    contracts["crm/create@1"] = contracts["crm/create@1"] | {"result": open_(number=NUMBER)}
    for text, faults in (("results.create.id", 0), ("results.create.number", 1)):
        keep = {"node": "set", "name": "keep", "values": {"v": text}}
        document = of(create, keep, vars={"v": {"schema": {}, "initial": 0}}, contracts=contracts)
        assert [fault.alias for fault in check(document)] == ["def.maybe_unset"] * faults


def test_it_holds_for_the_key() -> None:
    assert said("1", key="input.note") == [
        "key: `input.note` need not be there: its schema does not require it"
    ]


def guarded(flow: list[Json], **members: Json) -> list[str]:
    document = of(*flow, input=INPUT, vars={"v": {"schema": {}, "initial": 0}}, **members)
    return [fault.message for fault in check(document)]


KEEP: Json = {"node": "set", "name": "keep", "values": {"v": "input.note"}}
ASKED = "has(input.note) && input.amount > 1"


@pytest.mark.parametrize(
    "flow",
    [
        [{**KEEP, "when": ASKED}],
        [{"node": "scope", "name": "part", "when": ASKED, "flow": [KEEP]}],
        [{"node": "choose", "name": "which", "else": [],
          "branches": [{"name": "noted", "when": ASKED, "flow": [KEEP], "out": "input.note"}]}],
    ],
)  # fmt: skip
def test_a_guard_asks_for_what_stands_behind_it(flow: list[Json]) -> None:
    assert guarded(flow) == []


@pytest.mark.parametrize(
    "flow",
    [
        [{**KEEP, "when": "has(input.note) || input.amount > 1"}],
        [{"node": "choose", "name": "which", "else": [KEEP],
          "branches": [{"name": "noted", "when": ASKED, "flow": []}]}],
        [{"node": "scope", "name": "part", "when": ASKED, "flow": []}, KEEP],
    ],
)  # fmt: skip
def test_a_guard_asks_for_nothing_beside_it(flow: list[Json]) -> None:
    assert guarded(flow) == [
        "keep: `v`: `input.note` need not be there: its schema does not require it"
    ]


def test_a_guard_over_vars_promises_nothing_later() -> None:
    """They may be set between the guard and what is read."""
    note = {"schema": open_(text=TEXT), "initial": {"id": "a"}}
    keep = {"node": "set", "name": "keep", "values": {"v": "vars.note.text"}}
    part = {"node": "scope", "name": "part", "when": "has(vars.note.text)", "flow": [keep]}
    document = of(part, input=INPUT, vars={"v": {"schema": {}, "initial": 0}, "note": note})
    assert [fault.alias for fault in check(document)] == ["def.maybe_unset"]

"""Contracts as a worker uses them: JSON in, typed values to the handler, JSON out."""

import inspect
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel, Field, ValidationError

from tests.unit.sdk.world import Order, Stock, bank, charge, check_stock, free, hold, shop, sign
from troth import A0, R1, S1, Contract, Effect, Participant

ORDER: dict[str, Any] = {"number": "7", "amount": 3}


def of(name: str) -> Contract:
    return (shop.contracts | bank.contracts)[name]


def test_a_contract_knows_its_name_classes_and_handlers() -> None:
    pay = of("bank/charge@1")
    assert (pay.participant, pay.external, pay.has_probe, pay.wants_effect) == (
        "bank",
        True,
        True,
        True,
    )
    assert pay.classes is not None
    assert tuple(pay.classes) == ("A1", "R2", "S2")
    assert pay.undo_name == "bank/charge@1:undo"
    assert pay.handler("do") is charge.handler
    undo = of("bank/charge@1:undo")
    assert (undo.is_undo, undo.handler("do"), undo.undo_name) == (True, None, None)
    assert undo.handler("undo") is pay.handler("undo")
    check = of("shop/check-stock@1")
    assert (check.external, check.classes, check.wants_effect, check.has_probe) == (
        False,
        None,
        False,
        False,
    )
    assert check.handler("probe") is None


def test_an_undo_of_an_irreversible_effect_can_itself_be_undone() -> None:
    p = Participant("p")

    @p.effect("sign", A0, R1, S1)
    def made(fx: Effect, number: str) -> str:
        return fx.key + number

    @made.undo
    def unmade(fx: Effect, receipt: str, number: str) -> None:
        del fx, receipt, number

    assert p.contracts["p/sign@1:undo"].bind("undo", {"receipt": "a", "number": "b"}) == {
        "receipt": "a",
        "number": "b",
    }


def test_arguments_become_typed_values() -> None:
    values = of("shop/check-stock@1").bind("do", {"order": ORDER})
    assert values == {"order": Order(number="7", amount=3)}
    assert check_stock.handler(**values) == Stock(place="7", count=1)
    assert of("bank/hold@1:undo").bind("undo", {"order": ORDER, "amount": 5})["amount"] == 5
    assert of("bank/charge@1").bind("probe", {"order": ORDER})["order"].number == "7"
    assert inspect.isfunction(free)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({}, "order\n  missing: the argument is missing"),
        ({"order": ORDER, "ordr": 1}, "ordr\n  unexpected: no such argument"),
        ({"order": {"number": 7, "amount": 3}}, "order.number\n  string_type"),
        ({"order": ORDER, "margin": "{x}"}, "margin\n  int_parsing"),
    ],
)
def test_arguments_that_do_not_fit_are_named(args: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        of("shop/check-stock@1").bind("do", args)


def test_results_become_json_of_the_declared_type() -> None:
    check = of("shop/check-stock@1")
    assert check.dump("do", Stock(place="a", count=1)) == {"place": "a", "count": 1}
    assert of("bank/sign@1").dump("do", None) is None
    assert of("bank/charge@1:undo").dump("undo", None) is None


@pytest.mark.parametrize(
    ("name", "result"),
    [
        ("shop/check-stock@1", {"place": "a"}),
        ("shop/check-stock@1", Order(number="7", amount=1)),
        ("shop/check-stock@1", None),
        ("bank/charge@1", 7),
        ("bank/sign@1", "something"),
    ],
)
def test_a_result_of_another_type_is_an_error(name: str, result: Any) -> None:
    with pytest.raises(ValidationError):
        of(name).dump("do", result)


def test_a_probe_says_whether_the_effect_is_there() -> None:
    assert of("bank/charge@1").probed("receipt") == (True, "receipt")
    assert of("bank/charge@1").probed(None) == (False, None)
    with pytest.raises(ValidationError):
        of("bank/charge@1").probed(7)
    with pytest.raises(KeyError):
        of("bank/hold@1").probed(None)
    p = Participant("p")

    @p.effect("send", A0, R1, S1)
    def send(fx: Effect) -> None:
        del fx

    @send.probe
    def sent(fx: Effect) -> bool:
        return bool(fx.key)

    assert p.contracts["p/send@1"].probed(True) == (True, None)
    assert p.contracts["p/send@1"].probed(False) == (False, None)
    assert (sent(Effect("k", None)), sign.contract.gated, hold.contract.gated) == (
        True,
        True,
        False,
    )


class Rich(BaseModel):
    at: datetime
    price: Decimal
    kind: str = Field(alias="class")


def test_every_type_that_travels_as_json_works() -> None:
    p = Participant("p")

    @p.step("rich")
    def rich(
        moment: datetime, prices: dict[str, Decimal], pair: tuple[int, str], many: set[int]
    ) -> list[Rich]:
        return [Rich(at=moment, price=prices["a"], **{"class": pair[1] * len(many)})]

    contract = p.contracts["p/rich@1"]
    values = contract.bind(
        "do",
        {
            "moment": "2026-11-30T09:41:04Z",
            "prices": {"a": "1.50"},
            "pair": [1, "x"],
            "many": [1, 2],
        },
    )
    assert values["moment"] == datetime(2026, 11, 30, 9, 41, 4, tzinfo=UTC)
    assert contract.dump("do", rich.handler(**values)) == [
        {"at": "2026-11-30T09:41:04Z", "price": "1.50", "class": "xx"}
    ]


async def test_an_effect_reports_to_whoever_runs_it() -> None:
    told: list[tuple[str | None, ...]] = []

    async def heartbeat(progress: str | None) -> None:
        told.append((progress,))

    async def evidence(source: str, note: str | None) -> None:
        told.append((source, note))

    fx = Effect("k", "deps", on_heartbeat=heartbeat, on_evidence=evidence)
    await fx.heartbeat("40 %")
    await fx.evidence("urn:doc:1", note="seen")
    quiet = Effect("k", None)
    await quiet.heartbeat()
    await quiet.evidence("urn:doc:1")
    assert told == [("40 %",), ("urn:doc:1", "seen")]
    assert (fx.deps, fx.attempt, fx.repeated) == ("deps", 1, False)

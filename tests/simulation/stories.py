"""What producers of a tenant do: orders, payments, applications, contracts, at random moments."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any

from tests.simulation.dice import Dice
from tests.simulation.people import People

__all__ = ["stories"]

Json = Any
Story = Coroutine[Any, Any, None]
Tell = Callable[[str, Json], Story]


def stories(
    people: People, dice: Dice, sagas: Sequence[str], plotted: Sequence[str], horizon_s: float
) -> Iterator[Story]:
    """`sagas` are the random ones, `plotted` those of a plot that is played."""

    def tell(type_: str, data: Json) -> Story:
        return _tell(people, dice, horizon_s, type_, data)

    for number in range(dice.random.randint(2, 6)):
        key, amount = f"o{number}", dice.random.randint(0, 100)
        ordered = {"number": key, "amount": amount}
        yield tell("sim.ordered", ordered)
        for type_, data in (
            ("sim.paid", ordered), ("sim.paid", {**ordered, "amount": 7}),
            ("sim.noted", {"number": key, "text": "hello"}),
            ("sim.noted", {"number": key, "text": "again"}),
            ("sim.withdrawn", {"number": key}), ("sim.ordered", ordered),
        ):  # fmt: skip
            if dice.chance(0.35):
                yield tell(type_, data)
        if sagas and dice.chance(0.3):
            yield people.start(dice.pick(sagas), ordered, f"start-{number}")
        if plotted:
            yield tell("sim.ordered", ordered)
    for number in range(dice.random.randint(0, 3)):
        company = f"c{number if dice.chance(0.8) else 7}"
        yield tell("partner.applied", {"company": company})
        if dice.chance(0.8):
            yield tell("partner.signed", {"company": company, "signed_by": "ceo"})
    for number in range(dice.random.randint(0, 2)):
        yield from _contract(tell, dice, f"k{number}")


def _contract(tell: Tell, dice: Dice, contract: str) -> Iterator[Story]:
    signers = ["a", "b"][: dice.random.randint(1, 2)]
    yield tell("signature.requested", {"contract": contract, "terms": "long", "signers": signers})
    for signer in signers:
        if dice.chance(0.8):
            yield tell("envelope.signed", {"contract": contract, "signer": signer})
    if dice.chance(0.15):
        yield tell("envelope.declined", {"contract": contract, "signer": "a", "reason": "no"})


async def _tell(people: People, dice: Dice, horizon_s: float, type_: str, data: Json) -> None:
    await asyncio.sleep(dice.between(0, horizon_s * 0.8))
    await people.publish(type_, data)

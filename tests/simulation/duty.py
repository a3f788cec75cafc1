"""Somebody on duty: says what became of unknown effects as soon as they are asked.

So soon that a worker who was paused in the middle may still act on what they settled.
"""

from __future__ import annotations

import asyncio
from random import Random

from tests.simulation.dice import Dice
from tests.simulation.observer import Observer
from tests.simulation.people import People

__all__ = ["is_on_duty", "settle_at_once"]

ON_DUTY = 0.3
"""The share of worlds in which somebody is."""
SOON_S_MAX = 15.0
LOOK_S_MAX = 600.0


def is_on_duty(dice: Dice) -> bool:
    """Drawn apart: it shifts no other draw."""
    return Random(f"duty {dice.seed}").random() < ON_DUTY


async def settle_at_once(people: People, dice: Dice, observer: Observer) -> None:
    """Look whenever something happened."""
    rng = Random(f"duty {dice.seed} goes on")
    while not dice.is_calm:
        await observer.moved(LOOK_S_MAX)
        for c in people.open_commitments():
            is_free = not c.paused and c.held is None and not c.debts
            if is_free and any(
                e.state == "unknown" and e.next == "ask" for e in c.effects.values()
            ):
                await people.fix(c)
        # Some time must pass, however much happens.
        await asyncio.sleep(rng.uniform(0.1, SOON_S_MAX))

"""What passes registration runs: no expression meets a name that is not there.

Random definitions that read at every place all the checks say is there, run through decide with
random answers, events, decisions and time.
"""

from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain import messages as msg
from sagas.checks import check
from tests.semantics.world import World
from tests.strategies.definitions import EVENTS, definitions, inputs

Json = Any
TURNS_MAX = 60
# Drawing a whole definition takes longer than a number; the machine may be busy.
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]


@settings(max_examples=25, suppress_health_check=SLOW)
@given(definitions())
def test_the_random_definitions_pass_every_check(document: Json) -> None:
    assert check(document) == []


@settings(max_examples=60, suppress_health_check=SLOW)
@given(definitions(), inputs(), st.integers(0, 2**32))
def test_what_passed_never_meets_a_missing_name(document: Json, payload: Json, seed: int) -> None:
    """Else it would be held for an operator, months after somebody wrote it."""
    world = World(document, payload).open()
    chance = Random(seed)
    for _ in range(TURNS_MAX):
        if world.now.is_over:
            break
        turn(world, chance)
    assert internal_errors(world) == []


def internal_errors(world: World) -> list[Json]:
    errors = [getattr(event, "error", None) for event in world.events]
    return [error for error in errors if error is not None and error["class"] == "internal"]


def turn(world: World, chance: Random) -> None:
    """Something that can happen now."""
    asked = [i for i in world.now.nodes.values() if i.asked is not None and i.branch is None]
    kinds = ["event", "cancel" if chance.random() < 0.05 else "event"]
    kinds += ["answer"] * 4 if world.dispatches else []
    kinds += ["decide"] * 3 if asked else []
    kinds += ["time"] if world.wake_us is not None else []
    kinds += ["kid"] * 2 if world.kids else []
    kinds += ["update"] if world.d.updates else []
    match chance.choice(kinds):
        case "answer":
            answer(world, chance)
        case "decide":
            question = chance.choice(asked).asked
            said = chance.choice(["approve", "approve", "approve", "reject"])
            assert question is not None
            world.send(
                msg.Decide(
                    question.approval, said, question.digest, "ann", "human", ("manager",), "so"
                )
            )
        case "time":
            assert world.wake_us is not None
            world.pass_time(world.wake_us)
        case "kid":
            said = chance.choice(["begins", "fulfilled", "fulfilled", "failed", "conflict"])
            world.kid_says(chance.choice(sorted(world.kids)), said, {"n": chance.randint(0, 9)})
        case "update":
            name = chance.choice([update.name for update in world.d.updates])
            world.send(msg.Update(name, f"u{world.now.version}", "ann", {}))
        case "cancel":
            world.send(msg.Control("cancel", "ops", "no longer wanted"))
        case _:
            world.arrive(chance.choice(EVENTS), {"id": "acme"})


def answer(world: World, chance: Random) -> None:
    dispatch = chance.choice(sorted(world.dispatches.values(), key=lambda d: d.effect))
    if dispatch.effect not in world.started:
        world.start(dispatch)
    if dispatch.effect not in world.dispatches:
        return
    said = chance.choice(["done", "done", "done", "failed", "transient"])
    if dispatch.kind == "probe":
        world.answer(dispatch, "absent")
    elif dispatch.kind == "undo" or said == "done":
        world.answer(dispatch, "done", result={"n": chance.randint(0, 9)})
    elif said == "failed":
        world.answer(dispatch, "failed", code="no")
    else:
        world.answer(dispatch, "transient", message="busy")

"""A worker and an engine over HTTP: claims, handlers, replies."""

from __future__ import annotations

from .conftest import Serve, apart
from .fake_engine import COMMITMENT, FakeEngine
from .parties import R1_CLASSES, R2_CLASSES, World, app_of

ACME = {"company": {"name": "acme", "risk": 1}}
ACCOUNT = {"account": {"account_id": "4711"}}


async def test_a_step_is_claimed_run_and_answered(engine: FakeEngine, serve: Serve) -> None:
    """A plain function gets typed arguments; its result goes back as JSON, with its lease."""
    effect = engine.offer("registry/check-company@1", ACME)
    async with serve(app_of(World())):
        reply = await apart(engine.reply_to, effect)
    assert reply == {
        "effect": effect, "attempt": 1, "token": "1.0.1.1", "kind": "do", "commitment": COMMITMENT,
        "outcome": "done", "result": {"name": "acme", "risk": 20},
    }  # fmt: skip
    asked = next(one for one in engine.claims_asked if "registry/hold@1" in one["contracts"])
    assert asked["worker"] == "w1"
    assert asked["max"] == 16
    assert asked["start"] is True


async def test_an_effect_gets_its_key_and_its_deps(engine: FakeEngine, serve: Serve) -> None:
    """The idempotency key is the effect id; deps are entered once and left at the end."""
    world = World()
    first = engine.offer("crm/create-account@1", ACME, classes=R1_CLASSES)
    async with serve(app_of(world)):
        reply = await apart(engine.reply_to, first)
        second = engine.offer("crm/create-account@1", ACME, classes=R1_CLASSES, repeated=True)
        await apart(engine.reply_to, second)
        assert (world.entered, world.left) == (1, 0)
    assert (world.entered, world.left) == (1, 1)
    assert reply["result"] == {"account_id": "acme"}
    assert reply["evidence"] == [{"source": "urn:crm", "note": "created"}]
    assert [(fx.key, fx.repeated) for fx in world.effects] == [(first, False), (second, True)]
    assert world.effects[0].deps is world


async def test_r2_acts_only_after_the_engine_said_start(engine: FakeEngine, serve: Serve) -> None:
    """A reserved claim is started first; one whose start is refused is never run nor answered."""
    world = World()
    allowed = engine.offer("crm/activate@1", ACCOUNT, classes=R2_CLASSES)
    refused = engine.offer("crm/activate@1", ACCOUNT, classes=R2_CLASSES)
    engine.refuse_starts.add(refused)
    async with serve(app_of(world)):
        reply = await apart(engine.reply_to, allowed)
    assert reply["outcome"] == "done"
    assert [fx.key for fx in world.effects] == [allowed]
    starts = [one for one in engine.seen if one.path.endswith("/starts")]
    assert {item["effect"] for one in starts for item in one.body["starts"]} == {allowed, refused}
    assert [reply["effect"] for reply in engine.replies] == [allowed]

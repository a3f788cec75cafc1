"""What a handler's end means: values, refusals, and exceptions of R1 and R2."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from .conftest import Serve, apart
from .fake_engine import FakeEngine
from .parties import (
    R1_CLASSES,
    R2_CLASSES,
    Account,
    CannotTell,
    NotDone,
    Refused,
    RetryAfter,
    World,
    app_of,
)

ACME = {"company": {"name": "acme", "risk": 1}}
ACCOUNT = {"account": {"account_id": "4711"}}


async def answered(
    engine: FakeEngine, serve: Serve, world: World, contract: str, args: Any, **claim: Any
) -> dict[str, Any]:
    """Offer one claim, and give the members of its reply that say how it ended."""
    effect = engine.offer(contract, args, **claim)
    async with serve(app_of(world)):
        reply = await apart(engine.reply_to, effect)
    names = ("outcome", "result", "code", "message", "retry_after_s")
    return {name: reply[name] for name in names if name in reply}


@pytest.mark.parametrize(
    ("error", "on_r1", "on_r2"),
    [
        (Refused("has-invoices", "409"), "failed", "failed"),
        (NotDone("no connection"), "not_done", "not_done"),
        (RetryAfter("30s"), "not_done", "not_done"),
        (TimeoutError("read timed out"), "transient", "unknown"),
        (KeyError("bug"), "transient", "unknown"),
        (SystemExit(3), "transient", "unknown"),
        (asyncio.CancelledError(), "transient", "unknown"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
async def test_an_exception_on_r2_is_unknown_unless_it_says_that_nothing_happened(
    engine: FakeEngine, serve: Serve, error: BaseException, on_r1: str, on_r2: str
) -> None:
    """The most important rule: a read timeout must never look like "failed"."""
    world = World(raises=error)
    mild = engine.offer("crm/create-account@1", ACME, classes=R1_CLASSES)
    hard = engine.offer("crm/activate@1", ACCOUNT, classes=R2_CLASSES)
    async with serve(app_of(world)):
        first, second = [await apart(engine.reply_to, effect) for effect in (mild, hard)]
    assert (first["outcome"], second["outcome"]) == (on_r1, on_r2)


async def test_a_business_no_has_its_code(engine: FakeEngine, serve: Serve) -> None:
    got = await answered(
        engine, serve, World(), "registry/check-company@1", {"company": {"name": "x1", "risk": 0}}
    )
    assert got == {"outcome": "failed", "code": "struck-off", "message": "left the register"}


async def test_retry_after_says_when(engine: FakeEngine, serve: Serve) -> None:
    got = await answered(engine, serve, World(), "registry/busy@1", {"seconds": "1m30s"})
    assert got == {
        "outcome": "not_done", "code": "retry-after", "message": "come back",
        "retry_after_s": 90.0,
    }  # fmt: skip


async def test_a_wrong_retry_after_is_still_a_retry(engine: FakeEngine, serve: Serve) -> None:
    got = await answered(engine, serve, World(), "registry/busy@1", {"seconds": "soon"})
    assert got["outcome"] == "not_done"
    assert "retry_after_s" not in got


@pytest.mark.parametrize(
    ("contract", "classes"),
    [
        ("registry/check-company@1", None),
        ("crm/create-account@1", R1_CLASSES),
        ("crm/activate@1", R2_CLASSES),
    ],
)
async def test_arguments_that_do_not_fit_ran_nothing(
    engine: FakeEngine, serve: Serve, contract: str, classes: Any
) -> None:
    world = World()
    args = {"account": {}} if "activate" in contract else {"company": {"name": 42}}
    got = await answered(engine, serve, world, contract, args, classes=classes)
    assert (got["outcome"], got["code"]) == ("not_done", "arguments")
    assert not world.calls


async def test_a_result_that_does_not_fit_is_unknown_on_r2(
    engine: FakeEngine, serve: Serve
) -> None:
    """The handler ran: what it gave cannot say that nothing happened."""
    app = app_of(World())
    contract = app.contracts()["crm/activate@1"]

    async def liar(fx: Any, account: Account) -> Any:
        return 42

    contract.run = type(contract.run)(liar, True, contract.run.parameters, contract.run.result)
    effect = engine.offer("crm/activate@1", ACCOUNT, classes=R2_CLASSES)
    async with serve(app):
        reply = await apart(engine.reply_to, effect)
    assert (reply["outcome"], reply["code"]) == ("unknown", "result")


async def test_a_contract_that_is_not_served_is_given_back(
    engine: FakeEngine, serve: Serve
) -> None:
    """The engine should not send it; if it does, nothing ran."""
    got = await answered(
        engine, serve, World(), "crm/create-account@1", ACCOUNT, kind="probe", classes=R1_CLASSES
    )
    assert (got["outcome"], got["code"]) == ("not_done", "contract")


# --- probes ---


async def test_a_probe_that_finds_it_gives_its_result(engine: FakeEngine, serve: Serve) -> None:
    world = World(there=Account(account_id="4711"))
    got = await answered(
        engine, serve, world, "crm/activate@1", ACCOUNT, kind="probe", classes=R2_CLASSES
    )
    assert got == {"outcome": "present", "result": {"account_id": "4711"}}


async def test_absent_bars_the_command_that_was_asked_about(
    engine: FakeEngine, serve: Serve
) -> None:
    """A command with a lower token that arrives after the probe does not run any more."""
    world = World()
    probe = engine.offer(
        "crm/activate@1", ACCOUNT, kind="probe", classes=R2_CLASSES, token="1.0.20.1"
    )
    async with serve(app_of(world)):
        assert (await apart(engine.reply_to, probe))["outcome"] == "absent"
        engine.offer("crm/activate@1", ACCOUNT, effect=probe, classes=R2_CLASSES, token="1.0.10.1")
        late = await apart(engine.wait, lambda: engine.replies[1:])
    assert (late[0]["outcome"], late[0]["code"]) == ("not_done", "journal.token")
    assert world.calls == {"is-active": 1}


@pytest.mark.parametrize("error", [CannotTell("the log is gone"), TimeoutError("slow")])
async def test_a_probe_that_raises_cannot_tell(
    engine: FakeEngine, serve: Serve, error: Exception
) -> None:
    got = await answered(
        engine, serve, World(raises=error), "crm/activate@1", ACCOUNT, kind="probe",
        classes=R2_CLASSES,
    )  # fmt: skip
    assert got["outcome"] == "cannot_tell"
    assert str(error) in got["message"]


async def test_a_probe_that_denies_a_recorded_answer_cannot_tell(
    engine: FakeEngine, serve: Serve
) -> None:
    """Claimed done, actually not there: a person must look."""
    world = World()
    effect = engine.offer("crm/activate@1", ACCOUNT, classes=R2_CLASSES, token="1.0.1.1")
    async with serve(app_of(world)):
        await apart(engine.reply_to, effect)
        engine.offer(
            "crm/activate@1", ACCOUNT, effect=effect, kind="probe", classes=R2_CLASSES,
            token="1.0.9.1",
        )  # fmt: skip
        (said,) = await apart(engine.wait, lambda: engine.replies[1:])
    assert (said["outcome"], said["code"]) == ("cannot_tell", "contradicted")


# --- the journal between claim and handler ---


async def test_a_repeated_command_gets_the_recorded_reply(engine: FakeEngine, serve: Serve) -> None:
    world = World()
    effect = engine.offer("crm/create-account@1", ACME, classes=R1_CLASSES)
    async with serve(app_of(world)):
        await apart(engine.reply_to, effect)
    engine.offer(
        "crm/create-account@1", ACME, effect=effect, attempt=2, token="2.0.9.1", classes=R1_CLASSES
    )
    async with serve(app_of(world)):
        again = await apart(engine.reply_to, effect, attempt=2)
    assert again["result"] == {"account_id": "acme"}
    assert world.calls == {"create-account": 1}


async def test_an_undo_bars_its_do_and_then_runs(engine: FakeEngine, serve: Serve) -> None:
    world = World()
    do = "a" * 64
    undo = engine.offer(
        "crm/create-account@1:undo", ACCOUNT, kind="undo", undoes=do, classes=R1_CLASSES
    )
    async with serve(app_of(world)):
        assert (await apart(engine.reply_to, undo))["outcome"] == "done"
        engine.offer("crm/create-account@1", ACME, effect=do, token="1.0.90.1", classes=R1_CLASSES)
        late = await apart(engine.reply_to, do)
    assert (late["outcome"], late["code"]) == ("not_done", "journal.barred")
    assert world.calls == {"delete-account": 1}


async def test_undoing_what_was_never_begun_is_done_by_the_bar(
    engine: FakeEngine, serve: Serve
) -> None:
    """An undo of `when="attempted"` has nothing to undo where the shared journal knows nothing."""
    world = World()
    undo = engine.offer(
        "crm/reserve@1:undo", ACME, kind="undo", undoes="b" * 64, classes=R1_CLASSES
    )
    async with serve(app_of(world)):
        assert (await apart(engine.reply_to, undo))["outcome"] == "done"
    assert not world.calls


async def test_undoing_what_was_attempted_runs(engine: FakeEngine, serve: Serve) -> None:
    world = World(raises=TimeoutError("slow"))
    do = engine.offer("crm/reserve@1", ACME, classes=R1_CLASSES)
    async with serve(app_of(world)):
        await apart(engine.reply_to, do)
        world.raises = None
        undo = engine.offer("crm/reserve@1:undo", ACME, kind="undo", undoes=do, classes=R1_CLASSES)
        assert (await apart(engine.reply_to, undo))["outcome"] == "done"
    assert world.calls == {"reserve": 1, "unreserve": 1}


async def test_without_a_journal_no_effect_runs(
    engine: FakeEngine, serve: Serve, journal_file: Any
) -> None:
    """A journal that cannot be written: the effect is given back, a probe cannot tell."""
    world = World()
    async with serve(app_of(world)) as worker:
        first = engine.offer("crm/create-account@1", ACME, classes=R1_CLASSES)
        await apart(engine.reply_to, first)
        _drop_table(journal_file)
        effect = engine.offer("crm/create-account@1", ACME, classes=R1_CLASSES)
        probe = engine.offer("crm/activate@1", ACCOUNT, kind="probe", classes=R2_CLASSES)
        replies = [await apart(engine.reply_to, one) for one in (effect, probe)]
        assert worker.name == "w1"
    assert [reply["outcome"] for reply in replies] == ["not_done", "cannot_tell"]
    assert world.calls == {"create-account": 1}


def _drop_table(file: Any) -> None:
    import sqlite3

    connection = sqlite3.connect(file)
    connection.execute("DROP TABLE troth_journal")
    connection.close()

"""Running one claim: arguments in, the user's handler, the outcome of its reply out."""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
from collections.abc import Callable, Iterable
from typing import Any

from pydantic import ValidationError

from ._contract import Contract, Kind
from ._effect import Effect
from ._journal import Journal
from ._journal_rules import Outcome, Run
from ._lease import Lease, current
from ._outcomes import done, of_error, of_probe_error, unfit_arguments, unfit_result
from ._threads import Threads

__all__ = ["Served", "run_handler", "run_probe", "serves"]

log = logging.getLogger("troth.worker")

# What users' code may end with. Exceptions that end the process itself pass, but sys.exit() in a
# handler is a fault of the handler, not a wish to end the worker.
_ENDINGS = (Exception, asyncio.CancelledError, SystemExit)


class Served:
    """A contract as a worker runs it; what can be known beforehand is known once."""

    __slots__ = (
        "attempted", "contract", "deps", "external", "is_async", "kind", "repeatable",
        "wants_effect",
    )  # fmt: skip

    def __init__(
        self, contract: Contract, kind: Kind, deps: Any, *, attempted: bool = False
    ) -> None:
        handler = contract.handler(kind)
        assert handler is not None, f"{contract.name} does not serve {kind}"
        self.contract = contract
        self.kind: Kind = kind
        self.deps = deps
        self.external = contract.external
        self.is_async = inspect.iscoroutinefunction(handler)
        self.wants_effect = kind != "do" or contract.wants_effect
        classes = contract.classes
        self.repeatable = classes is None or classes[1].value in {"R0", "R1"}
        self.attempted = attempted


def serves(contracts: Iterable[Contract], deps: Any) -> dict[tuple[str, str], Served]:
    """What a participant serves, by contract name and kind, undos and probes too."""
    found: dict[tuple[str, str], Served] = {}
    for contract in contracts:
        if not contract.is_undo:
            found[contract.name, "do"] = Served(contract, "do", deps)
            # A saga undoes a child that was fulfilled by a step of its own.
            found[contract.name, "undo"] = found[contract.name, "do"]
        if contract.has_probe:
            found[contract.name, "probe"] = Served(contract, "probe", deps)
        if contract.undo is not None:
            attempted = contract.undo_rule.when == "attempted"
            found[contract.undo.name, "undo"] = Served(
                contract.undo, "undo", deps, attempted=attempted
            )
    return found


async def run_handler(
    served: Served,
    lease: Lease,
    begun: Run | None,
    threads: Threads,
    journal: Journal | None = None,
) -> Outcome:
    """Run a `do` or an `undo` to its outcome; raises nothing of the handler's.

    `journal` is where the handler may answer in its own transaction.
    """
    try:
        values = served.contract.bind(served.kind, lease.args)
    except (ValidationError, KeyError) as error:
        return unfit_arguments(error)
    repeatable = served.repeatable and lease.repeatable
    call = _call(served, lease, begun, values, journal)
    try:
        result = await _perform(served, lease, call, threads)
    except _ENDINGS as error:
        _tell(lease, error)
        return _with_notes(lease, of_error(error, repeatable=repeatable))
    try:
        return _with_notes(lease, done(served.contract.dump(served.kind, result)))
    except (ValidationError, TypeError, ValueError) as error:
        return _with_notes(lease, unfit_result(error, repeatable=repeatable))


async def run_probe(
    served: Served, lease: Lease, recorded: Outcome | None, threads: Threads
) -> Outcome:
    """Ask a probe. `recorded` is what the journal holds of the effect, if it was answered."""
    try:
        values = served.contract.bind("probe", lease.args)
        call = _call(served, lease, None, values)
        answer = await _perform(served, lease, call, threads)
        there, result = served.contract.probed(answer)
    except _ENDINGS as error:
        _tell(lease, error)
        return _with_notes(lease, of_probe_error(error))
    if there:
        return _with_notes(lease, {"outcome": "present", "result": result})
    if recorded is not None and recorded.get("outcome") == "done":
        return _with_notes(lease, {
            "outcome": "cannot_tell", "code": "contradicted",
            "message": "the probe says no, but a worker recorded that it was done",
        })  # fmt: skip
    return _with_notes(lease, {"outcome": "absent"})


def _call(
    served: Served,
    lease: Lease,
    begun: Run | None,
    values: dict[str, Any],
    journal: Journal | None = None,
) -> Callable[[], Any]:
    function = served.contract.handler(served.kind)
    assert function is not None
    if not served.wants_effect:
        return functools.partial(function, **values)
    effect: Effect[Any] = Effect(
        key=lease.effect,
        deps=served.deps,
        attempt=lease.attempt,
        deadline=lease.deadline,
        trace=lease.trace,
        repeated=lease.repeated or (begun is not None and begun.repeated),
        on_heartbeat=lease.say,
        on_evidence=lease.note,
        **_answers(served, lease, journal),
    )
    return functools.partial(function, effect, **values)


def _answers(served: Served, lease: Lease, journal: Journal | None) -> dict[str, Any]:
    """How the handler answers in a transaction of its own: by the journal of this worker."""
    if journal is None or not served.external:
        return {}

    def answer(connection: object, result: Any) -> None:
        found = served.contract.dump(served.kind, result)
        journal.answer_in(connection, lease.effect, lease.token, lease.attempt, found)

    async def answer_async(connection: object, result: Any) -> None:
        found = served.contract.dump(served.kind, result)
        await journal.answer_in_async(connection, lease.effect, lease.token, lease.attempt, found)

    return {"on_answer": answer, "on_async_answer": answer_async}


async def _perform(served: Served, lease: Lease, call: Callable[[], Any], threads: Threads) -> Any:
    token = current.set(lease)
    try:
        if not served.is_async:
            return await threads.run(call)
        # From here to the end of the handler, and only here, a cancellation may reach it.
        lease.task = asyncio.current_task()
        return await call()
    finally:
        if lease.task is not None and lease.task.cancelling():
            lease.task.uncancel()
        lease.task = None
        current.reset(token)


def _tell(lease: Lease, error: BaseException) -> None:
    log.info(
        "action=handler_raised contract=%s kind=%s effect=%s attempt=%d error=%s",
        lease.contract, lease.kind, lease.effect, lease.attempt, type(error).__name__,
        exc_info=error if log.isEnabledFor(logging.DEBUG) else None,
    )  # fmt: skip


def _with_notes(lease: Lease, outcome: Outcome) -> Outcome:
    return {**outcome, "evidence": lease.notes} if lease.notes else outcome

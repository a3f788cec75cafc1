"""Broken key streams, saga-key streams and lock streams."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from domain import key_stream, lock_stream, saga_key
from domain.key_stream import KeyStream
from domain.messages import Wake
from tests.simulation.mutants.harness import mutant, replaced, wrapped

Json = Any


@mutant(promise=11)
def drops_the_mailbox() -> Iterator[None]:
    """An event that nobody wants yet is forgotten."""

    def forgetful(real: Any, state: Any, message: Any, **more: Any) -> Any:
        found = real(state, message, **more)
        events = [e for e in found.events if type(e).__name__ != "EventKept"]
        if len(events) == len(found.events) or state is None or found.mail:
            return found
        return real(state, Wake(0), **more)

    with wrapped(key_stream, "decide", forgetful):
        yield


@mutant(promise=11)
def takes_an_event_twice() -> Iterator[None]:
    """The key does not remember who took an event, nor does the commitment."""
    from sagas.decide import waits

    def offered(m: Any, message: Any) -> None:
        for path in waits._takers(m, message.key, message.event["type"]):
            if waits._wants(m, path, message.event):
                waits._take(m, path, message)
                return

    with replaced(KeyStream, "_take", lambda self, event: None), \
         replaced(waits, "offered", offered):  # fmt: skip
        yield


@mutant(promise=11)
def offers_an_event_to_one_alone() -> Iterator[None]:
    """Of several that wait for it only the first hears of it."""

    def decide(real: Any, state: Any, message: Any, **more: Any) -> Any:
        found = real(state, message, **more)
        return replace(found, mail=found.mail[:1]) if message.KIND == "arrive" else found

    with wrapped(key_stream, "decide", decide):
        yield


@mutant(promise=11)
def offers_nothing_that_came_early() -> Iterator[None]:
    """A wait that opens late finds the mailbox shut."""
    with replaced(key_stream, "_offerable", lambda *_: iter(())):
        yield


@mutant()
def begins_a_second_run() -> Iterator[None]:
    """A start does not look whether a run of its key is open."""

    def start(draft: Any, start: Any, policy: Any) -> Any:
        return draft.decided(draft.open_run(start))

    with replaced(saga_key, "_start", start):
        yield


@mutant(promise=1)
def forgets_a_start_that_waits() -> Iterator[None]:
    """When the running one has ended, what was to follow does not begin."""

    def over(real: Any, draft: Any, message: Any) -> Any:
        found = real(draft, message)
        return replace(found, mail=[])

    with wrapped(saga_key, "_run_over", over):
        yield


@mutant()
def gives_a_lock_to_two() -> Iterator[None]:
    """A lock that is held is granted."""

    def pass_on(self: Any) -> Any:
        state = self.state
        while state.queue:
            following = next(iter(state.queue))
            self.add_for(following, lock_stream.LockPassed, fence=state.fence + 1)
            granted = lock_stream.Granted(following.node, following.ask, state.fence)
            self.mail.append((lock_stream.UUID(following.commitment), granted))
        return self.decided()

    with replaced(lock_stream._Draft, "pass_on", pass_on):
        yield


@mutant(promise=6)
def forgets_who_waits_for_a_lock() -> Iterator[None]:
    """A lock that is freed goes to nobody."""

    def release(real: Any, draft: Any, message: Any) -> Any:
        found = real(draft, message)
        return replace(found, mail=[])

    with wrapped(lock_stream, "_release", release):
        yield

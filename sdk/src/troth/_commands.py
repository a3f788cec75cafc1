"""One participant's commands from Kafka: pushed ones are run, the others ring the doorbell.

The offset of a command is committed when every command before it and its own reply are
acknowledged, so a worker that is killed loses none; what comes again is answered by the journal.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from ._bus import BUS_PAUSE_MAX_S, Bus, give_up, kafka
from ._bus_replies import BusReplies
from ._command import Bell, Push, ReplyTo, Unreadable, may_act, read
from ._lease import LEASE_MARGIN, Lease
from ._line import UNSENT_MAX, Line
from ._link import backoff_s
from ._offsets import Offsets, Slot
from ._outcomes import not_run

__all__ = ["Commands"]

POLL_MS = 500
"""How long one look at the broker waits for commands; a worker that stops waits so long."""
COMMIT_EVERY_S = 0.5
STARTED_AFTER_S = 1.0
"""A pushed command that runs so long says that it started."""
TOPIC_WAIT_S = 5.0
"""How often a topic that is missing is looked for; the engine makes it."""
REVOKE_WAIT_S = 5.0
"""How long partitions that go to another worker wait for what still runs of them."""
CLOSE_TIMEOUT_S = 3.0

log = logging.getLogger("troth.worker")


class _Restart(Exception):
    """The connection is of no use any more, and a new one is made."""


@dataclass(slots=True, eq=False)
class _Flight:
    """A pushed command under way, from reading it to the acknowledgement of its reply."""

    key: tuple[str, str]
    commitment: str
    to: ReplyTo
    intended_us: int | None
    slots: list[Slot]
    commands: Commands
    landed: asyncio.Event = field(default_factory=asyncio.Event)

    def ended(self, reply: dict[str, Any] | None) -> None:
        """The worker is done with it; without a reply it stays where it is, to be read again."""
        if reply is None:
            self.commands.let_go(self)
        else:
            self.commands.replies.add(reply, self.commitment, self.to, self.acked)

    def acked(self) -> None:
        """Its reply is safe."""
        for slot in self.slots:
            slot.settle()
        self.commands.let_go(self)


class Commands:
    """The consumer of one participant. Made in the event loop it runs in.

    Args:
        bus: where the commands are.
        line: the participant's line, which runs what is pushed and claims when the doorbell rings.
        replies: where answers to pushed commands go.
        stopping: set when the worker drains.
    """

    def __init__(self, bus: Bus, line: Line, replies: BusReplies, stopping: asyncio.Event) -> None:
        self.replies = replies
        self._bus = bus
        self._line = line
        self._stopping = stopping
        self._topic = bus.topic(f"commands.{line.name}")
        self._replies_topic = bus.topic("replies")
        self._consumer: Any = None
        self._offsets: dict[Any, Offsets] = {}
        self._flights: dict[tuple[str, str], _Flight] = {}
        self._quiet: deque[tuple[float, Lease, _Flight]] = deque()
        self._now_s = asyncio.get_running_loop().time
        self._committed_s = 0.0
        self._missing = False

    async def run(self) -> None:
        """Read and run until the worker stops and all is answered; then leave the group.

        Brokers may come and go. Raises nothing of Kafka's: what is lost here is claimed over HTTP.
        """
        failures = 0
        try:
            while not self._stopping.is_set():
                try:
                    await self._open()
                    failures = 0
                    await self._consume()
                except asyncio.CancelledError as error:
                    # A client that lost its broker may cancel its own waits: that is not for us.
                    if _is_cancelled():
                        raise
                    failures += 1
                    await self._pause(failures, error)
                except Exception as error:  # noqa: BLE001  the doorbell is a help, not a need
                    failures += 1
                    await self._pause(failures, error)
            # What runs is answered, and its offset committed, before another worker takes over.
            await self._line.idle()
            await self.replies.flushed()
            await self._commit()
        finally:
            await self._close()

    async def tell_started(self) -> None:
        """Say of what runs for over a second that it started, until cancelled."""
        while True:
            if not self._quiet:
                await asyncio.sleep(STARTED_AFTER_S / 2)
                continue
            taken_s, lease, flight = self._quiet.popleft()
            await asyncio.sleep(max(0.0, taken_s + STARTED_AFTER_S - self._now_s()))
            if lease not in self._line.running:
                continue
            lease.told = True
            lease.until_s = self._now_s() + lease.lease_s * (1 - LEASE_MARGIN)
            started = {
                "effect": lease.effect, "token": lease.token, "attempt": lease.attempt,
                "commitment": lease.commitment,
            }  # fmt: skip
            self.replies.add({"started": started}, lease.commitment, flight.to, _nothing)

    def let_go(self, flight: _Flight) -> None:
        """It is no longer under way here."""
        self._flights.pop(flight.key, None)
        flight.landed.set()

    # --- the consumer ---

    async def _open(self) -> None:
        if not await self._bus.partitions(self._topic):
            self._tell_missing()
            raise _Restart
        self._missing = False
        consumer = self._bus.consumer(self._line.name)
        consumer.subscribe([self._topic], listener=_listener(self._revoked))
        self._consumer = consumer
        starting: asyncio.Future[None] = asyncio.ensure_future(consumer.start())
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            if not starting.done():
                starting.cancel()
        ended = await asyncio.gather(starting, return_exceptions=True)
        if isinstance(ended[0], Exception):
            raise ended[0]
        if await self._is_first(consumer):
            await self._line.first_worker()
        log.info("action=commands_read topic=%s group=%s", self._topic, self._line.name)

    async def _is_first(self, consumer: Any) -> bool:
        """Whether no worker of this participant ever finished a command."""
        if self._stopping.is_set():
            return False
        for number in await self._bus.partitions(self._topic):
            where = kafka().TopicPartition(self._topic, number)
            if await consumer.committed(where) is not None:
                return False
        return True

    async def _close(self) -> None:
        consumer, self._consumer = self._consumer, None
        self._offsets.clear()
        if consumer is not None:
            await give_up(consumer, f"the consumer of {self._topic}", CLOSE_TIMEOUT_S)

    async def _pause(self, failures: int, error: BaseException) -> None:
        await self._close()
        if isinstance(error, _Restart):
            wait_s = TOPIC_WAIT_S
        else:
            log.warning("action=bus_unreached topic=%s error=%r", self._topic, error)
            wait_s = backoff_s(failures, None, max_s=BUS_PAUSE_MAX_S)
        try:
            await asyncio.wait_for(self._stopping.wait(), wait_s)
        except TimeoutError:
            return

    def _tell_missing(self) -> None:
        if not self._missing:
            log.warning("action=topic_missing code=TR750 topic=%s work=http", self._topic)
        self._missing = True

    async def _consume(self) -> None:
        consumer = self._consumer
        while not self._stopping.is_set():
            room = self._room()
            if room <= 0:
                # A paused partition keeps its place in the group; nothing of it is fetched.
                consumer.pause(*consumer.assignment())
                await self._line.freed(POLL_MS / 1000)
            elif paused := consumer.paused():
                consumer.resume(*paused)
            found = await consumer.getmany(
                timeout_ms=POLL_MS if room > 0 else 0, max_records=max(1, room)
            )
            self._take(record for records in found.values() for record in records)
            if self._now_s() - self._committed_s >= COMMIT_EVERY_S:
                await self._commit()

    def _room(self) -> int:
        return min(self._line.room, UNSENT_MAX - self.replies.unsent)

    async def _commit(self) -> None:
        """Commit what is done; a commit that fails costs a repeat, which the journal answers."""
        self._committed_s = self._now_s()
        if self._consumer is None:
            return
        mine = self._consumer.assignment()
        ready = {
            where: offsets.next
            for where, offsets in self._offsets.items()
            if offsets.dirty and offsets.next is not None and where in mine
        }
        if not ready:
            return
        try:
            await self._consumer.commit(ready)
        except kafka().errors.KafkaError as error:
            log.info("action=commit_failed topic=%s error=%r", self._topic, error)
            return
        for where, offset in ready.items():
            if where in self._offsets:
                self._offsets[where].committed(offset)

    async def _revoked(self, partitions: Iterable[Any]) -> None:
        """Partitions go elsewhere: give what runs of them a moment, and commit what is done."""
        gone = set(partitions)
        offsets = [self._offsets[where] for where in gone if where in self._offsets]
        flights = [
            flight
            for flight in self._flights.values()
            if any(slot.offsets in offsets for slot in flight.slots)
        ]
        waits = [asyncio.ensure_future(flight.landed.wait()) for flight in flights]
        if waits:
            _, late = await asyncio.wait(waits, timeout=REVOKE_WAIT_S)
            for wait in late:
                wait.cancel()
        await self._commit()
        for where in gone:
            self._offsets.pop(where, None)

    # --- commands ---

    def _take(self, records: Iterable[Any]) -> None:
        leases = [lease for record in records if (lease := self._one(record)) is not None]
        if leases:
            self._line.push(leases)

    def _one(self, record: Any) -> Lease | None:
        """A pushed command to run; whatever else it is, it is dealt with here."""
        where = kafka().TopicPartition(record.topic, record.partition)
        slot = self._offsets.setdefault(where, Offsets()).take(record.offset)
        match read(record.value):
            case Bell():
                self._line.ring()
                slot.settle()
            case Unreadable() as fault:
                self._poison(fault, slot, record)
            case Push() as push if push.to.topic != self._replies_topic:
                why = f"it wants its reply in {push.to.topic}"
                self._poison(Unreadable(why, push.claim["effect"]), slot, record)
            case Push() as push:
                return self._pushed(push, slot, record)
        return None

    def _pushed(self, push: Push, slot: Slot, record: Any) -> Lease | None:
        claim = push.claim
        served = self._line.contracts.get((claim["contract"], claim["kind"]))
        if served is None:
            why = f"{claim['contract']} is not served here"
            fault = Unreadable(why, claim["effect"], claim, push.to)
            self._poison(fault, slot, record, code="contract")
            return None
        acts = may_act(claim, served, self._line.journal_kind)
        key = (claim["effect"], claim["token"])
        if acts and (running := self._flights.get(key)) is not None:
            running.slots.append(slot)
            return None
        try:
            lease = Lease.of({**claim, "started": acts}, self._now_s(), wake=self._line.progressed)
        except (TypeError, ValueError) as error:
            fault = Unreadable(f"the claim: {error}", claim["effect"], claim, push.to)
            self._poison(fault, slot, record)
            return None
        if not acts:
            # The engine says over HTTP whether it may start, with this token or another.
            self._line.ring()
            slot.settle()
            return lease
        intended_us = record.timestamp * 1000 if record.timestamp > 0 else None
        flight = _Flight(key, claim["commitment"], push.to, intended_us, [slot], self)
        lease.push(flight)
        self._flights[key] = flight
        self._quiet.append((self._now_s(), lease, flight))
        return lease

    def _poison(self, fault: Unreadable, slot: Slot, record: Any, *, code: str = "command") -> None:
        """Log it, answer it where that can be done, and go on: it holds up no other command."""
        log.error(
            "action=command_skipped code=TR604 topic=%s partition=%d offset=%d effect=%s why=%s",
            record.topic, record.partition, record.offset, fault.effect, fault.why,
        )  # fmt: skip
        claim, to = fault.claim, fault.to
        if claim is None or to is None or to.topic != self._replies_topic:
            # Whoever reads more than we do may claim it over HTTP; so do we, in case we can.
            self._line.ring()
            slot.settle()
            return
        reply = {name: claim[name] for name in _REPLY_MEMBERS}
        reply |= not_run(code, fault.why)
        self.replies.add(reply, claim["commitment"], to, slot.settle)


_REPLY_MEMBERS = ("effect", "attempt", "token", "kind", "commitment")


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _nothing() -> None:
    """Nobody waits for this acknowledgement."""


def _listener(revoked: Callable[[Iterable[Any]], Awaitable[None]]) -> Any:
    base: Any = kafka().ConsumerRebalanceListener

    class Listener(base):
        async def on_partitions_revoked(self, revoked_now: Iterable[Any]) -> None:
            await revoked(revoked_now)

        async def on_partitions_assigned(self, assigned_now: Iterable[Any]) -> None:
            # Records may be here before this is called: what is known of them must stay.
            del assigned_now

    return Listener()

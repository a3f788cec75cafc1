"""Follows one commitment from the topic `facts` alone, with the CloudEvents SDK of Python.

python follow.py kafka://127.0.0.1:9092/facts 0b6f2e0c-…: one line for each fact that moves it.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer
from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka_event

PREFIX = "troth.commitment."
STOPPING = ("failure", "cancel")
"""Causes for which the whole commitment is wound up."""


@dataclass
class Where:
    """What facts say about a commitment: `status`, and the `steps` it is on."""

    saga: str = ""
    key: str = ""
    ended: str = ""
    is_paused: bool = False
    is_held: bool = False
    winding_up: set[str] = field(default_factory=set[str])
    effects: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    waits: dict[str, str] = field(default_factory=dict[str, str])
    lists: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    """The open lists, and of each the items under way: without any it waits for more."""
    debts: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])

    @property
    def status(self) -> str:
        """As the engine's current step says it."""
        if self.ended:
            return self.ended
        if self.is_held:
            return "held"
        if self.is_paused:
            return "paused"
        if self.debts:
            return "in_debt"
        if self.winding_up:
            return "compensating"
        return "open" if any(e["is_at_work"] for e in self.effects.values()) else "waiting"

    @property
    def steps(self) -> list[str]:
        """The nodes where it waits: for work, an event, a time, a decision or a person."""
        debts = {debt["node"] for debt in self.debts.values() if debt["node"]}
        if self.ended:
            return sorted(debts)
        idle = {path for path, items in self.lists.items() if not items}
        at_work = {effect["node"] for effect in self.effects.values()}
        return sorted(debts | idle | set(self.waits) | at_work)


def fold(where: Where, event: BaseCloudEvent) -> None:
    """Move on by one fact of the commitment; what a saga told others moves nothing."""
    if not event.get_type().startswith(PREFIX):
        return
    word, data = event.get_type().removeprefix(PREFIX), event.get_data()
    assert isinstance(data, dict), word
    if word == "opened":
        where.saga, where.key = event.get_extension("saga"), event.get_extension("sagakey")
    elif word.startswith("step."):
        _work(where, word, data)
    elif word in {"stopping", "stopped", "compensating", "compensated"}:
        _wind_up(where, word, data)
    else:
        _rest(where, word, data)


def _work(where: Where, word: str, data: Any) -> None:
    """What participants do; an effect that nobody knows of waits for a probe or a person."""
    match word:
        case "step.begun":
            where.waits.pop(data["node"], None)  # for office hours, or its turn
            where.effects[data["effect"]] = {"node": data["node"], "is_at_work": True}
        case "step.retrying" | "step.retried" | "step.unknown":
            where.effects[data["effect"]]["is_at_work"] = word != "step.unknown"
            where.waits.pop(where.effects[data["effect"]]["node"], None)
        case _:
            effect = where.effects.pop(data["effect"], None)
            where.waits.pop("" if effect is None else effect["node"], None)
            _clear_debts(where, word == "step.done", data)


def _rest(where: Where, word: str, data: Any) -> None:
    """Waits, debts, and what operators do."""
    match word:
        case "waiting":
            where.waits[data["node"]] = data["for"]
        case "approval.asked":
            where.waits[data["node"]] = "approval"
        case "items.added" | "items.closed" | "item.closed" | "block.entered" if _lists(
            where, word, data
        ):
            pass
        case "block.entered" if data.get("branch") == "resting":
            where.waits[data["node"]] = "timer"
        case "event.taken" if not data["done"]:
            pass
        case "approval.decided" | "block.entered" | "event.taken":
            where.waits.pop(data["node"], None)
        case "node.closed":
            for node in data["nodes"]:
                where.waits.pop(node, None)
                where.lists.pop(node, None)
        case "debt.opened":
            where.debts[data["debt"]] = data
        case "debt.settled":
            where.debts.pop(data["debt"], None)
        case "paused" | "resumed":
            where.is_paused = word == "paused"
        case "held" | "released":
            where.is_held = word == "held"
        case "ended":
            where.ended = data["status"]
        case "reopened":  # its parent undoes itself, and so does it
            where.ended = ""
        case _:  # of a later engine: the rest still counts
            pass


def _lists(where: Where, word: str, data: Any) -> bool:
    """Open lists: whether that was all that the fact says."""
    node = data["node"]
    around, mark, _ = node.rpartition("[")
    is_item = mark != "" and node.endswith("]")
    if word == "items.closed" or (word == "items.added" and data.get("done")):
        where.lists.pop(node, None)
    elif word == "item.closed":
        where.lists.get(around, set()).discard(node)
    elif word == "block.entered" and data.get("branch") == "open":
        where.lists[node] = set()
    elif word == "block.entered" and is_item and around in where.lists:
        where.lists[around].add(node)
    else:
        return False
    return True


def _clear_debts(where: Where, is_done: bool, data: Any) -> None:
    """What was done late is no longer owed."""
    for number, debt in list(where.debts.items()):
        same = debt.get("effect") == data["effect"] and data.get("kind") == "undo"
        forward = debt["kind"] == "forward" and debt["node"] == data.get("node")
        if is_done and (same or forward):
            del where.debts[number]


def _wind_up(where: Where, word: str, data: Any) -> None:
    """Stopping and undoing, of the whole or of a part; the whole is the node without a name."""
    node = data.get("node", "")
    if word == "stopping":
        kept = data.get("keep", [])
        for path in list(where.waits):
            # A child is cancelled, or left, by itself: it is awaited until that is told.
            under = where.waits[path] != "child" and _is_under(path, node)
            if under and not any(_is_under(path, one) for one in kept):
                del where.waits[path]
        for path in [p for p in where.lists if _is_under(p, node)]:
            if not any(_is_under(path, one) for one in kept):
                del where.lists[path]
        if node == "" and data["cause"] in STOPPING:
            where.winding_up.add("stopping")
    elif word == "compensating" and node == "":
        where.winding_up.add("compensating")
    elif word == "stopped" and node == "":
        where.winding_up.discard("stopping")
    elif word == "compensated" and node == "":
        where.winding_up.discard("compensating")


def _is_under(path: str, part: str) -> bool:
    return part == "" or path == part or path.startswith((f"{part}/", f"{part}#", f"{part}@"))


class Follower:
    """Takes the facts of one commitment as they come: repeats change nothing.

    After a restore the engine tells anew what happened from some version on, in a higher
    incarnation: what a lower one told of these versions never happened.
    """

    def __init__(self, commitment: str) -> None:
        self.where = Where()
        self._commitment = commitment
        self._facts: dict[int, BaseCloudEvent] = {}

    def take(self, event: BaseCloudEvent) -> bool:
        """Whether it was news."""
        if event.get_extension("commitmentid") != self._commitment:
            return False
        version, incarnation = _number(event, "commitmentversion"), _number(event, "incarnation")
        known = self._facts.get(version)
        newest = max((_number(e, "incarnation") for e in self._facts.values()), default=0)
        if incarnation < newest or (known and _number(known, "incarnation") == incarnation):
            return False
        if incarnation > newest:
            self._facts = {v: e for v, e in self._facts.items() if v < version}
        self._facts[version] = event
        self.where = Where()
        for one in sorted(self._facts):
            fold(self.where, self._facts[one])
        return True


def _number(event: BaseCloudEvent, name: str) -> int:
    return int(event.get_extension(name))


def read(headers: Any, key: bytes | None, value: bytes | None) -> BaseCloudEvent:
    """A record of the topic as the SDK reads it."""
    return from_kafka_event(KafkaMessage(headers=dict(headers), key=key, value=value or b""))


async def main(topic: str, commitment: str) -> None:
    """Read the topic from its beginning, until the commitment has ended and owes nothing."""
    server, _, name = topic.removeprefix("kafka://").partition("/")
    consumer = AIOKafkaConsumer(
        name, bootstrap_servers=server, auto_offset_reset="earliest", enable_auto_commit=False
    )
    follower = Follower(commitment)
    await consumer.start()
    try:
        async for record in consumer:
            event = read(record.headers, record.key, record.value)
            if follower.take(event):
                where = follower.where
                steps = ", ".join(where.steps)
                print(f"{event.get_time()}  {event.get_type()}  {where.status}  {steps}")
            if follower.where.ended and not follower.where.debts:
                return
    finally:
        await consumer.stop()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

"""What is published of the log: facts, commands and dead letters as records. Pure.

The same event gives the same bytes, however often it is published.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import orjson

from consumers.envelope import rfc3339
from consumers.facts import CONTENT_TYPE, Origin, fact_of, record_of
from domain.outbox import Letter, Message, Offer, Row

__all__ = ["FORM", "Publishing", "Topics"]

Json = Any
FORM = 1
"""Of the messages to participants (docs/format.md)."""
SPARE_FROM_BYTES = 4_096
"""Every topic takes a fact that is smaller; a larger one can also be told without its data."""
PUSHED_LEASE_S = 30
"""How long a worker may be silent about a pushed command once it said that it started."""
LETTER = "troth.dead_letter"
_JSON = (("content-type", b"application/json"),)
_CLOUD = (("content-type", CONTENT_TYPE.encode()),)


@dataclass(frozen=True, slots=True)
class Topics:
    """Names of topics. Commands of a participant go to `commands` and its name."""

    facts: str
    commands: str
    replies: str
    dead_letters: str


@dataclass(frozen=True, slots=True)
class Publishing:
    """How records are made.

    `participants` are served over Kafka; those in `journals` have a journal that all their workers
    share, so what needs no start may be pushed to them. `source` is that of the engine's facts,
    `store` and `incarnation` those of the database.
    """

    topics: Topics
    source: str
    store: str
    incarnation: int
    participants: Collection[str] = ()
    journals: Collection[str] = ()

    def fact(self, row: Row, state: Json) -> Message | None:
        """The fact that an event tells; None where it tells none."""
        origin = Origin(row.stream, row.version, row.lane, row.position, self.incarnation)
        found = fact_of(row.topic, state, origin, source=self.source)
        if found is None:
            return None
        key, headers, value = record_of(found)
        if len(value) < SPARE_FROM_BYTES:
            return Message(self.topics.facts, key, value, headers)
        bare = {name: part for name, part in found.items() if name != "data"}
        _, _, short = record_of(bare)
        spare = Message(self.topics.facts, key, short, headers)
        return Message(self.topics.facts, key, value, headers, spare)

    def may_push(self, offer: Offer) -> bool:
        """Whether its worker may act on the command as it reads it."""
        return not offer.needs_start and offer.participant in self.journals

    def command(self, offer: Offer, *, is_pushed: bool) -> Message:
        """All that a worker needs to act at once; or only word that there is work to claim."""
        bell = self._message(offer, {
            "form": FORM, "effect": offer.effect, "participant": offer.participant,
            "contract": offer.contract, "commitment": str(offer.stream),
        })  # fmt: skip
        if not is_pushed:
            return bell
        claim = {
            **offer.body, "token": f"{self.incarnation}.{offer.lane}.{offer.position}.0",
            "started": True, "lease_s": PUSHED_LEASE_S, "deadline": None,
        }  # fmt: skip
        reply = {"topic": self.topics.replies, "partition": offer.lane}
        body = {"form": FORM, "push": True, "claim": claim, "reply": reply}
        return self._message(offer, body, bell)

    def _message(self, offer: Offer, body: Json, spare: Message | None = None) -> Message:
        topic = f"{self.topics.commands}{offer.participant}"
        return Message(topic, str(offer.stream).encode(), orjson.dumps(body), _JSON, spare)

    def letter(self, letter: Letter) -> Message:
        """A dead letter as a CloudEvent; one id however often it is published."""
        try:
            raw: Json = letter.raw.decode("utf-8")
        except UnicodeDecodeError:
            raw = {"base64": b64encode(letter.raw).decode("ascii")}
        data = {
            "id": letter.id, "tenant": letter.tenant, "source": letter.source,
            "event_id": letter.event_id, "code": letter.code, "detail": letter.detail,
        }  # fmt: skip
        event = {
            "specversion": "1.0", "id": f"{self.store}.{letter.id}", "source": self.source,
            "type": LETTER, "time": rfc3339(letter.at_us), "tenantid": letter.tenant,
            "datacontenttype": "application/json",
        }  # fmt: skip
        key = letter.source.encode()
        spare = orjson.dumps({**event, "data": data})
        value = orjson.dumps({**event, "data": {**data, "raw": raw}})
        topic = self.topics.dead_letters
        return Message(topic, key, value, _CLOUD, Message(topic, key, spare, _CLOUD))

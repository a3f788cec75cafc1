"""Records as requests: who asks, for which tenant, and what becomes a dead letter."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from consumers.reading import ReadAs, of_event, of_reply
from domain.ports import Cursor
from domain.requests import Publish, RepliesRequest, StartsRequest
from domain.source import Arrival, Part

STRUCTURED = [("content-type", b"application/cloudevents+json")]
EVENT = {"specversion": "1.0", "id": "e1", "source": "urn:shop", "type": "order.placed", "data": {}}


def arrival(body: Any, headers: Any = STRUCTURED) -> Arrival:
    value = body if isinstance(body, bytes) else orjson.dumps(body)
    cursor = Cursor("t.events", "id", 3, 8, bytes(32))
    return Arrival(Part("t.events", 3), cursor, 1_000, None, value, headers)


def test_the_source_asks_for_the_tenant_that_the_event_names() -> None:
    (found,) = of_event(arrival({**EVENT, "tenantid": "north"}), ReadAs())
    assert isinstance(found.request, Publish)
    assert found.request.event["id"] == "e1"
    assert (found.asked.tenant, found.asked.actor) == ("north", "urn:shop")
    assert (found.accepted_us, found.cursor.offset) == (1_000, 8)


@pytest.mark.parametrize(
    ("who", "tenant", "fault"),
    [
        (ReadAs(), None, "event.tenant"),
        (ReadAs(tenant="south"), None, None),
        (ReadAs(tenants=("north",)), "south", "event.foreign_tenant"),
        (ReadAs(tenants=("north",), tenant="south"), None, "event.foreign_tenant"),
        (ReadAs(tenants=("north",)), "north", None),
    ],
)
def test_which_tenants_may_come(who: ReadAs, tenant: str | None, fault: str | None) -> None:
    named = {} if tenant is None else {"tenantid": tenant}
    (found,) = of_event(arrival({**EVENT, **named}), who)
    assert (found.fault and found.fault[0]) == fault
    assert (found.request is None) == (fault is not None)


def test_what_is_no_event_says_where_it_lies() -> None:
    (found,) = of_event(arrival(b"\xff"), ReadAs(tenant="north"))
    assert found.fault is not None
    assert found.fault[1].endswith("(t.events/3 at 7)")
    assert (found.asked.tenant, found.raw) == ("north", b"\xff")


def test_what_started_comes_before_the_replies_beside_it() -> None:
    reply = {
        "effect": "ab" * 32, "attempt": 1, "token": "1.0.7.0", "kind": "do", "outcome": "done",
        "commitment": "5b1c9e07-0000-8000-8000-000000000000",
    }  # fmt: skip
    begun = {"effect": "cd" * 32, "token": "1.0.9.0", "attempt": 1}
    told = {"form": 1, "worker": "w", "replies": [reply, {"started": begun}]}
    first, second = of_reply(arrival(told), ReadAs())
    assert isinstance(first.request, StartsRequest)
    assert first.request.items == ({"effect": "cd" * 32, "token": "1.0.9.0"},)
    assert isinstance(second.request, RepliesRequest)
    assert second.request.items == (reply,)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"7", b'{"worker": "w", "replies": {}}', b'{"worker": "w"}',
             b'{"worker": "w", "starts": [{"effect": 1}]}', b"x" * 1_100_000],
)  # fmt: skip
def test_what_is_no_reply_is_a_fault(body: bytes) -> None:
    (found,) = of_reply(arrival(body), ReadAs())
    assert found.fault is not None

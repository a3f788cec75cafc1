"""Double starts: deliver and queue; what a commitment leaves untaken starts anew (section 6)."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from domain import messages as msg
from domain.events import WaitOpened
from domain.folds.waits import LISTENED_KEYS_MAX
from domain.ids import key_id
from tests.semantics.family import Family
from tests.semantics.language import branch, given, race, saga, sleep, step, wait
from tests.semantics.world import TTL_US

Json = Any
DAY_US = 86_400_000_000
EVENTS = {t: {"version": 1, "schema": {}, "key": "id"} for t in ("applied", "signed")}


def sale(*flow: Json, running: str = "refuse", finished: str = "refuse") -> Json:
    return saga(
        *flow, saga="sale", events=EVENTS,
        double_start={"running": running, "finished": finished},
        starts_on=[{"event": "applied", "input": "event.data"}],
    )  # fmt: skip


class Market(Family):
    """Events arrive as the engine lets them: first what they start, then their key's stream."""

    def __init__(self, document: Json) -> None:
        super().__init__(document)
        self.arrived = 0

    def happens(self, type_: str) -> Json:
        self.arrived += 1
        event = {
            "id": f"e{self.arrived}", "source": "test", "type": type_, "data": {"id": "acme"},
            "time": "2026-01-01T00:00:00Z",
        }  # fmt: skip
        takers = None
        outcome: Json = {}
        if type_ == "applied":
            outcome = self.start("sale", event["data"], event=event)
            taken = outcome.get("created") or outcome.get("code") == "start.queued"
            takers = [["sale", "acme"]] if taken else None
        self.send(key_id("north", "acme"), msg.Arrive("north", "acme", event, TTL_US, takers))
        return outcome.get("code")

    def runs(self) -> list[str | None]:
        found: list[str | None] = []
        while (status := self.status("sale", len(found) + 1)) is not None:
            found.append(status)
        return found


def test_queue_begins_the_next_run_when_the_one_before_has_ended() -> None:
    m = Market(sale(step("pay"), running="queue"))
    assert [m.happens("applied") for _ in range(3)] == [None, "start.queued", "start.queued"]
    assert m.runs() == ["open"]
    m.done("pay")
    assert m.runs() == ["fulfilled", "open"]
    m.failed("pay", "no")
    assert m.runs() == ["fulfilled", "failed business:no", "open"]


def test_a_queued_event_is_taken_by_its_start_and_by_no_wait_of_the_running_one() -> None:
    m = Market(sale(wait("again", "applied", within="9d"), running="queue"))
    m.happens("applied")
    assert m.happens("applied") == "start.queued"
    assert m.runs() == ["waiting"]


def test_deliver_gives_the_event_to_the_running_commitment() -> None:
    m = Market(sale(wait("more", "applied", within="9d"), step("pay"), running="deliver"))
    m.happens("applied")
    assert m.happens("applied") == "start.delivered"
    assert m.runs() == ["open"]
    assert m.of("sale").frames[""]["events"]["more"]["id"] == "e2"


def test_deliver_refuses_a_start_that_is_no_event() -> None:
    m = Market(sale(step("pay"), running="deliver"))
    m.happens("applied")
    assert m.start("sale")["code"] == "start.conflict"


def test_what_was_delivered_and_not_taken_starts_anew_at_the_end() -> None:
    m = Market(sale(step("pay"), running="deliver", finished="allow"))
    m.happens("applied")
    m.happens("applied")
    m.done("pay")
    assert m.runs() == ["fulfilled", "open"]
    m.done("pay")
    assert m.runs() == ["fulfilled", "fulfilled"], "each event starts one run, not one at every end"


def test_it_starts_anew_under_the_policy_for_finished_ones() -> None:
    m = Market(sale(step("pay"), running="deliver", finished="after_failure"))
    m.happens("applied")
    m.happens("applied")
    m.done("pay")
    assert m.runs() == ["fulfilled"]


def test_only_types_that_start_the_saga_start_anew_the_rest_stays_parked() -> None:
    flow = wait("first", "signed", within="9d"), step("pay")
    m = Market(sale(*flow, running="deliver", finished="allow"))
    m.happens("applied")
    m.happens("signed")
    m.happens("signed")
    m.done("pay")
    assert m.runs() == ["fulfilled"]
    kept = m.states[key_id("north", "acme")].kept
    assert [(k.event["id"], k.reason) for k in kept.values() if not k.takers] == [
        ("e3", "finished")
    ]


def test_what_a_run_left_and_the_next_one_takes_is_taken_once() -> None:
    """Two were left: the first opens the next run, the second is delivered to it."""
    m = Market(sale(step("pay"), wait("more", "applied", within="9d"), step("ship"),
                    running="deliver", finished="after_failure"))  # fmt: skip
    for _ in range(3):
        m.happens("applied")
    m.failed("pay", "no")
    assert m.runs() == ["failed business:no", "open"]
    m.done("pay")
    assert m.of("sale", 2).start["id"] == "e2"
    assert m.of("sale", 2).frames[""]["events"]["more"]["id"] == "e3"


LEFT = wait("first", "signed", within="1d", on_expiry="continue")


def test_what_comes_after_the_end_is_parked_as_finished_where_a_wait_had_expired() -> None:
    m = Market(sale(LEFT, step("pay")))
    m.happens("applied")
    m.pass_time(DAY_US)
    assert not m.of("sale").subs
    m.done("pay")
    m.happens("signed")
    kept = m.states[key_id("north", "acme")].kept
    assert [k.reason for k in kept.values() if k.event["type"] == "signed"] == ["finished"]


def test_what_a_run_left_where_a_wait_was_given_up_starts_anew() -> None:
    """The event is delivered nowhere: it came while the saga did not listen to its key any more."""
    either = race("reply", branch("came", on=wait("late", "applied", "'other'")),
                  branch("over", on=sleep("pause", "1d")))  # fmt: skip
    m = Market(sale(either, step("pay"), finished="allow"))
    m.start("sale")
    m.pass_time(DAY_US)
    other = key_id("north", "other")
    event = {"id": "e9", "source": "test", "type": "applied", "data": {"id": "acme"},
             "time": "2026-01-01T00:00:00Z"}  # fmt: skip
    m.send(other, msg.Arrive("north", "other", event, TTL_US))
    m.done("pay")
    assert m.runs() == ["fulfilled", "waiting"]
    assert m.of("sale", 2).start["id"] == "e9"


def test_of_the_keys_that_it_left_those_listened_to_last_are_remembered() -> None:
    """As many as LISTENED_KEYS_MAX says, whatever order a snapshot has them in."""
    events: list[Json] = []
    at = {"originator_id": UUID(int=1), "timestamp": datetime(2026, 1, 1, tzinfo=UTC), "ctx": {}}
    c = given(sale(step("pay"))).w.now.fork()
    for n in range(LISTENED_KEYS_MAX + 2):
        opened: Any = WaitOpened
        key = f"k{0 if n == LISTENED_KEYS_MAX else n}"  # the first one once more
        events.append(opened(node="first", key=key, types=["signed"], due_us=None, early=None,
                             originator_version=c.version + 1 + n, **at))  # fmt: skip
        c.evolve(events[-1])
    assert len(c.listened) == LISTENED_KEYS_MAX
    assert "k0" in c.listened
    assert "k1" not in c.listened

"""What every store promises, one test a sentence. An adapter's test class inherits it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

import pytest
from eventsourcing.persistence import StoredEvent

from domain.chain import GENESIS, event_hash, lane_chain
from domain.errors import Refusal
from domain.messages import Arrive, Decide, Mail
from domain.ports import DeadLetter, LaneLost, LaneWrite, Receipt, SnapshotRow, Store, StoreFailed
from tests.contract.store_world import (
    CTX,
    World,
    ask,
    commit,
    event,
    events,
    mail,
    step_row,
    stream,
)


class StoreCase(ABC):
    """A fresh store for each test."""

    @abstractmethod
    def make_world(self, place: Path) -> World:
        """A world whose files, if any, lie in `place`."""

    @pytest.fixture
    def world(self, tmp_path: Path) -> World:
        return self.make_world(tmp_path)

    @pytest.fixture
    def store(self, world: World) -> Iterator[Store]:
        opened = world.open()
        yield opened
        opened.close()


class LaneContract(StoreCase):
    """The lane row decides every transaction."""

    def test_a_new_lane_is_empty(self, store: Store) -> None:
        belief = store.belief(0)
        assert (belief.head, belief.chain, belief.clock_us) == (0, GENESIS, 0)
        assert belief.incarnation == 1

    def test_positions_and_head_follow_the_events_without_a_gap(
        self, world: World, store: Store
    ) -> None:
        commit(store, events(event("a", 1), event("b", 1), event("a", 2)))
        after = commit(store, events(event("c", 1)))
        assert after.head == 4
        assert store.belief(0) == after
        a, b, c = stream("a"), stream("b"), stream("c")
        assert world.log(0) == [(1, a, 1), (2, b, 1), (3, a, 2), (4, c, 1)]

    def test_the_chain_goes_over_every_event_of_the_lane(self, store: Store) -> None:
        first, second = event("a", 1, b'{"n":1}'), event("b", 1, b'{"n":2}')
        chain = GENESIS
        for position, one in enumerate((first, second), 1):
            known = event_hash(GENESIS, stream("ab"[position - 1]).bytes, 1, one.topic, one.state)
            chain = lane_chain(chain, position, known)
        assert commit(store, events(first, second)).chain == chain

    def test_an_empty_transaction_checks_the_lane_too(self, world: World, store: Store) -> None:
        belief = store.belief(0)
        world.take_over(0)
        with pytest.raises(LaneLost):
            store.begin(belief)

    def test_a_writer_with_an_old_head_loses(self, store: Store) -> None:
        old = store.belief(0)
        commit(store, events(event("a", 1)))
        with pytest.raises(LaneLost):
            store.begin(old)
        assert store.belief(0).head == 1

    def test_a_lost_transaction_leaves_the_store_ready_for_the_next(
        self, world: World, store: Store
    ) -> None:
        old = store.belief(0)
        world.take_over(0)
        with pytest.raises(LaneLost):
            store.begin(old)
        assert commit(store, events(event("a", 1))).head == 1

    def test_opening_claims_the_lane_by_a_higher_epoch(self, world: World) -> None:
        first = world.open()
        before = first.belief(0)
        commit(first, events(event("a", 1)))
        first.close()
        second = world.open()
        after = second.belief(0)
        second.close()
        assert after.epoch > before.epoch
        assert after.head == 1

    def test_the_clock_of_the_lane_never_goes_back(self, store: Store) -> None:
        assert commit(store, LaneWrite(), clock_us=50).clock_us == 50
        assert commit(store, LaneWrite(), clock_us=40).clock_us == 50

    def test_nothing_of_a_rolled_back_transaction_remains(self, world: World, store: Store) -> None:
        write = events(event("a", 1))
        write.inbox.append(mail("a"))
        transaction = store.begin(store.belief(0))
        transaction.write(write, clock_us=9)
        transaction.rollback()
        transaction.rollback()
        assert world.log(0) == []
        assert len(world.values("inbox", "id")) == 0
        assert store.belief(0).clock_us == 0

    def test_nothing_is_visible_before_the_commit(self, world: World, store: Store) -> None:
        transaction = store.begin(store.belief(0))
        transaction.write(events(event("a", 1)), clock_us=1)
        assert world.log(0) == []
        transaction.commit()
        assert len(world.log(0)) == 1

    def test_a_version_that_exists_is_an_alarm(self, store: Store) -> None:
        commit(store, events(event("a", 1)))
        transaction = store.begin(store.belief(0))
        with pytest.raises(StoreFailed) as failed:
            transaction.write(events(event("a", 1)), clock_us=1)
        transaction.rollback()
        assert failed.value.alias == "store.failed"
        assert store.belief(0).head == 1

    def test_a_batch_can_be_written_in_parts(self, store: Store) -> None:
        transaction = store.begin(store.belief(0))
        transaction.write(events(event("a", 1)), clock_us=1)
        (after,) = transaction.write(events(event("b", 1)), clock_us=2)
        transaction.commit()
        assert store.belief(0) == after
        assert after.head == 2


class StreamContract(StoreCase):
    """Streams are read back as they were written."""

    def test_a_stream_nobody_wrote_is_empty(self, store: Store) -> None:
        found = ask(store, lambda t: t.load(stream("a")))
        assert (found.snapshot, list(found.events), found.version) == (None, [], 0)
        assert found.hash == GENESIS

    def test_a_stream_is_loaded_in_the_order_of_its_versions(self, store: Store) -> None:
        wanted = [event("a", n, b'{"n":%d}' % n) for n in (1, 2, 3)]
        commit(store, events(wanted[0], event("b", 1), *wanted[1:]))
        found = ask(store, lambda t: t.load(stream("a")))
        assert list(found.events) == wanted
        assert found.version == 3

    def test_the_hash_of_a_stream_is_that_of_its_last_event(self, store: Store) -> None:
        write = events(event("a", 1, b"1"), event("a", 2, b"2"))
        commit(store, write)
        found = ask(store, lambda t: t.load(stream("a")))
        last = write.events[1]
        assert found.hash == event_hash(
            write.prevs[1], stream("a").bytes, 2, last.topic, last.state
        )

    def test_a_transaction_reads_what_it_wrote(self, store: Store) -> None:
        transaction = store.begin(store.belief(0))
        transaction.write(events(event("a", 1)), clock_us=1)
        assert transaction.load(stream("a")).version == 1
        transaction.rollback()

    def test_a_snapshot_stands_for_the_events_up_to_it(self, store: Store) -> None:
        write = events(event("a", 1), event("a", 2))
        kept = StoredEvent(stream("a"), 2, "snapshot", b'{"s":2}')
        write.snapshots.append(SnapshotRow(kept, b"h" * 32))
        commit(store, write)
        found = ask(store, lambda t: t.load(stream("a")))
        assert (found.snapshot, list(found.events)) == (kept, [])
        assert (found.version, found.hash) == (2, b"h" * 32)

    def test_events_after_a_snapshot_are_loaded_with_it(self, store: Store) -> None:
        write = events(event("a", 1), event("a", 2), event("a", 3))
        kept = StoredEvent(stream("a"), 2, "snapshot", b"{}")
        write.snapshots.append(SnapshotRow(kept, write.prevs[2]))
        commit(store, write)
        found = ask(store, lambda t: t.load(stream("a")))
        assert [e.originator_version for e in found.events] == [3]
        assert found.version == 3

    def test_only_the_newest_snapshot_of_a_stream_is_kept(self, world: World, store: Store) -> None:
        for version in (1, 2):
            write = events(event("a", version), after=b"p" * 32)
            kept = StoredEvent(stream("a"), version, "snapshot", b"%d" % version)
            write.snapshots.append(SnapshotRow(kept, b"h" * 32))
            commit(store, write)
        assert len(world.values("snapshots", "hash")) == 1
        assert ask(store, lambda t: t.load(stream("a"))).snapshot.state == b"2"

    def test_every_byte_of_a_state_comes_back(self, store: Store) -> None:
        state = '{"name":"Zoë 🜁","nul":"\\u0000"}'.encode()
        commit(store, events(event("a", 1, state)))
        assert ask(store, lambda t: t.load(stream("a"))).events[0].state == state


class ReceiptContract(StoreCase):
    """An acceptance is recorded once."""

    def test_an_id_that_was_never_accepted_has_no_receipt(self, store: Store) -> None:
        assert ask(store, lambda t: t.receipt("north", "crm", "1")) is None

    def test_a_receipt_is_found_by_tenant_source_and_id(self, store: Store) -> None:
        wanted = Receipt("north", "crm", "1", b"d" * 32, 1, 77, {"id": "1"})
        other = Receipt("south", "crm", "1", b"e" * 32, 2, 78)
        commit(store, LaneWrite(receipts=[wanted, other]))
        assert ask(store, lambda t: t.receipt("north", "crm", "1")) == wanted
        assert ask(store, lambda t: t.receipt("south", "crm", "1")) == other
        assert ask(store, lambda t: t.receipt("north", "web", "1")) is None

    def test_an_outcome_is_added_once_it_is_known(self, store: Store) -> None:
        commit(store, LaneWrite(receipts=[Receipt("north", "crm", "1", b"d" * 32, 1, 77)]))
        commit(store, LaneWrite(outcomes=[(1, {"status": "open"})]))
        found = ask(store, lambda t: t.receipt("north", "crm", "1"))
        assert found.outcome == {"status": "open"}

    def test_roots_are_never_given_out_twice(self, store: Store) -> None:
        transaction = store.begin(store.belief(0))
        roots = [transaction.next_root() for _ in range(3)]
        receipts = [Receipt("north", "crm", str(r), b"d" * 32, r, 1) for r in roots]
        transaction.write(LaneWrite(receipts=receipts), clock_us=1)
        transaction.commit()
        later = ask(store, lambda t: t.next_root())
        assert len({*roots, later}) == 4
        assert later > max(roots)

    def test_a_root_in_waiting_mail_is_not_given_out_again(self, store: Store) -> None:
        commit(store, LaneWrite(inbox=[mail("a", root=41)]))
        assert ask(store, lambda t: t.next_root()) == 42


class InboxContract(StoreCase):
    """Mail waits in order until it is consumed."""

    def test_mail_comes_back_whole_and_in_order(self, store: Store) -> None:
        arrive = Arrive("north", "acme", {"id": "1", "data": {"x": [1, None]}}, 5)
        sent = [
            mail("a"),
            Mail(stream("a"), "north", arrive, CTX, 9, root=3),
            Mail(stream("b"), "north",
                 Decide("a1", "approve", "d", "ann", "human", ("legal",)), CTX, 10),
        ]  # fmt: skip
        commit(store, LaneWrite(inbox=list(sent)))
        rows = ask(store, lambda t: t.inbox(10))
        assert [row.item for row in rows] == sent
        assert [row.tries for row in rows] == [0, 0, 0]
        assert [row.id for row in rows] == sorted(row.id for row in rows)

    def test_consumed_mail_is_gone(self, store: Store) -> None:
        commit(store, LaneWrite(inbox=[mail("a"), mail("b")]))
        first, second = ask(store, lambda t: t.inbox(10))
        commit(store, LaneWrite(inbox_done=[first.id]))
        assert [row.id for row in ask(store, lambda t: t.inbox(10))] == [second.id]

    def test_mail_that_is_gone_cannot_be_consumed_again(self, store: Store) -> None:
        commit(store, LaneWrite(inbox=[mail("a")]))
        (row,) = ask(store, lambda t: t.inbox(10))
        commit(store, LaneWrite(inbox_done=[row.id]))
        transaction = store.begin(store.belief(0))
        with pytest.raises(LaneLost):
            transaction.write(LaneWrite(inbox_done=[row.id]), clock_us=1)
        transaction.rollback()

    def test_tries_are_counted_and_taken_back_but_never_below_none(self, store: Store) -> None:
        commit(store, LaneWrite(inbox=[mail("a"), mail("b")]))
        a, b = (row.id for row in ask(store, lambda t: t.inbox(10)))
        for tries in (1, 2):
            commit(store, LaneWrite(inbox_tried=[a]))
            assert ask(store, lambda t: t.inbox(10))[0].tries == tries
        store.take_back_tries([0], [a, b, b + 1])
        assert [row.tries for row in ask(store, lambda t: t.inbox(10))] == [1, 0]

    def test_no_tenant_keeps_the_others_waiting(self, store: Store) -> None:
        many = [mail(f"n{n}", tenant="north") for n in range(50)]
        commit(store, LaneWrite(inbox=[*many, mail("s", tenant="south")]))
        rows = ask(store, lambda t: t.inbox(10))
        assert len(rows) == 10
        assert [row.item.tenant for row in rows] == ["north"] * 9 + ["south"]

    def test_mail_of_one_stream_is_never_overtaken(self, store: Store) -> None:
        letters = [
            mail(name, tenant=tenant, due_us=n)
            for n in range(20)
            for name, tenant in (("a", "north"), ("b", "south"))
        ]
        commit(store, LaneWrite(inbox=letters))
        rows = ask(store, lambda t: t.inbox(10))
        for name in ("a", "b"):
            due = [row.item.message.due_us for row in rows if row.item.stream == stream(name)]
            assert due == list(range(5))

    def test_mail_of_a_parked_stream_waits_until_it_is_released(self, store: Store) -> None:
        parked = [(stream("a"), "north", "internal.fault", "it raised")]
        commit(store, LaneWrite(inbox=[mail("a"), mail("b")], parked_streams=parked))
        assert [s for s, _ in ask(store, lambda t: t.parked())] == [stream("a")]
        rows = ask(store, lambda t: t.inbox(10))
        assert [row.item.stream for row in rows] == [stream("b")]
        commit(store, LaneWrite(released_streams=[stream("a")]))
        rows = ask(store, lambda t: t.inbox(10))
        assert [row.item.stream for row in rows] == [stream("a"), stream("b")]
        assert ask(store, lambda t: t.parked()) == []


class TimerContract(StoreCase):
    """A stream has one next wake-up."""

    def test_due_timers_come_earliest_first(self, store: Store) -> None:
        a, b, c = stream("a"), stream("b"), stream("c")
        commit(store, LaneWrite(timers={a: 30, b: 10, c: 20}))
        assert ask(store, lambda t: t.due_timers(20, 10)) == [(b, 10), (c, 20)]
        assert ask(store, lambda t: t.due_timers(30, 1)) == [(b, 10)]
        assert store.next_due_us(0) == 10

    def test_a_stream_has_one_wake_up_that_can_be_moved_or_taken_off(self, store: Store) -> None:
        commit(store, LaneWrite(timers={stream("a"): 30}))
        commit(store, LaneWrite(timers={stream("a"): 50}))
        assert store.next_due_us(0) == 50
        commit(store, LaneWrite(timers={stream("a"): None}))
        assert store.next_due_us(0) is None

    def test_a_parked_stream_is_not_woken(self, store: Store) -> None:
        parked = [(stream("a"), "north", "internal.fault", "it raised")]
        commit(store, LaneWrite(timers={stream("a"): 10}, parked_streams=parked))
        assert ask(store, lambda t: t.due_timers(99, 10)) == []
        assert store.next_due_us(0) is None


class ViewContract(StoreCase):
    """View rows, definitions and dead letters are written with the batch."""

    def test_a_view_row_is_written_only_if_it_is_newer(self, world: World, store: Store) -> None:
        commit(store, LaneWrite(views=[step_row("a", 2)]))
        commit(store, LaneWrite(views=[step_row("a", 1, tenant="wrong")]))
        commit(store, LaneWrite(views=[step_row("a", 2, tenant="wrong")]))
        assert self.tenants(world) == ["north"]
        commit(store, LaneWrite(views=[step_row("a", 3, tenant="south")]))
        assert self.tenants(world) == ["south"]

    def test_a_view_row_can_be_deleted_and_written_again_in_one_batch(
        self, world: World, store: Store
    ) -> None:
        commit(store, LaneWrite(views=[step_row("a", 5)]))
        gone = step_row("a", 5)
        gone = type(gone)(gone.table, gone.key, None)
        commit(store, LaneWrite(views=[gone, step_row("a", 1, tenant="west")]))
        assert self.tenants(world) == ["west"]

    def test_a_definition_is_kept_as_it_was_registered(self, store: Store) -> None:
        document = b'{"saga": "loan",  "version": 1}'
        ask(store, lambda t: t.register(
            document, hash=b"h" * 32, saga="loan", version=1, by="ann", now_us=1))  # fmt: skip
        assert list(store.definitions()) == [(b"h" * 32, document)]

    def test_a_version_cannot_get_another_definition(self, store: Store) -> None:
        def register(content: bytes) -> None:
            ask(store, lambda t: t.register(
                content, hash=content * 32, saga="loan", version=1, by="ann",
                now_us=1))  # fmt: skip

        register(b"a")
        register(b"a")
        transaction = store.begin(store.belief(0))
        with pytest.raises(Refusal) as refused:
            transaction.register(b"b", hash=b"b" * 32, saga="loan", version=1, by="a", now_us=1)
        transaction.rollback()
        assert refused.value.alias == "def.version_taken"
        assert len(list(store.definitions())) == 1

    def test_the_same_dead_letter_again_is_counted_not_kept_twice(
        self, world: World, store: Store
    ) -> None:
        letter = DeadLetter("north", "crm", "1", "event.schema", "wrong", b"raw", 5)
        other = DeadLetter("north", "crm", "1", "event.schema", "wrong", b"other", 5)
        commit(store, LaneWrite(dead_letters=[letter]))
        commit(store, LaneWrite(dead_letters=[letter, other]))
        assert len(world.values("dead_letters", "id")) == 2

    def tenants(self, world: World) -> list[str]:
        return world.values("current_steps", "tenant")


class StoreContract(
    LaneContract, StreamContract, ReceiptContract, InboxContract, TimerContract, ViewContract
):
    """All of the above."""

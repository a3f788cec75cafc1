"""What of the store on PostgreSQL only several lanes, or several processes, show."""

from collections.abc import Iterator
from typing import Any

import pytest

from adapters.postgres import PostgresStore, Told
from domain.ids import lane_of
from domain.ports import (
    Asked,
    ClaimAsk,
    Cursor,
    LaneLost,
    LaneWrite,
    Passed,
    PassedAnswer,
    Receipt,
    Reply,
    StoreConflict,
    StoreFailed,
)
from domain.requests import StartRequest
from tests.contract.postgres_world import PostgresWorld, beliefs, emptied, in_lane, shared
from tests.contract.store_world import (
    SECOND,
    commit,
    dispatch,
    effect,
    event,
    events,
    mail,
    step_row,
    stream,
)
from tests.servers import Databases

ASKED = Asked("north", "ann", "human", ("operator",))


@pytest.fixture(scope="module")
def shared_four(databases: Databases) -> Iterator[str]:
    yield from shared(databases, 4)


@pytest.fixture
def url_of_four(shared_four: str) -> str:
    return emptied(shared_four)


@pytest.fixture
def world(url_of_four: str) -> PostgresWorld:
    return PostgresWorld(url_of_four)


@pytest.fixture
def store(world: PostgresWorld) -> Iterator[PostgresStore]:
    with_all = world.open()
    yield with_all
    with_all.close()


def test_events_of_several_lanes_are_one_transaction(
    world: PostgresWorld, store: PostgresStore
) -> None:
    names = [in_lane(lane) for lane in range(4)]
    before = beliefs(store)
    transaction = store.begin(*before)
    after = transaction.write(events(*[event(n, 1) for n in names], event(names[2], 2)), clock_us=7)
    assert [world.log(lane) for lane in range(4)] == [[], [], [], []]
    transaction.commit()
    assert [(b.lane, b.head, b.clock_us) for b in after] == [
        (0, 1, 7),
        (1, 1, 7),
        (2, 2, 7),
        (3, 1, 7),
    ]
    assert beliefs(store) == list(after)
    assert world.log(2) == [(1, stream(names[2]), 1), (2, stream(names[2]), 2)]


@pytest.mark.parametrize("count", [1, 19, 20, 500])
def test_small_and_large_batches_are_read_back_alike(store: PostgresStore, count: int) -> None:
    name = in_lane(1)
    wanted = [event(name, n, b'{"n":%d}' % n, f"topic.{n}") for n in range(1, count + 1)]
    write = events(*wanted)
    transaction = store.begin(*beliefs(store))
    transaction.write(write, clock_us=1)
    transaction.commit()
    transaction = store.begin()
    assert list(transaction.load(stream(name)).events) == wanted
    transaction.rollback()


def test_one_lost_lane_loses_the_transaction_and_is_named(
    world: PostgresWorld, store: PostgresStore
) -> None:
    before = beliefs(store)
    world.take_over(2)
    with pytest.raises(LaneLost, match="lane 2 "):
        store.begin(*before)
    transaction = store.begin(*before[:2])
    transaction.write(events(event(in_lane(0), 1)), clock_us=1)
    transaction.commit()
    assert len(world.log(0)) == 1


def test_events_for_a_lane_that_is_not_held_are_refused(store: PostgresStore) -> None:
    transaction = store.begin(store.belief(0))
    with pytest.raises(StoreFailed, match="lives in lane 3"):
        transaction.write(events(event(in_lane(3), 1)), clock_us=1)
    transaction.rollback()
    assert store.belief(0).head == 0


def test_without_lanes_a_transaction_only_hands_on(
    world: PostgresWorld, store: PostgresStore
) -> None:
    receipt = Receipt("north", "crm", "1", b"d" * 32, 77, 5)
    letters = [mail(in_lane(lane), root=77) for lane in range(4)]
    transaction = store.begin()
    assert transaction.write(LaneWrite(receipts=[receipt], inbox=letters), clock_us=1) == []
    transaction.commit()
    lanes = [lane for (lane,) in world.rows("SELECT lane FROM inbox ORDER BY id")]
    assert lanes == [0, 1, 2, 3]
    transaction = store.begin(store.belief(1), store.belief(3))
    found = [row.item for row in transaction.inbox(10)]
    transaction.rollback()
    assert found == [letters[1], letters[3]]


def test_an_inbox_is_fair_by_tenant_over_all_lanes(store: PostgresStore) -> None:
    many = [mail(in_lane(n % 3, n)) for n in range(40)]
    transaction = store.begin()
    transaction.write(LaneWrite(inbox=[*many, mail(in_lane(3), tenant="south")]), clock_us=1)
    transaction.commit()
    transaction = store.begin(*beliefs(store))
    rows = transaction.inbox(10)
    transaction.rollback()
    assert [row.item.tenant for row in rows] == ["north"] * 9 + ["south"]


def test_a_request_is_passed_to_its_lane_and_its_answer_comes_back_once(
    store: PostgresStore,
) -> None:
    request = StartRequest(ASKED, "loan", {"amount": 5}, idempotency_key="k")
    passed = Passed(2, "p9", "ask-1", "north", request, 33)
    transaction = store.begin()
    transaction.write(LaneWrite(passed=[passed]), clock_us=1)
    transaction.commit()
    transaction = store.begin(store.belief(2))
    (row,) = transaction.inbox(5)
    assert row.item == passed
    answer = PassedAnswer("p9", "ask-1", {"status": "open"})
    transaction.write(LaneWrite(inbox_done=[row.id], answers=[answer]), clock_us=1)
    transaction.commit()
    assert list(store.answers("p1")) == []
    assert list(store.answers("p9")) == [answer]
    assert list(store.answers("p9")) == []


def test_mail_of_a_lane_that_is_not_held_cannot_be_consumed(store: PostgresStore) -> None:
    transaction = store.begin()
    transaction.write(LaneWrite(inbox=[mail(in_lane(1))]), clock_us=1)
    transaction.commit()
    transaction = store.begin(store.belief(1))
    (row,) = transaction.inbox(5)
    transaction.rollback()
    transaction = store.begin(store.belief(0))
    with pytest.raises(LaneLost):
        transaction.write(LaneWrite(inbox_done=[row.id]), clock_us=1)
    transaction.rollback()


def test_the_commit_tells_whom_it_concerns_elsewhere(world: PostgresWorld) -> None:
    told: list[Told] = []
    world.open().close()
    store = PostgresStore.open(world.url, process="p0", on_commit=told.append)
    write = LaneWrite(inbox=[mail(in_lane(0)), mail(in_lane(3))], offered=[dispatch(in_lane(0))])
    write.answers.append(PassedAnswer("p9", "a", {}))
    transaction = store.begin(store.belief(0))
    transaction.write(write, clock_us=1)
    assert told == []
    transaction.commit()
    assert told == [Told({3}, {"crm"}, {"p9"})]
    store.close()


def test_timers_and_sweeps_are_those_of_the_lanes_held(store: PostgresStore) -> None:
    names = [in_lane(lane) for lane in range(4)]
    transaction = store.begin(*beliefs(store))
    timers = {stream(name): 40 - lane for lane, name in enumerate(names)}
    offers = [dispatch(name, start_by_us=50 + lane) for lane, name in enumerate(names)]
    transaction.write(LaneWrite(timers=dict(timers), offered=offers), clock_us=1)
    transaction.commit()
    assert store.next_due_us(0, 1, 2, 3) == 37
    assert store.next_due_us(0, 1) == 39
    assert store.next_due_us() is None
    transaction = store.begin(store.belief(0), store.belief(1))
    due = transaction.due_timers(99, 10)
    overdue = transaction.sweep(now_us=99, limit=10)
    transaction.commit()
    assert due == [(stream(names[1]), 39), (stream(names[0]), 40)]
    assert sorted(one.dispatch.effect for one in overdue) == sorted(map(effect, names[:2]))


def test_a_receipt_that_another_process_wrote_first_is_a_conflict(
    world: PostgresWorld, store: PostgresStore
) -> None:
    other = PostgresStore.open(world.url, process="p2")
    receipt = Receipt("north", "crm", "1", b"d" * 32, 77, 5)
    mine = store.begin()
    assert mine.receipt("north", "crm", "1") is None
    theirs = other.begin()
    theirs.write(LaneWrite(receipts=[receipt]), clock_us=1)
    theirs.commit()
    with pytest.raises(StoreConflict):
        mine.write(LaneWrite(receipts=[Receipt("north", "crm", "1", b"d" * 32, 78, 6)]), clock_us=1)
    mine.rollback()
    again = store.begin()
    assert again.receipt("north", "crm", "1") == receipt
    again.rollback()
    other.close()


def test_a_registration_that_others_made_first_is_a_conflict(
    world: PostgresWorld, store: PostgresStore
) -> None:
    def register(transaction: Any, version: int) -> None:
        transaction.register(
            b"{}", hash=bytes([version]) * 32, saga="loan", version=version, by="ann", now_us=1
        )

    other = PostgresStore.open(world.url, process="p2")
    mine = store.begin()
    theirs = other.begin()
    register(theirs, 1)
    assert theirs.routing == 1
    theirs.commit()
    with pytest.raises(StoreConflict):
        register(mine, 2)
    mine.rollback()
    mine = store.begin()
    assert mine.routing == 1
    register(mine, 1)
    register(mine, 2)
    mine.commit()
    seen = other.begin()
    assert seen.routing == 2
    seen.rollback()
    other.close()


def test_two_processes_never_give_out_the_same_work(
    world: PostgresWorld, store: PostgresStore
) -> None:
    other = PostgresStore.open(world.url, process="p2")
    offers = [dispatch(f"n{n}", position=n + 1) for n in range(30)]
    transaction = store.begin(*beliefs(store))
    transaction.write(LaneWrite(offered=offers), clock_us=1)
    transaction.commit()
    wanted = ClaimAsk("crm", "w", ("crm/create@1",), 10, True)
    one, two = store.begin(), other.begin()
    first = one.claim(wanted, now_us=5, lease_us=SECOND)
    second = two.claim(wanted, now_us=5, lease_us=SECOND)
    one.commit()
    two.commit()
    assert len(first) == len(second) == 10
    assert not {c.dispatch.effect for c in first} & {c.dispatch.effect for c in second}
    lanes = {f"1.{lane_of(c.dispatch.stream, 4)}.{c.dispatch.position}.1" for c in first}
    assert {c.token for c in first} == lanes
    other.close()


def test_the_oldest_come_first_though_one_contract_has_most_of_them(store: PostgresStore) -> None:
    offers = [dispatch(f"a{n}", contract="crm/a@1", position=n + 1) for n in range(60)]
    offers += [dispatch(f"b{n}", contract="crm/b@1", position=n + 100) for n in range(60)]
    transaction = store.begin(*beliefs(store))
    transaction.write(LaneWrite(offered=offers), clock_us=1)
    wanted = ClaimAsk("crm", "w", ("crm/a@1", "crm/b@1", "crm/c@1"), 70, True)
    got = transaction.claim(wanted, now_us=5, lease_us=SECOND)
    transaction.rollback()
    assert [c.dispatch.position for c in got] == [*range(1, 61), *range(100, 110)]


def test_a_published_attempt_is_started_and_answered_with_reservation_0(
    world: PostgresWorld, store: PostgresStore
) -> None:
    names = [in_lane(0, n) for n in range(3)]
    offers = [dispatch(names[0]), dispatch(names[1], needs_start=True), dispatch(names[2])]
    transaction = store.begin(store.belief(0))
    transaction.write(LaneWrite(offered=offers), clock_us=1)
    transaction.commit()
    world.change("UPDATE dispatches SET pushed_us = 5 WHERE stream <> %s", stream(names[2]))
    now = {"now_us": 9, "lease_us": SECOND}
    transaction = store.begin(store.belief(0))
    plain, gated, unpushed = (Reply(effect(name), "1.0.1.0", "w") for name in names)
    assert transaction.take_reply(plain).status == "ok"
    assert transaction.take_reply(gated).status == "not_started"
    assert transaction.take_reply(unpushed).status == "fenced"
    assert transaction.start(gated, **now).status == "ok"
    assert transaction.take_reply(gated).status == "ok"
    other = Reply(gated.effect, gated.token, "w2")
    assert transaction.start(other, **now).status == "lost"
    transaction.rollback()


def test_a_published_attempt_that_is_withdrawn_may_be_under_way(
    world: PostgresWorld, store: PostgresStore
) -> None:
    name = in_lane(0)
    transaction = store.begin(store.belief(0))
    transaction.write(LaneWrite(offered=[dispatch(name)]), clock_us=1)
    transaction.commit()
    world.change("UPDATE dispatches SET pushed_us = 5")
    transaction = store.begin(store.belief(0))
    assert not transaction.withdraw(effect(name))
    taken = transaction.take_reply(Reply(effect(name), "1.0.1.0", "w"))
    transaction.commit()
    assert (taken.status, taken.cancelled) == ("ok", True)
    ((state, ends, lease),) = world.rows("SELECT state, ends_us, lease_until_us FROM dispatches")
    assert state == "started"
    assert ends - lease == 30 * SECOND
    transaction = store.begin(store.belief(0))
    (lost,) = transaction.sweep(now_us=lease, limit=5)
    assert (lost.dispatch.effect, lost.reason) == (effect(name), "lease")
    transaction.rollback()


def test_what_is_foreseen_is_what_is_read_one_by_one(store: PostgresStore) -> None:
    names = [in_lane(0), in_lane(1), "nobody"]
    receipt = Receipt("north", "crm", "1", b"d" * 32, 77, 5, {"x": 1})
    write = events(event(names[0], 1), event(names[1], 1), event(names[1], 2))
    write.receipts.append(receipt)
    write.offered.append(dispatch(names[0]))
    transaction = store.begin(*beliefs(store))
    transaction.write(write, clock_us=1)
    transaction.commit()
    plain = store.begin()
    alone = [plain.load(stream(name)) for name in names]
    plain.rollback()
    ahead = store.begin()
    ahead.foresee(
        streams=[stream(name) for name in names],
        receipts=[("north", "crm", "1"), ("north", "crm", "2")],
        effects=[effect(names[0]), effect("nobody"), "no hex"],
    )
    assert [ahead.load(stream(name)) for name in names] == alone
    assert ahead.receipt("north", "crm", "1") == receipt
    assert ahead.receipt("north", "crm", "2") is None
    assert ahead.take_reply(Reply(effect("nobody"), "1.0.1.1", "w")).status == "lost"
    ahead.rollback()


def test_cursors_move_with_the_batch(world: PostgresWorld, store: PostgresStore) -> None:
    for offset in (5, 9):
        transaction = store.begin(store.belief(2))
        cursor = Cursor("events", "id-1", 6, offset, bytes([offset]) * 32)
        transaction.write(LaneWrite(cursors=[cursor]), clock_us=1)
        transaction.commit()
    rows = world.rows("SELECT topic, topic_id, partition, lane, next_offset, digest FROM cursors")
    assert rows == [("events", "id-1", 6, 2, 9, b"\x09" * 32)]


def test_of_view_rows_of_one_batch_the_newest_is_kept(
    world: PostgresWorld, store: PostgresStore
) -> None:
    rows = [step_row("a", 3, step="c"), step_row("a", 4, step="d"), step_row("a", 2, step="b")]
    commit(store, LaneWrite(views=rows))
    assert world.rows("SELECT version, step FROM current_steps") == [(4, "d")]


def test_text_that_postgresql_cannot_hold_is_a_data_error(store: PostgresStore) -> None:
    transaction = store.begin(store.belief(0))
    receipt = Receipt("north", "crm", "a\0b", b"d" * 32, 7, 5)
    with pytest.raises(StoreFailed) as failed:
        transaction.write(LaneWrite(receipts=[receipt]), clock_us=1)
    transaction.rollback()
    assert failed.value.alias == "store.failed"
    commit(store, LaneWrite())

"""What the dispatch desk of every store promises, one test a sentence."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from domain.ports import Claim, ClaimAsk, Dispatch, LaneWrite, Reply, Store, Verdict
from tests.contract.store_contract import StoreCase
from tests.contract.store_world import LEASE, SECOND, ask, commit, dispatch, effect

NOW = 1_000 * SECOND


def offer(store: Store, *wanted: Dispatch, at_us: int = NOW) -> None:
    commit(store, LaneWrite(offered=list(wanted)), clock_us=at_us)


def claim(
    store: Store,
    *,
    limit: int = 10,
    start: bool = False,
    worker: str = "w1",
    now_us: int = NOW,
    participant: str = "crm",
    contracts: tuple[str, ...] = ("crm/create@1",),
    tenant: str | None = None,
) -> list[Claim]:
    wanted = ClaimAsk(participant, worker, contracts, limit, start, tenant)
    return list(ask(store, lambda t: t.claim(wanted, now_us=now_us, lease_us=LEASE)))


def reply_of(claimed: Claim, worker: str = "w1") -> Reply:
    return Reply(claimed.dispatch.effect, claimed.token, worker)


def begin(store: Store, reply: Reply, now_us: int = NOW) -> Verdict:
    return ask(store, lambda t: t.start(reply, now_us=now_us, lease_us=LEASE))


def beat(store: Store, reply: Reply, now_us: int = NOW) -> Verdict:
    return ask(store, lambda t: t.heartbeat(reply, now_us=now_us, lease_us=LEASE))


def answer(store: Store, reply: Reply) -> Verdict:
    return ask(store, lambda t: t.take_reply(reply))


def sweep(store: Store, now_us: int, limit: int = 100) -> list[tuple[str, str]]:
    """Effect and reason of everything overdue."""
    found = ask(store, lambda t: t.sweep(now_us=now_us, limit=limit))
    return [(one.dispatch.effect, one.reason) for one in found]


class ClaimContract(StoreCase):
    """Work is given out once, to everyone in turn."""

    def test_a_claim_gives_the_dispatch_as_it_was_offered(self, store: Store) -> None:
        wanted = dispatch("a", start_by_us=NOW + SECOND, not_after_us=NOW + SECOND)
        offer(store, wanted)
        (claimed,) = claim(store)
        assert claimed.dispatch == wanted
        assert (claimed.started, claimed.ends_us) == (False, None)
        assert claimed.lease_until_us == NOW + LEASE

    def test_what_is_claimed_is_not_given_out_again(self, store: Store) -> None:
        offer(store, dispatch("a"))
        assert len(claim(store)) == 1
        assert claim(store, worker="w2") == []

    def test_only_what_the_worker_serves_is_given_out(self, store: Store) -> None:
        offer(
            store,
            dispatch("a", contract="crm/delete@1"),
            dispatch("b", participant="web"),
            dispatch("c", tenant="south"),
        )
        assert claim(store, tenant="north") == []
        (only,) = claim(store)
        assert only.dispatch.tenant == "south"

    def test_one_claim_serves_several_contracts_oldest_first(self, store: Store) -> None:
        offer(store, dispatch("a", contract="crm/b@1", position=1), at_us=NOW)
        offer(store, dispatch("b", contract="crm/a@1", position=2), at_us=NOW + 1)
        offer(store, dispatch("c", contract="crm/b@1", position=3), at_us=NOW + 2)
        got = claim(store, contracts=("crm/a@1", "crm/b@1"))
        assert [c.dispatch.position for c in got] == [1, 2, 3]

    def test_the_oldest_is_given_out_first(self, store: Store) -> None:
        offer(store, dispatch("a", position=2), dispatch("b", position=1), at_us=NOW + 5)
        offer(store, dispatch("c", position=3), at_us=NOW + 9)
        assert [c.dispatch.position for c in claim(store, limit=2)] == [1, 2]

    def test_tenants_take_turns(self, store: Store) -> None:
        offer(store, *[dispatch(f"n{n}", position=n) for n in range(40)])
        offer(store, *[dispatch(f"s{n}", tenant="south", position=100 + n) for n in range(3)])
        got = Counter(c.dispatch.tenant for c in claim(store, limit=10))
        assert got == {"north": 7, "south": 3}

    def test_small_claims_take_turns_too(self, store: Store) -> None:
        for tenant in ("east", "north", "south"):
            offer(store, *[dispatch(f"{tenant}{n}", tenant=tenant) for n in range(4)])
        got = [claim(store, limit=1)[0].dispatch.tenant for _ in range(6)]
        assert Counter(got) == {"east": 2, "north": 2, "south": 2}

    def test_a_claim_is_never_larger_than_asked(self, store: Store) -> None:
        offer(store, *[dispatch(f"n{n}") for n in range(30)])
        assert len(claim(store, limit=7)) == 7
        assert len(claim(store, limit=100)) == 23

    def test_a_claim_can_start_what_needs_no_start(self, store: Store) -> None:
        offer(store, dispatch("a", position=1), dispatch("b", position=2, needs_start=True))
        first, second = claim(store, start=True)
        assert (first.started, first.ends_us) == (True, NOW + 60 * SECOND)
        assert (second.started, second.ends_us) == (False, None)

    def test_a_lease_never_outlives_the_timeout(self, store: Store) -> None:
        offer(store, dispatch("a", timeout_us=SECOND))
        (claimed,) = claim(store, start=True)
        assert claimed.lease_until_us == claimed.ends_us == NOW + SECOND

    def test_what_is_too_late_is_not_given_out(self, store: Store) -> None:
        offer(
            store,
            dispatch("a", start_by_us=NOW),
            dispatch("b", not_after_us=NOW - 1),
            dispatch("c", not_after_us=NOW, start_by_us=NOW + 1),
        )
        assert [c.dispatch.effect for c in claim(store)] == [effect("c")]

    def test_a_token_names_incarnation_position_and_reservation(self, store: Store) -> None:
        offer(store, dispatch("a", position=18))
        assert claim(store)[0].token == "1.0.18.1"

    def test_many_offers_of_one_tenant_are_all_reached(self, store: Store) -> None:
        offer(store, *[dispatch(f"n{n}", position=n) for n in range(100)])
        offer(store, *[dispatch(f"t{n}", tenant=f"t{n}") for n in range(20)])
        assert len(claim(store, limit=120)) == 120


class StartContract(StoreCase):
    """Only the holder may start, once, in time."""

    def test_a_reservation_can_be_started(self, store: Store) -> None:
        offer(store, dispatch("a", needs_start=True))
        (claimed,) = claim(store, start=True)
        verdict = begin(store, reply_of(claimed), NOW + SECOND)
        assert (verdict.status, verdict.dispatch) == ("ok", claimed.dispatch)
        assert verdict.ends_us == NOW + 61 * SECOND
        assert verdict.lease_until_us == NOW + SECOND + LEASE

    def test_asked_again_a_start_gives_the_same_answer(self, store: Store) -> None:
        offer(store, dispatch("a"))
        (claimed,) = claim(store)
        first = begin(store, reply_of(claimed))
        again = begin(store, reply_of(claimed), NOW + 5)
        assert again.status == "repeated"
        assert (again.lease_until_us, again.ends_us) == (first.lease_until_us, first.ends_us)

    @pytest.mark.parametrize(
        "token", ["2.0.1.1", "1.0.2.1", "1.0.1.2", "1.1.1.1", "1.1.1", "", "1.0.1.1.1"]
    )
    def test_a_start_with_another_token_is_lost(self, store: Store, token: str) -> None:
        offer(store, dispatch("a"))
        (claimed,) = claim(store)
        assert claimed.token == "1.0.1.1"
        assert begin(store, Reply(effect("a"), token, "w1")).status == "lost"

    def test_a_start_by_another_worker_is_lost(self, store: Store) -> None:
        offer(store, dispatch("a"))
        (claimed,) = claim(store)
        assert begin(store, reply_of(claimed, "w2")).status == "lost"

    @pytest.mark.parametrize("name", ["ff" * 32, "not hex", ""])
    def test_a_start_of_an_effect_that_is_not_there_is_lost(self, store: Store, name: str) -> None:
        assert begin(store, Reply(name, "1.0.1.1", "w1")).status == "lost"

    def test_nothing_starts_after_its_decision_expired(self, store: Store) -> None:
        offer(store, dispatch("a", not_after_us=NOW + SECOND))
        (claimed,) = claim(store)
        assert begin(store, reply_of(claimed), NOW + SECOND + 1).status == "expired"
        assert begin(store, reply_of(claimed), NOW + SECOND).status == "ok"

    def test_a_cancelled_effect_does_not_start_again(self, store: Store) -> None:
        offer(store, dispatch("a"))
        (claimed,) = claim(store)
        assert begin(store, reply_of(claimed)).status == "ok"
        assert not ask(store, lambda t: t.withdraw(effect("a")))
        verdict = begin(store, reply_of(claimed))
        assert (verdict.status, verdict.cancelled) == ("cancelled", True)


class HoldContract(StoreCase):
    """A lease is held by heartbeats and ends by a reply."""

    def test_a_heartbeat_extends_the_lease(self, store: Store) -> None:
        offer(store, dispatch("a"))
        (claimed,) = claim(store, start=True)
        held = beat(store, reply_of(claimed), NOW + 20 * SECOND)
        assert (held.status, held.lease_until_us) == ("ok", NOW + 50 * SECOND)
        assert sweep(store, NOW + 49 * SECOND) == []
        assert sweep(store, NOW + 50 * SECOND) == [(effect("a"), "lease")]

    def test_a_heartbeat_does_not_extend_beyond_the_timeout(self, store: Store) -> None:
        offer(store, dispatch("a"))
        (claimed,) = claim(store, start=True)
        for second in (20, 40, 59):
            held = beat(store, reply_of(claimed), NOW + second * SECOND)
        assert held.lease_until_us == NOW + 60 * SECOND
        assert sweep(store, NOW + 60 * SECOND) == [(effect("a"), "timeout")]

    def test_a_reservation_is_held_only_until_it_must_start(self, store: Store) -> None:
        offer(store, dispatch("a", start_by_us=NOW + 40 * SECOND))
        (claimed,) = claim(store)
        held = beat(store, reply_of(claimed), NOW + 20 * SECOND)
        assert held.lease_until_us == NOW + 40 * SECOND
        assert sweep(store, NOW + 40 * SECOND) == [(effect("a"), "within")]

    def test_a_heartbeat_tells_of_a_cancel(self, store: Store) -> None:
        offer(store, dispatch("a"))
        (claimed,) = claim(store, start=True)
        assert not beat(store, reply_of(claimed)).cancelled
        ask(store, lambda t: t.withdraw(effect("a")))
        assert beat(store, reply_of(claimed)).cancelled

    def test_a_heartbeat_with_a_lost_lease_says_so(self, store: Store) -> None:
        offer(store, dispatch("a"))
        (claimed,) = claim(store, start=True)
        sweep(store, NOW + LEASE)
        assert beat(store, reply_of(claimed)).status == "lost"

    def test_what_is_anothers_is_not_there(self, store: Store) -> None:
        """Also for who knows its worker and its token: nothing of it is moved."""
        offer(store, dispatch("a"))
        (claimed,) = claim(store)
        mine = replace(reply_of(claimed), tenant=claimed.dispatch.tenant)
        foreign = replace(mine, tenant="elsewhere")
        assert begin(store, foreign).status == "lost"
        assert beat(store, foreign, NOW + SECOND).status == "lost"
        assert answer(store, mine).status == "not_started"
        assert begin(store, mine, NOW + LEASE - 1).status == "ok"
        assert answer(store, foreign).dispatch is None
        assert sweep(store, NOW + LEASE) == []

    def test_the_reply_of_the_holder_is_taken(self, store: Store) -> None:
        offer(store, dispatch("a"))
        (claimed,) = claim(store, start=True)
        taken = answer(store, reply_of(claimed))
        assert (taken.status, taken.dispatch, taken.worker) == ("ok", claimed.dispatch, "w1")

    def test_a_reply_before_a_start_is_told_apart(self, store: Store) -> None:
        offer(store, dispatch("a"))
        (claimed,) = claim(store)
        assert answer(store, reply_of(claimed)).status == "not_started"

    def test_a_settled_effect_is_gone(self, store: Store) -> None:
        offer(store, dispatch("a"))
        (claimed,) = claim(store, start=True)
        commit(store, LaneWrite(settled=[effect("a")]))
        assert answer(store, reply_of(claimed)).status == "lost"
        assert claim(store) == []
        assert store.next_due_us(0) is None

    def test_a_settled_attempt_makes_room_for_the_next_one(self, store: Store) -> None:
        offer(store, dispatch("a"))
        (first,) = claim(store, start=True)
        again = dispatch("a", attempt=2, position=9)
        commit(store, LaneWrite(settled=[effect("a")], offered=[again]))
        (second,) = claim(store, start=True)
        assert (second.dispatch.attempt, second.token) == (2, "1.0.9.1")
        assert answer(store, reply_of(first)).status == "lost"

    def test_what_nobody_started_is_withdrawn(self, store: Store) -> None:
        offer(store, dispatch("a"), dispatch("b", contract="crm/b@1"))
        (reserved,) = claim(store)
        assert ask(store, lambda t: t.withdraw(effect("a")))
        assert ask(store, lambda t: t.withdraw(effect("b")))
        assert begin(store, reply_of(reserved)).status == "lost"
        assert claim(store, contracts=("crm/b@1",)) == []

    def test_a_started_effect_is_only_asked_to_stop(self, store: Store) -> None:
        offer(store, dispatch("a"))
        (claimed,) = claim(store, start=True)
        assert not ask(store, lambda t: t.withdraw(effect("a")))
        assert answer(store, reply_of(claimed)).cancelled
        assert sweep(store, NOW + LEASE) == [(effect("a"), "lease")]

    def test_an_effect_that_is_gone_is_not_withdrawn(self, store: Store) -> None:
        assert not ask(store, lambda t: t.withdraw(effect("a")))


class SweepContract(StoreCase):
    """What is overdue is removed and reported, once."""

    def test_a_step_with_a_heartbeat_is_extended_by_progress_alone(self, store: Store) -> None:
        offer(store, dispatch("a", heartbeat_us=5 * SECOND))
        (claimed,) = claim(store, start=True)
        assert claimed.lease_until_us == NOW + 5 * SECOND
        silent = reply_of(claimed)
        told = Reply(silent.effect, silent.token, silent.worker, progress=True)
        at_us = NOW + 3 * SECOND
        assert beat(store, silent, at_us).lease_until_us == NOW + 5 * SECOND
        assert beat(store, told, at_us).lease_until_us == at_us + 5 * SECOND
        assert sweep(store, at_us + 6 * SECOND) == [(effect("a"), "lease")]

    def test_a_reply_with_a_token_that_was_never_given_is_fenced(self, store: Store) -> None:
        offer(store, dispatch("a"))
        (claimed,) = claim(store, start=True)
        incarnation, lane, position, reservation = map(int, claimed.token.split("."))
        never = [
            f"{incarnation}.{lane}.{position}.{reservation + 1}",
            f"{incarnation}.{lane}.{position + 9}.1",
            f"{incarnation + 1}.0.1.1", "1.1", "x", f"{incarnation}.0.0.1", "1.0.1." + "9" * 40,
        ]  # fmt: skip
        for token in never:
            assert answer(store, Reply(effect("a"), token, "w1")).status == "fenced", token
        assert answer(store, reply_of(claimed, "w2")).status == "fenced"
        assert answer(store, reply_of(claimed)).status == "ok"

    def test_a_lost_reservation_is_offered_again_as_the_same_attempt(self, store: Store) -> None:
        offer(store, dispatch("a"))
        (first,) = claim(store)
        assert sweep(store, NOW + LEASE) == []
        (second,) = claim(store, worker="w2", now_us=NOW + LEASE)
        assert second.dispatch == first.dispatch
        assert second.token == "1.0.1.2"
        assert begin(store, reply_of(first)).status == "lost"

    def test_a_started_attempt_without_a_reply_is_lost_once(self, store: Store) -> None:
        offer(store, dispatch("a"))
        (claimed,) = claim(store, start=True)
        assert sweep(store, NOW + LEASE - 1) == []
        assert sweep(store, NOW + LEASE) == [(effect("a"), "lease")]
        assert sweep(store, NOW + 2 * LEASE) == []
        assert answer(store, reply_of(claimed)).status == "lost"

    def test_what_nobody_claims_ends_within_its_time(self, store: Store) -> None:
        offer(store, dispatch("a", start_by_us=NOW + SECOND))
        assert sweep(store, NOW + SECOND - 1) == []
        assert sweep(store, NOW + SECOND) == [(effect("a"), "within")]

    @pytest.mark.parametrize("reserved", [False, True])
    def test_a_decision_that_expired_before_the_start_is_reported(
        self, store: Store, reserved: bool
    ) -> None:
        offer(store, dispatch("a", not_after_us=NOW + SECOND, start_by_us=NOW + 9 * SECOND))
        if reserved:
            assert len(claim(store)) == 1
        assert sweep(store, NOW + SECOND) == []
        assert sweep(store, NOW + SECOND + 1) == [(effect("a"), "not_after")]

    def test_a_started_effect_outlives_its_decision(self, store: Store) -> None:
        offer(store, dispatch("a", not_after_us=NOW + SECOND))
        claim(store, start=True)
        assert sweep(store, NOW + 2 * SECOND) == []

    def test_a_sweep_is_bounded(self, store: Store) -> None:
        offer(store, *[dispatch(f"n{n}", start_by_us=NOW + n) for n in range(10)])
        assert sweep(store, NOW + 20, limit=4) == [(effect(f"n{n}"), "within") for n in range(4)]
        assert len(sweep(store, NOW + 20, limit=100)) == 6

    def test_the_next_due_time_knows_every_end_of_a_wait(self, store: Store) -> None:
        offer(store, dispatch("a", not_after_us=NOW + 50 * SECOND))
        assert store.next_due_us(0) == NOW + 50 * SECOND + 1
        offer(store, dispatch("b", contract="crm/b@1", start_by_us=NOW + 40 * SECOND))
        assert store.next_due_us(0) == NOW + 40 * SECOND
        claim(store)
        assert store.next_due_us(0) == NOW + LEASE
        assert sweep(store, NOW + LEASE) == []
        assert store.next_due_us(0) == NOW + 40 * SECOND


class DispatchContract(ClaimContract, StartContract, HoldContract, SweepContract):
    """All of the above."""

"""What a process does about its lanes, from what it sees of the others."""

import threading
from collections.abc import Collection

import pytest

from consumers.owning import Ownership, Plan, plan
from domain.cluster import LaneState, View
from domain.ports import LaneBelief, StoreFailed


def view(owners: dict[int, str], workers: str = "ab", *, dead: str = "") -> View:
    lanes = [
        LaneState(n, owner, 1, 0, owner in dead and owner != "") for n, owner in owners.items()
    ]
    return View(lanes, list(workers))


FREE = dict.fromkeys(range(5), "")
HOUR_S = 3_600.0
WAIT_S = 10.0


@pytest.mark.parametrize(
    ("seen", "process", "mine", "wanted"),
    [
        (view(FREE, "a"), "a", (), Plan((0, 1, 2, 3, 4), ())),
        (view(FREE), "a", (), Plan((0, 1, 2), ())),
        (view(FREE), "b", (), Plan((2, 3), ())),
        (view(dict.fromkeys(range(5), "a")), "a", range(5), Plan((), (3, 4))),
        (view(dict.fromkeys(range(5), "a")), "b", (), Plan((), ())),
        (view({0: "b", 1: "b", 2: "c", 3: "c", 4: ""}, dead="c"), "b", (0, 1), Plan((), ())),
        (view({0: "b", 1: "b", 2: "c", 3: "c", 4: ""}, "b", dead="c"), "b", (0, 1),
         Plan((2, 3, 4), ())),
        # Ours in the store, but the answer to the claim was lost.
        (view({0: "a", 1: "a"}, "a"), "a", (0,), Plan((1,), ())),
        # Ours in the store, but giving it away failed: the database was gone.
        (view(dict.fromkeys(range(4), "a")), "a", (0, 1), Plan((), (2, 3))),
        (view(dict.fromkeys(range(4), "a")), "a", (0, 1, 2), Plan((), (2, 3))),
    ],
)  # fmt: skip
def test_shares_differ_by_one_lane_at_most(
    seen: View, process: str, mine: Collection[int], wanted: Plan
) -> None:
    assert plan(seen, process, mine) == wanted


class FakeCluster:
    """Its lanes can be claimed until one `fails`; epochs count the claims."""

    def __init__(self, lanes: int) -> None:
        self.beats = 0
        self.owners = dict.fromkeys(range(lanes), "")
        self.epochs = dict.fromkeys(range(lanes), 0)
        self.fails: set[int] = set()

    def beat(self) -> View:
        self.beats += 1
        lanes = [LaneState(n, self.owners[n], self.epochs[n], 0, False) for n in self.owners]
        return View(lanes, ["a"])

    def claim(self, lane: int) -> LaneBelief:
        if lane in self.fails:
            raise StoreFailed("store.gone", "the connection broke")
        self.owners[lane], self.epochs[lane] = "a", self.epochs[lane] + 1
        return LaneBelief(lane, self.epochs[lane], 0, b"", 0, 1)

    def release(self, *lanes: int) -> None:
        self.owners |= dict.fromkeys(lanes, "")

    def leave(self) -> None:
        self.release(*self.owners)


class FakeOwner:
    def __init__(self) -> None:
        self.lanes: tuple[int, ...] = ()
        self.careful = False

    def own(self, lanes: Collection[int], *, is_careful: bool = False) -> None:
        self.lanes, self.careful = tuple(sorted(lanes)), is_careful


def settled(ownership: Ownership, owner: FakeOwner) -> None:
    """One look at the others, and what follows from it."""
    ownership.start(lambda: None)
    ownership.settle(owner)


def test_lanes_that_were_taken_while_we_slept_are_given_up() -> None:
    """An idle zombie has no transaction that would fail: it sees it by the epoch."""
    cluster, owner = FakeCluster(3), FakeOwner()
    ownership = Ownership(cluster, "a", beat_s=60)
    settled(ownership, owner)
    assert owner.lanes == (0, 1, 2)
    cluster.owners |= {0: "b", 1: "b"}
    cluster.epochs |= {0: 2, 1: 2}
    settled(ownership, owner)
    assert owner.lanes == (2,)
    ownership.stop()


def test_lanes_claimed_before_the_connection_broke_are_claimed_again() -> None:
    cluster, owner = FakeCluster(3), FakeOwner()
    cluster.fails = {2}
    ownership = Ownership(cluster, "a", beat_s=60)
    settled(ownership, owner)
    assert owner.lanes == ()
    assert cluster.owners == {0: "a", 1: "a", 2: ""}
    cluster.fails = set()
    settled(ownership, owner)
    assert owner.lanes == (0, 1, 2)
    ownership.stop()


def test_lanes_that_were_given_away_are_seen_before_the_next_heartbeat() -> None:
    cluster, woken = FakeCluster(1), threading.Event()
    ownership = Ownership(cluster, "a", beat_s=HOUR_S)
    ownership.start(woken.set)
    assert cluster.beats == 1
    ownership.look()
    assert woken.wait(WAIT_S)
    assert cluster.beats == 2
    ownership.stop()

"""Whatever processes come, go and see: every lane finds one owner, and moves no oftener than that.

The store is played by rows that a claim changes as adapters/postgres/cluster.py does: a lane is
had by whoever claims it while it is free or its owner silent.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from consumers.owning import plan
from domain.cluster import LaneState, View

LANES_MAX = 20
PROCESSES = "abcde"
ROUNDS_MAX = 8

moves = st.lists(
    st.tuples(st.sampled_from(["look", "join", "die", "leave"]), st.sampled_from(PROCESSES)),
    max_size=30,
)


@dataclass
class Cluster:
    """The rows of the lanes, who lives, and what each process believes to own."""

    lanes: int
    owners: dict[int, str] = field(default_factory=dict)
    living: set[str] = field(default_factory=set)
    claims: int = 0

    def view(self) -> View:
        rows = [(n, self.owners.get(n, "")) for n in range(self.lanes)]
        states = [LaneState(n, o, 1, 0, bool(o) and o not in self.living) for n, o in rows]
        return View(states, sorted(self.living))

    def mine(self, process: str) -> set[int]:
        return {n for n, owner in self.owners.items() if owner == process}

    def look(self, process: str, view: View | None = None) -> int:
        """What a process does about its lanes, perhaps by an old view; the answer is how much."""
        if process not in self.living:
            return 0
        wanted = plan(view or self.view(), process, self.mine(process))
        assert not (wanted.claims and wanted.releases)
        assert self.mine(process).isdisjoint(wanted.claims)
        assert set(wanted.releases) <= self.mine(process)
        for lane in wanted.releases:
            self.owners[lane] = ""
        for lane in wanted.claims:
            if self.owners.get(lane, "") in ("", process) or self.owners[lane] not in self.living:
                self.owners[lane] = process
                self.claims += 1
        return len(wanted.claims) + len(wanted.releases)

    def settle(self) -> None:
        """Until nobody has anything to do."""
        for _ in range(ROUNDS_MAX):
            if not sum(self.look(process) for process in sorted(self.living)):
                return
        raise AssertionError(f"still moving: {self.owners}")

    def is_fair(self) -> bool:
        counts = [len(self.mine(process)) for process in self.living]
        return sum(counts) == self.lanes and max(counts) - min(counts) <= 1


@given(st.integers(1, LANES_MAX), moves, st.sets(st.sampled_from(PROCESSES), min_size=1))
def test_every_lane_ends_with_a_living_owner_and_shares_are_fair(
    lanes: int, happened: list[tuple[str, str]], last: set[str]
) -> None:
    cluster = Cluster(lanes)
    for what, process in happened:
        match what:
            case "join":
                cluster.living.add(process)
            case "die":
                cluster.living.discard(process)
            case "leave":
                for lane in cluster.mine(process):
                    cluster.owners[lane] = ""
                cluster.living.discard(process)
            case _:
                cluster.look(process)
    cluster.living = last
    cluster.settle()
    assert cluster.is_fair()


@given(st.integers(1, LANES_MAX), st.sets(st.sampled_from(PROCESSES), min_size=1))
def test_all_plans_together_want_as_many_lanes_as_there_are(lanes: int, living: set[str]) -> None:
    """Of one moment in which all is free; two may want the same one, and then the next look."""
    view = Cluster(lanes, living=living).view()
    shares = [len(set(plan(view, process, ()).claims)) for process in living]
    assert sum(shares) == lanes
    assert max(shares) - min(shares) <= 1


@given(st.integers(1, LANES_MAX), st.sets(st.sampled_from(PROCESSES[:4]), min_size=1))
def test_a_process_that_joins_moves_no_more_lanes_than_its_share(
    lanes: int, living: set[str]
) -> None:
    """Its share from those who have more, and one lane for each whose place in the line changed."""
    cluster = Cluster(lanes, living=set(living))
    cluster.settle()
    before = cluster.claims
    cluster.living.add("e")
    cluster.settle()
    assert cluster.claims - before <= -(-lanes // len(cluster.living)) + len(living)


@given(st.integers(1, LANES_MAX), st.sets(st.sampled_from(PROCESSES), min_size=2))
def test_lanes_of_the_silent_are_taken_over_and_no_others_move(
    lanes: int, living: set[str]
) -> None:
    cluster = Cluster(lanes, living=set(living))
    cluster.settle()
    gone = min(living)
    left = {n: owner for n, owner in cluster.owners.items() if owner != gone}
    cluster.living.discard(gone)
    before = cluster.claims
    cluster.settle()
    assert cluster.is_fair()
    assert cluster.claims - before <= (lanes - len(left)) + len(cluster.living)


@given(st.integers(1, LANES_MAX), st.lists(st.sampled_from(PROCESSES), min_size=2, max_size=9))
def test_an_old_view_takes_nothing_from_the_living(lanes: int, lookers: list[str]) -> None:
    """A claim finds the owner of now, not the one that was seen."""
    cluster = Cluster(lanes, living=set(lookers))
    view = cluster.view()
    for process in lookers:
        cluster.look(process, view)
        assert len(cluster.mine(process)) <= -(-lanes // len(cluster.living))
    cluster.settle()
    assert cluster.is_fair()

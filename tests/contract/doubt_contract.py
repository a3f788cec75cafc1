"""What every store promises of the work it gives out after it was put back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from domain.ports import Dispatch, Store
from tests.contract.dispatch_contract import NOW, claim, offer, sweep
from tests.contract.store_contract import StoreCase
from tests.contract.store_world import SECOND, World, ask, dispatch, effect


class DoubtContract(StoreCase):
    """A store that was put back gives out nothing that the time it lost may have done."""

    @pytest.mark.parametrize("attempt", [1, 2])
    def test_what_is_commanded_in_doubt_is_not_given_out(
        self, store: Store, world: World, attempt: int
    ) -> None:
        """A second command too: the first was taken back, and the lost time repeated it."""
        world.doubt(NOW + SECOND)
        offer(store, dispatch("a", needs_start=True, attempt=attempt))
        assert claim(store) == []
        assert sweep(store, NOW) == [(effect("a"), "timeout")]

    def test_a_retry_for_which_the_copy_waits_is_not_given_out(
        self, store: Store, world: World
    ) -> None:
        """The lost time may have made it; what is offered with it may be repeated."""
        world.doubt(NOW + SECOND, restored_us=NOW - SECOND)
        retry = replace(dispatch("a", needs_start=True, attempt=2), heard_us=NOW - SECOND)
        offer(store, retry, replace(dispatch("b", attempt=2), heard_us=NOW - SECOND))
        assert [c.dispatch.effect for c in claim(store)] == [effect("b")]
        assert sweep(store, NOW) == [(effect("a"), "timeout")]

    def test_a_retry_and_what_may_be_repeated_are_given_out_in_doubt(
        self, store: Store, world: World
    ) -> None:
        world.doubt(NOW + SECOND, restored_us=NOW - SECOND)
        retry = replace(dispatch("a", needs_start=True, attempt=2), heard_us=NOW - SECOND + 1)
        offer(store, retry, dispatch("b"))
        assert {c.dispatch.effect for c in claim(store)} == {effect("a"), effect("b")}

    def test_what_is_taken_back_before_it_is_written_is_in_doubt_as_well(
        self, store: Store, world: World
    ) -> None:
        world.doubt(NOW + SECOND, restored_us=NOW - SECOND)
        fresh, plain = dispatch("a", needs_start=True), dispatch("b")
        news = replace(fresh, heard_us=NOW - SECOND + 1)

        def doubted(at_us: int, *offered: Dispatch) -> list[bool]:
            return [ask(store, lambda tx, d=d: tx.doubts(d, clock_us=at_us)) for d in offered]

        assert doubted(NOW, fresh, plain, news) == [True, False, False]
        assert doubted(NOW + SECOND, fresh) == [False]

    def test_once_the_doubt_is_over_all_is_given_out(self, store: Store, world: World) -> None:
        world.doubt(NOW)
        offer(store, dispatch("a", needs_start=True, attempt=2))
        assert len(claim(store)) == 1

"""The clock never goes back, and says when the machine's clock was set."""

import pytest

from adapters.clock import SystemClock


class Machine:
    """The two clocks of a machine, set by hand."""

    def __init__(self) -> None:
        self.wall = 1_000_000_000
        self.boot = 5_000_000

    def clock(self) -> SystemClock:
        return SystemClock(lambda: self.wall, lambda: self.boot)

    def pass_us(self, us: int) -> None:
        self.wall += us
        self.boot += us


def test_time_does_not_go_back_when_the_clock_is_set_back() -> None:
    machine = Machine()
    clock = machine.clock()
    before = clock.now_us()
    machine.wall -= 60_000_000
    assert clock.now_us() == before
    machine.wall += 61_000_000
    assert clock.now_us() == before + 1_000_000


def test_passing_time_is_no_skew() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.pass_us(3_600_000_000)
    assert clock.clock_skew_s() == 0


@pytest.mark.parametrize("step_us", [7_000_000, -7_000_000])
def test_a_clock_that_was_set_shows_as_skew(step_us: int) -> None:
    machine = Machine()
    clock = machine.clock()
    machine.wall += step_us
    assert clock.clock_skew_s() == step_us / 1_000_000


def test_the_machines_own_clocks_agree() -> None:
    clock = SystemClock()
    assert clock.now_us() <= clock.now_us()
    assert abs(clock.clock_skew_s()) < 5

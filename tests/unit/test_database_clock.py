"""The database's clock as it is known between two measurements."""

from adapters.postgres.clock import DatabaseClock

S = 1_000_000


class Machine:
    """Its clocks, set by hand; the database is an hour ahead of the wall clock."""

    def __init__(self) -> None:
        self.wall_us = 1_000 * S
        self.steady_us = 5 * S
        self.ahead_us = 3_600 * S
        self.clock = DatabaseClock(lambda: self.wall_us, lambda: self.steady_us)

    def passes(self, us: int) -> None:
        self.wall_us += us
        self.steady_us += us

    def measure(self, there_us: int, back_us: int) -> None:
        asked_us = self.steady_us
        self.passes(there_us)
        told_us = self.wall_us + self.ahead_us
        self.passes(back_us)
        self.clock.measured(asked_us, told_us, self.steady_us)


def test_before_any_measurement_it_is_the_wall_clock() -> None:
    machine = Machine()
    assert machine.clock.now_us() == machine.wall_us
    assert machine.clock.clock_skew_s() == 0


def test_a_measurement_says_the_time_within_half_its_round_trip() -> None:
    machine = Machine()
    machine.measure(100, 300)
    assert abs(machine.clock.now_us() - (machine.wall_us + machine.ahead_us)) <= 200
    assert round(machine.clock.clock_skew_s()) == -3_600


def test_the_shortest_round_trip_counts() -> None:
    machine = Machine()
    machine.measure(10, 10)
    machine.passes(S)
    machine.measure(0, 40_000)
    assert machine.clock.now_us() == machine.wall_us + machine.ahead_us


def test_a_clock_that_was_set_is_followed() -> None:
    machine = Machine()
    machine.measure(10, 10)
    machine.ahead_us += 60 * S
    machine.measure(200, 200)
    assert machine.clock.now_us() == machine.wall_us + machine.ahead_us


def test_it_never_goes_back() -> None:
    machine = Machine()
    machine.measure(10, 10)
    before_us = machine.clock.now_us()
    machine.ahead_us -= 60 * S
    machine.measure(10, 10)
    assert machine.clock.now_us() == before_us
    machine.passes(61 * S)
    assert machine.clock.now_us() > before_us


def test_a_wall_clock_that_was_set_shows_as_skew_and_changes_nothing() -> None:
    machine = Machine()
    machine.measure(10, 10)
    machine.wall_us += 20 * S
    assert round(machine.clock.clock_skew_s()) == -3_580

"""Names whose streams live where a test wants them."""

from domain.ids import lane_of
from tests.contract.store_world import stream


def in_lane(lane: int, lanes: int) -> str:
    """A name whose stream lives in `lane` of so many."""
    return next(
        name for name in map("s{}".format, range(100_000)) if lane_of(stream(name), lanes) == lane
    )

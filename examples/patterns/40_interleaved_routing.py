"""Pattern 40, Interleaved Routing: each task once, one at a time, in whatever order.

The branches of the `with parallel(...)` have no order among them, and `exclusive="branch"` lets one
run at a time: there is one bay for the car. What comes next begins when all of them are done.
"""

from pydantic import BaseModel

from troth import App, Participant, branch, event, parallel, saga


@event("car.arrived", version=1, key="car")
class CarArrived(BaseModel):
    car: str
    is_diesel: bool


garage = Participant("garage")


@garage.step("test-brakes")
def test_brakes(car: str) -> None: ...


@garage.step("test-lights")
def test_lights(car: str) -> None: ...


@garage.step("warm-engine")
def warm_engine(car: str) -> None: ...


@garage.step("test-fumes")
def test_fumes(car: str) -> None: ...


@garage.step("issue-badge")
def issue_badge(car: str) -> None: ...


@saga("pattern-interleaved-routing", version=1, starts_on=CarArrived)
def inspect(arrived: CarArrived) -> None:
    with parallel("tests", exclusive="branch"):
        test_brakes(arrived.car)
        with branch("fumes", arrived.is_diesel):
            warm_engine(arrived.car)
            test_fumes(arrived.car)
        test_lights(arrived.car)
    issue_badge(arrived.car)


app = App(sagas=[inspect], participants=[garage])

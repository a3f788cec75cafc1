"""Pattern 40, Interleaved Routing: each task once, one at a time, in whatever order.

It is a combination: the tasks are the items of `each(...)`, in an order that comes with the data,
and `width=1` lets one run at a time. Equal keys are refused, so none runs twice.
"""

from pydantic import BaseModel

from troth import App, Participant, branch, choose, each, event, otherwise, saga


@event("car.arrived", version=1, key="car")
class CarArrived(BaseModel):
    car: str
    tests: list[str]


garage = Participant("garage")


@garage.step("test-brakes")
def test_brakes(car: str) -> None:
    del car


@garage.step("test-lights")
def test_lights(car: str) -> None:
    del car


@garage.step("test-fumes")
def test_fumes(car: str) -> None:
    del car


@saga("pattern-interleaved-routing", version=1, starts_on=CarArrived)
def inspect(arrived: CarArrived) -> None:
    for test in each("tests", arrived.tests, at_most=3, key=lambda test: test, width=1):
        with choose("which"):
            with branch("brakes", test == "brakes"):
                test_brakes(arrived.car)
            with branch("lights", test == "lights"):
                test_lights(arrived.car)
            with otherwise():
                test_fumes(arrived.car)


app = App(sagas=[inspect], participants=[garage])

"""Pattern 7, Structured Synchronizing Merge: wait for those branches that were taken, if any.

It is the join of a multi-choice. The end of a `with parallel(...)` counts skipped branches as
joined, so what comes next waits for exactly the branches that began: for all, some, one or none.
"""

from pydantic import BaseModel

from troth import App, Participant, branch, event, out, parallel, saga


@event("trip.wanted", version=1, key="trip")
class TripWanted(BaseModel):
    trip: str
    flight: bool
    hotel: bool
    car: bool


agency = Participant("agency")


@agency.step("hold-flight")
def hold_flight(trip: str) -> str:
    return f"flight {trip}"


@agency.step("hold-room")
def hold_room(trip: str) -> str:
    return f"room {trip}"


@agency.step("hold-car")
def hold_car(trip: str) -> str:
    return f"car {trip}"


@agency.step("write-offer")
def write_offer(held: dict[str, str]) -> str:
    return ", ".join(held[part] for part in sorted(held)) or "nothing"


@saga("pattern-synchronizing-merge", version=1, starts_on=TripWanted)
def offer_trip(wanted: TripWanted) -> str:
    with parallel("parts") as parts:
        with branch("flight", wanted.flight):
            out(hold_flight(wanted.trip))
        with branch("room", wanted.hotel):
            out(hold_room(wanted.trip))
        with branch("car", wanted.car):
            out(hold_car(wanted.trip))
    return write_offer(parts.out)


app = App(sagas=[offer_trip], participants=[agency])

"""A saga that starts others: an order with its shipment as a child, and a note nobody waits for."""

from pydantic import BaseModel

from troth import A0, R1, S1, App, Effect, Participant, child, event, fail, new, saga, when


@event("order.made", version=1, key="number")
class Order(BaseModel):
    number: str
    country: str


class Parcel(BaseModel):
    number: str
    place: str


class Shipment(BaseModel):
    tracking: str


carrier = Participant("carrier")


@carrier.effect("ship", A0, R1, S1, irreversible="undone by call-back")
def ship(fx: Effect, parcel: Parcel) -> Shipment:
    return Shipment(tracking=f"{parcel.number}-{fx.key}")


@carrier.effect("call-back", A0, R1, S1, irreversible="it undoes")
def call_back(fx: Effect, shipment: Shipment) -> None:
    print("called back:", shipment.tracking, fx.key)  # noqa: T201  # it is an example


@saga("shipping", version=1, starts_on=Parcel, key="number")
def shipping(parcel: Parcel) -> Shipment:
    return ship(parcel)


@saga("noting", version=1, starts_on=Parcel, key=lambda p: p.number)
def noting(parcel: Parcel) -> None:
    ship(parcel)


@saga("ordering", version=1, starts_on=Order)
def ordering(order: Order) -> str:
    parcel = new(Parcel, number=order.number, place=order.country)
    shipped = child(shipping, parcel, on_undo=call_back, within="30d")
    noted = child(noting, parcel, on_undo="none", wait=False, on_stop="leave", version=1)
    with when("early", noted == "none"):
        fail("nobody")
    return shipped.tracking


app = App(sagas=[shipping, noting, ordering], participants=[carrier])

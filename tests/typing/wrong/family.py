"""Lines that an editor must find are marked; every other line is right. Never imported."""

from tests.typing.right.family import Order, Parcel, Shipment, call_back, shipping
from troth import child, new, saga


@saga("wrong-family", version=1, starts_on=Order)
def wrong_family(order: Order) -> str:
    parcel = new(Parcel, number=order.number, place=order.country)
    child(shipping, order, on_undo="none", name="a")  # wrong: the input of another saga
    child(shipping, parcel, on_undo=True, name="b")  # wrong: it says how, not whether
    child(shipping, parcel, on_undo="later", name="c")  # wrong: no such way
    shipped: Shipment = child(shipping, parcel, on_undo=call_back)
    tracking: str = child(shipping, parcel, on_undo="none", name="d")  # wrong: it is a Shipment
    number: str = child(shipping, parcel, on_undo="none", wait=False, name="e")
    child("shipping", parcel, on_undo="none", name="f")  # wrong: a saga, not its name
    return tracking + number + shipped.place  # wrong: a Shipment has no place

"""Pattern 1, Sequence: a task may begin when the task before it in the same process is done.

The order of the calls is the order of the work. Each call of the flow becomes a node, and a node
begins once the one above it is done; what a step gives is handed on as a value.
"""

from pydantic import BaseModel

from troth import App, Participant, event, saga


@event("order.paid", version=1, key="number")
class OrderPaid(BaseModel):
    number: str


class Parcel(BaseModel):
    number: str
    shelf: str


warehouse = Participant("warehouse")


@warehouse.step("check-stock")
def check_stock(order: OrderPaid) -> str:
    return f"shelf {order.number}"


@warehouse.step("pack")
def pack(order: OrderPaid, shelf: str) -> Parcel:
    return Parcel(number=order.number, shelf=shelf)


@warehouse.step("hand-over")
def hand_over(parcel: Parcel) -> str:
    return f"parcel {parcel.number} left {parcel.shelf}"


@saga("pattern-sequence", version=1, starts_on=OrderPaid)
def fulfil_order(order: OrderPaid) -> str:
    shelf = check_stock(order)
    parcel = pack(order, shelf)
    return hand_over(parcel)


app = App(sagas=[fulfil_order], participants=[warehouse])

"""A small shop that the tracing tests speak about."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, Field

from troth import (
    A0,
    A1,
    A3,
    R0,
    R1,
    R2,
    R3,
    S1,
    S2,
    Effect,
    Participant,
    Pivot,
    Retry,
    event,
    saga,
)


class Size(StrEnum):
    SMALL = "small"
    BIG = "big"


@event("order.placed", version=1, key="number")
class Order(BaseModel):
    number: str
    amount: int
    rate: float = 1.0
    express: bool = False
    size: Size = Size.SMALL
    due: datetime | None = None
    note: str | None = None
    lines: list[Line] = []
    labels: dict[str, str] = {}


class Line(BaseModel):
    sku: str
    count: int


Order.model_rebuild()


@event("order.paid", version=2, key="number")
class Paid(BaseModel):
    number: str
    amount: int
    by: str


@event("order.withdrawn", version=1, key="number")
class Withdrawn(BaseModel):
    number: str
    reason: str


@event("bid.made", version=1, key="order_number")
class Bid(BaseModel):
    order_number: str = Field(alias="orderNumber")
    price: int


class Stock(BaseModel):
    place: str
    count: int


shop = Participant("shop")
bank = Participant("bank")


@shop.step("check-stock", refuses=["sold-out", "unknown-sku"], retry=Retry(attempts=3, first="1s"))
def check_stock(order: Order, margin: int = 1) -> Stock:
    return Stock(place=order.number, count=margin)


@shop.step("tell", version=2)
def tell(number: str, text: str) -> None:
    del number, text


@shop.effect("reserve", A0, R1, S1, timeout="30s", heartbeat="10s")
async def reserve(fx: Effect, order: Order, stock: Stock) -> str:
    return fx.key + order.number + stock.place


@reserve.undo(timeout="5m", retry=Retry(attempts=20, cap="1h"))
async def release(fx: Effect, reservation: str, order: Order, stock: Stock) -> None:
    del fx, reservation, order, stock


@bank.effect("charge", A1, R2, S2, unknown="probe")
def charge(fx: Effect, order: Order) -> str:
    return fx.key + order.number


@charge.probe
def charged(fx: Effect, order: Order) -> str | None:
    return fx.key + order.number


@charge.undo
def refund(fx: Effect, receipt: str) -> None:
    del fx, receipt


@bank.effect("hold", A0, R0, S1)
def hold(fx: Effect, order: Order, amount: int = 100) -> str:
    return f"{fx.key} {order.number} {amount}"


@hold.undo(when="attempted")
def free(fx: Effect, order: Order, amount: int = 100) -> None:
    del fx, order, amount


@bank.effect("sign", A3, R3, S2, unknown="ask", irreversible="binds us", review="legal-2026")
def sign(fx: Effect, number: str) -> None:
    del fx, number


@shop.effect("ship", A0, R1, S1, irreversible=Pivot("it is on the road"), idempotent=False)
def ship(fx: Effect, number: str) -> None:
    del fx, number


@shop.effect("mail", A0, R1, S1, irreversible="a mail is sent")
def mail(fx: Effect, number: str) -> None:
    del fx, number


def document_of(flow: Callable[[Order], Any], **options: Any) -> dict[str, Any]:
    """The whole document of a flow over an order."""
    return saga("test", version=1, starts_on=Order, **options)(flow).document()


def nodes_of(flow: Callable[[Order], Any]) -> Any:
    """The nodes of its root flow."""
    return document_of(flow)["flow"]


def told_elsewhere(order: Order) -> None:
    """A helper that flows of other files call."""
    tell.named("elsewhere")(order.number, "x")

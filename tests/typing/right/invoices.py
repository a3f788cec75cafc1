"""The saga of the README; it must type-check strictly and trace."""

from pydantic import BaseModel

from troth import A1, R2, S2, App, Effect, Participant, approve, event, saga, wait_for


@event("invoice.due", version=1, key="number")
class InvoiceDue(BaseModel):
    number: str


@event("goods.received", version=1, key="number")
class GoodsReceived(InvoiceDue): ...


bank = Participant("bank")


@bank.effect("pay", A1, R2, S2, unknown="ask")
def pay(fx: Effect, due: InvoiceDue) -> str:
    return f"receipt of {due.number}, key {fx.key}"


@pay.undo
def refund(fx: Effect, receipt: str) -> None:
    print("refunded:", receipt, fx.key)  # noqa: T201  # it is an example


@saga("pay-invoice", version=1, starts_on=InvoiceDue)
def pay_invoice(due: InvoiceDue) -> None:
    with approve("manager", level=A1, within="2d"):
        pay(due)
    wait_for(GoodsReceived, due.number, within="30d")


app = App(sagas=[pay_invoice], participants=[bank])

"""Pattern 5, Simple Merge: alternative branches come together, and one of them was taken.

What stands below a `with choose(...)` runs once, whichever branch was taken, and there is nothing
to wait for: the other branches never began. `out(...)` says what each branch hands on.
"""

from pydantic import BaseModel

from troth import App, Participant, branch, choose, event, otherwise, out, saga


@event("ticket.bought", version=1, key="ticket")
class TicketBought(BaseModel):
    ticket: str
    method: str


till = Participant("till")


@till.step("charge-card")
def charge_card(bought: TicketBought) -> str:
    return f"card slip {bought.ticket}"


@till.step("take-cash")
def take_cash(bought: TicketBought) -> str:
    return f"cash slip {bought.ticket}"


@till.step("print-receipt")
def print_receipt(slip: str) -> str:
    return f"receipt for {slip}"


@saga("pattern-simple-merge", version=1, starts_on=TicketBought)
def sell_ticket(bought: TicketBought) -> str:
    with choose("payment") as payment:
        with branch("by_card", bought.method == "card"):
            out(charge_card(bought))
        with otherwise():
            out(take_cash(bought))
    return print_receipt(payment.out)


app = App(sagas=[sell_ticket], participants=[till])

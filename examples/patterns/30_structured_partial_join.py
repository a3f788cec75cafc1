"""Pattern 30, Structured Partial Join: n of m branches let the case go on, the others finish.

`join=2` is met by the second branch that is done, and `losers="run_on"` lets the third go on to its
own end. It is still written down, but the purchase does not wait for it.
"""

from pydantic import BaseModel

from troth import App, Participant, event, parallel, saga


@event("purchase.asked", version=1, key="purchase")
class PurchaseAsked(BaseModel):
    purchase: str


buyers = Participant("buyers")


@buyers.step("ask-budget", timeout="5d")
def ask_budget(purchase: str) -> None: ...


@buyers.step("ask-quality", timeout="5d")
def ask_quality(purchase: str) -> None: ...


@buyers.step("ask-security", timeout="5d")
def ask_security(purchase: str) -> None: ...


@buyers.step("place-order")
def place_order(purchase: str) -> None: ...


@saga("pattern-partial-join", version=1, starts_on=PurchaseAsked)
def purchase(asked: PurchaseAsked) -> None:
    with parallel("opinions", join=2, losers="run_on"):
        ask_budget(asked.purchase)
        ask_quality(asked.purchase)
        ask_security(asked.purchase)
    place_order(asked.purchase)


app = App(sagas=[purchase], participants=[buyers])

"""Pattern 37, Local Synchronizing Merge: a merge that knows by itself for which branches to wait.

The branches form a net, not a tree: `after=` says which of the others must be over before one
begins. A branch that was not taken counts as over, so each merge waits for just what really runs.
"""

from pydantic import BaseModel

from troth import App, Participant, branch, event, parallel, saga


@event("mortgage.asked", version=1, key="house")
class MortgageAsked(BaseModel):
    house: str
    joint: bool
    monument: bool


lender = Participant("lender")


@lender.step("check-income")
def check_income(house: str) -> None: ...


@lender.step("check-partner")
def check_partner(house: str) -> None: ...


@lender.step("inspect-house")
def inspect_house(house: str) -> None: ...


@lender.step("ask-monument-office")
def ask_monument_office(house: str) -> None: ...


@lender.step("set-limit")
def set_limit(house: str) -> None: ...


@lender.step("draw-up-deed")
def draw_up_deed(house: str) -> None: ...


@saga("pattern-local-synchronizing-merge", version=1, starts_on=MortgageAsked)
def lend(asked: MortgageAsked) -> None:
    with parallel("inquiries"):
        with branch("income"):
            check_income(asked.house)
        with branch("partner", asked.joint):
            check_partner(asked.house)
        with branch("building"):
            inspect_house(asked.house)
        with branch("monument", asked.monument):
            ask_monument_office(asked.house)
        with branch("limit", after=["income", "partner", "building"]):
            set_limit(asked.house)
        with branch("deed", after=["building", "monument"]):
            draw_up_deed(asked.house)


app = App(sagas=[lend], participants=[lender])

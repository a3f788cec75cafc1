"""Pattern 19, Cancel Task: one task is withdrawn, before it began or while it runs.

A scope gives the task a boundary, and `cancel` stops what is open inside it. The rest of the case
goes on as if the task had been skipped. A task that is done already is left alone.
"""

from pydantic import BaseModel

from troth import App, Participant, cancel, event, on, saga, scope


@event("loan.asked", version=1, key="loan")
class LoanAsked(BaseModel):
    loan: str


@event("guarantee.found", version=1, key="loan")
class GuaranteeFound(BaseModel):
    loan: str


bank = Participant("bank")


@bank.step("check-identity")
def check_identity(loan: str) -> None: ...


@bank.step("value-house", timeout="30d")
def value_house(loan: str) -> None: ...


@bank.step("decide-loan")
def decide_loan(loan: str) -> str:
    return f"{loan} is granted"


@saga("pattern-cancel-task", version=1, starts_on=LoanAsked)
def grant_loan(asked: LoanAsked) -> str:
    with on("guaranteed", GuaranteeFound, asked.loan):
        cancel("valuation")
    check_identity(asked.loan)
    with scope("valuation"):
        value_house(asked.loan)
    return decide_loan(asked.loan)


app = App(sagas=[grant_loan], participants=[bank])

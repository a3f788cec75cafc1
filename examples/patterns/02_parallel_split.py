"""Pattern 2, Parallel Split: from one point on, several branches run at the same time.

`with parallel(...)` is the split. Each call inside is a branch of its own, and `with branch(...)`
makes one branch of several calls. They begin together, and none waits for another.
"""

from pydantic import BaseModel

from troth import App, Participant, branch, event, parallel, saga


@event("person.hired", version=1, key="person")
class PersonHired(BaseModel):
    person: str


office = Participant("office")


@office.step("order-laptop")
def order_laptop(hired: PersonHired) -> str:
    return f"laptop of {hired.person}"


@office.step("install-laptop")
def install_laptop(laptop: str) -> None: ...


@office.step("open-mailbox")
def open_mailbox(hired: PersonHired) -> str:
    return f"{hired.person}@example.com"


@office.step("assign-desk")
def assign_desk(hired: PersonHired) -> str:
    return f"desk of {hired.person}"


@saga("pattern-parallel-split", version=1, starts_on=PersonHired)
def welcome(hired: PersonHired) -> None:
    with parallel("first_day"):
        open_mailbox(hired)
        assign_desk(hired)
        with branch("laptop"):
            laptop = order_laptop(hired)
            install_laptop(laptop)


app = App(sagas=[welcome], participants=[office])

"""Lines that an editor must find are marked; every other line is right. Never imported."""

from pydantic import BaseModel

from tests.typing.right.family import Order
from troth import A1, Collect, approve, event, saga, scope, task, update, wait_for


@event("order.noted", version=1, key="number")
class Noted(BaseModel):
    number: str
    text: str


class Ask(BaseModel):
    days: int


@saga("people", version=1, starts_on=Order, while_=lambda order: order.number != "")
def people(order: Order) -> None:
    with approve("ok", level=A1, within="3d", escalate=[("1d", "executive")]):
        pass
    with approve("no", level=A1, within="3d", escalate=["1d"]):  # wrong: when, and whom
        pass
    task("work", Ask, roles=["legal"], within="1d", escalate=[("1h", 2)])  # wrong: a seat is text
    seen: Noted = wait_for(Noted, order.number, within="1d", peek=True)
    wait_for(Noted, order.number, within="1d", peek="yes", name="b")  # wrong: it is yes or no
    wait_for(Noted, order.number, within="1d", peek=True, collect=Collect(max=2))  # wrong: not both
    with scope("s", while_=lambda: seen.text != ""):
        pass
    with scope("t", while_="seen"):  # wrong: a text is no condition
        pass
    with update("late", Ask, answer=lambda ask: ask.days, answer_when="done"):
        pass
    with update("never", Ask, answer_when="never"):  # wrong: accepted or done
        pass
    with update("odd", Ask, answer=lambda ask: ask.weeks):  # wrong: Ask has days
        pass


@saga("other", version=1, starts_on=Order, while_=True)  # wrong: over the input
def other(order: Order) -> None:
    pass

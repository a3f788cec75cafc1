"""Pattern 39, Critical Section: parts that use the same thing never run at the same time.

`with lock(...)` guards a part of any length. Whoever asks next waits in the order of asking,
whether it is another branch of this case, another case, or another saga of the same tenant.
"""

from pydantic import BaseModel

from troth import App, Participant, branch, event, lock, parallel, saga


@event("kitchen.ordered", version=1, key="dish")
class DishOrdered(BaseModel):
    dish: str


kitchen = Participant("kitchen")


@kitchen.step("heat-oven")
def heat_oven(dish: str) -> None: ...


@kitchen.step("bake-bread")
def bake_bread(dish: str) -> None: ...


@kitchen.step("roast-meat")
def roast_meat(dish: str) -> None: ...


@kitchen.step("wash-salad")
def wash_salad(dish: str) -> None: ...


@saga("pattern-critical-section", version=1, starts_on=DishOrdered)
def cook(ordered: DishOrdered) -> None:
    with parallel("courses"):
        with branch("bread"), lock("oven", within="2h", name="oven_for_bread"):
            heat_oven(ordered.dish)
            bake_bread(ordered.dish)
        with branch("meat"), lock("oven", within="2h", name="oven_for_meat"):
            roast_meat(ordered.dish)
        with branch("salad"):
            wash_salad(ordered.dish)


app = App(sagas=[cook], participants=[kitchen])

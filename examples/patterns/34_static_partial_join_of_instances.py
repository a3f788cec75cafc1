"""Pattern 34, Static Partial Join for Multiple Instances: n of a list let the case go on.

`each(..., join=2)` goes on when two items are done, and `losers="run_on"` lets the others finish.
How many are enough is fixed in the saga; how many there are comes with the data.
"""

from pydantic import BaseModel

from troth import App, Participant, each, event, saga


@event("product.recalled", version=1, key="product")
class ProductRecalled(BaseModel):
    product: str
    labs: list[str]


safety = Participant("safety")


@safety.step("test-in-lab", timeout="20d")
def test_in_lab(lab: str) -> None: ...


@safety.step("warn-public")
def warn_public(product: str) -> None: ...


@saga("pattern-static-join-of-instances", version=1, starts_on=ProductRecalled)
def recall(recalled: ProductRecalled) -> None:
    labs = each("labs", recalled.labs, at_most=20, key=lambda lab: lab, join=2, losers="run_on")
    for lab in labs:
        test_in_lab(lab)
    warn_public(recalled.product)


app = App(sagas=[recall], participants=[safety])

"""Pattern 14, Multiple Instances with a Priori Run-Time Knowledge: as many as the data says.

How many lines an order has is known when it comes. `for ... in each(...)` copies the list when it
begins, runs an instance for each item, and goes on when every one is done.
"""

from pydantic import BaseModel

from troth import App, Participant, each, event, saga


class Line(BaseModel):
    article: str
    pieces: int


@event("groceries.ordered", version=1, key="order")
class GroceriesOrdered(BaseModel):
    order: str
    lines: list[Line]


pickers = Participant("pickers")


@pickers.step("pick-line")
def pick_line(line: Line) -> None: ...


@pickers.step("load-van")
def load_van(order: str, articles: list[str]) -> str:
    return f"{order}: {', '.join(articles)}"


@saga("pattern-run-time-instances", version=1, starts_on=GroceriesOrdered)
def deliver_groceries(ordered: GroceriesOrdered) -> str:
    lines = each("lines", ordered.lines, at_most=200, key=lambda line: line.article)
    for line in lines:
        pick_line(line)
    return load_van(ordered.order, lines.done)


app = App(sagas=[deliver_groceries], participants=[pickers])

"""Pattern 28, Blocking Discriminator: a new round waits until the late branches are done.

It is a combination: the discriminator of pattern 9 stands in a round of `repeat`. The first branch
lets the round go on at once; the next round begins when what runs on in this one is over.
"""

from pydantic import BaseModel

from troth import App, Participant, event, parallel, repeat, saga


@event("shop.opened", version=1, key="shop")
class ShopOpened(BaseModel):
    shop: str
    days: int


stock = Participant("stock")


@stock.step("count-by-hand")
def count_by_hand(shop: str) -> None: ...


@stock.step("count-by-till")
def count_by_till(shop: str) -> None: ...


@stock.step("reorder")
def reorder(shop: str) -> None: ...


@saga("pattern-blocking-discriminator", version=1, starts_on=ShopOpened)
def keep_stocked(opened: ShopOpened) -> None:
    with repeat("days", max=365, until=lambda: day.number >= opened.days) as day:
        with parallel("counts", join="any", losers="run_on"):
            count_by_hand(opened.shop)
            count_by_till(opened.shop)
        reorder(opened.shop)


app = App(sagas=[keep_stocked], participants=[stock])

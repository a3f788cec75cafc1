"""Pattern 3, Synchronization: what comes next waits until every parallel branch is done.

The end of a `with parallel(...)` block is the join. The node below it begins when all branches are
done, and may read what each of them gave.
"""

from pydantic import BaseModel

from troth import App, Participant, event, parallel, saga


@event("house.offered", version=1, key="house")
class HouseOffered(BaseModel):
    house: str


notary = Participant("notary")


@notary.step("survey")
def survey(offer: HouseOffered) -> int:
    return 300 if offer.house == "mill" else 200


@notary.step("search-register")
def search_register(offer: HouseOffered) -> list[str]:
    return [f"owner of the {offer.house}"]


@notary.step("agree-mortgage")
def agree_mortgage(offer: HouseOffered) -> int:
    return 250 if offer.house == "mill" else 150


@notary.step("draw-up-contract")
def draw_up_contract(worth: int, owners: list[str], lent: int) -> str:
    return f"{owners[0]} gets {worth}, of which {lent} are lent"


@saga("pattern-synchronization", version=1, starts_on=HouseOffered)
def buy_house(offer: HouseOffered) -> str:
    with parallel("inquiries"):
        worth = survey(offer)
        owners = search_register(offer)
        lent = agree_mortgage(offer)
    return draw_up_contract(worth, owners, lent)


app = App(sagas=[buy_house], participants=[notary])

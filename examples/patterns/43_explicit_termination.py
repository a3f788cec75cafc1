"""Pattern 43, Explicit Termination: the case ends when a certain node is reached, not before it.

`fulfil(...)` ends the commitment from wherever it stands. What runs in other branches is stopped,
what was done is kept, and the commitment is fulfilled with the result that is given there.
"""

from pydantic import BaseModel

from troth import App, Participant, branch, event, fulfil, parallel, saga, when


@event("dog.lost", version=1, key="dog")
class DogLost(BaseModel):
    dog: str


searchers = Participant("searchers")


@searchers.step("search-park", timeout="3d")
def search_park(dog: str) -> bool:
    return dog == "rex"


@searchers.step("search-woods", timeout="3d")
def search_woods(dog: str) -> bool:
    return dog == "bello"


@searchers.step("bring-home")
def bring_home(dog: str) -> str:
    return f"{dog} is home"


@saga("pattern-explicit-termination", version=1, starts_on=DogLost)
def search(lost: DogLost) -> str:
    with parallel("search"):
        with branch("park"):
            in_park = search_park(lost.dog)
            with when("found_in_park", in_park):
                fulfil(bring_home.named("bring_from_park")(lost.dog), name="home_from_park")
        with branch("woods"):
            in_woods = search_woods(lost.dog)
            with when("found_in_woods", in_woods):
                fulfil(bring_home.named("bring_from_woods")(lost.dog), name="home_from_woods")
    return "still lost"


app = App(sagas=[search], participants=[searchers])

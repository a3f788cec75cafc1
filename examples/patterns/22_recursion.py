"""Pattern 22, Recursion: a task may start the process that it is a part of.

`child(...)` may name the saga in which it stands. Each level is a commitment with a stream of its
own, and the engine refuses a recursion that nothing can end: here a part without parts ends it.
"""

from pydantic import BaseModel

from troth import App, Participant, child, each, event, new, out, saga

PARTS = {"bicycle": ["wheel", "frame"], "wheel": ["rim", "tyre"]}
GRAMS = {"rim": 500, "tyre": 300, "frame": 2_000}


@event("weight.asked", version=1, key="part")
class WeightAsked(BaseModel):
    part: str


workshop = Participant("workshop")


@workshop.step("list-parts")
def list_parts(part: str) -> list[str]:
    return PARTS.get(part, [])


@workshop.step("add-weights")
def add_weights(part: str, below: dict[str, int]) -> int:
    return GRAMS.get(part, 0) + sum(below.values())


@saga("pattern-recursion", version=1, starts_on=WeightAsked)
def weigh(asked: WeightAsked) -> int:
    inside = list_parts(asked.part)
    parts = each("parts", inside, at_most=100, key=lambda part: part)
    for part in parts:
        out(child(weigh, new(WeightAsked, part=part), on_undo="none", name="weigh_part"))
    return add_weights(asked.part, parts.out)


app = App(sagas=[weigh], participants=[workshop])

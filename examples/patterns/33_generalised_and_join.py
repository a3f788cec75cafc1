"""Pattern 33, Generalised AND-Join: one of each, however far one input is ahead of the other.

It is a combination: each input is an event, and each round waits for one of every kind. What comes
early is kept in order, so two frames before the first saddle make two bicycles in the end.
"""

from pydantic import BaseModel

from troth import App, Participant, event, parallel, repeat, saga, wait_for


@event("bicycles.ordered", version=1, key="order")
class BicyclesOrdered(BaseModel):
    order: str
    pieces: int


@event("bicycles.frame-made", version=1, key="order")
class FrameMade(BaseModel):
    order: str
    frame: int


@event("bicycles.saddle-made", version=1, key="order")
class SaddleMade(BaseModel):
    order: str
    saddle: int


assembly = Participant("assembly")


@assembly.step("assemble")
def assemble(frame: int, saddle: int) -> None: ...


@saga("pattern-generalised-and-join", version=1, starts_on=BicyclesOrdered, deadline="60d")
def build(ordered: BicyclesOrdered) -> None:
    with repeat("bicycles", max=1_000, until=lambda: bicycle.number >= ordered.pieces) as bicycle:
        with parallel("parts"):
            frame = wait_for(FrameMade, ordered.order, within=None, name="frame")
            saddle = wait_for(SaddleMade, ordered.order, within=None, name="saddle")
        assemble(frame.frame, saddle.saddle)


app = App(sagas=[build], participants=[assembly])

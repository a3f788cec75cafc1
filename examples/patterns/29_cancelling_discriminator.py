"""Pattern 29, Cancelling Discriminator: the first branch goes on, the others are taken back.

`join="any"` is met by the first branch that is done. The others stop at once, and what they had
done already is undone, so that two carriers never keep a place for one load.
"""

from pydantic import BaseModel

from troth import A0, R1, S1, App, Effect, Participant, branch, event, out, parallel, saga


@event("load.ready", version=1, key="load")
class LoadReady(BaseModel):
    load: str


carriers = Participant("carriers")


@carriers.effect("hold-lorry", A0, R1, S1)
def hold_lorry(fx: Effect, load: str) -> str:
    return f"lorry for {load}, {fx.key[:8]}"


@hold_lorry.undo
def release_lorry(fx: Effect, held: str) -> None: ...


@carriers.effect("hold-wagon", A0, R1, S1)
def hold_wagon(fx: Effect, load: str) -> str:
    return f"wagon for {load}, {fx.key[:8]}"


@hold_wagon.undo
def release_wagon(fx: Effect, held: str) -> None: ...


@carriers.step("confirm-driver")
def confirm_driver(held: str) -> str:
    return f"{held} and a driver"


@carriers.step("confirm-track")
def confirm_track(held: str) -> str:
    return f"{held} and a track"


@carriers.step("bring-load")
def bring_load(load: str) -> None: ...


@saga("pattern-cancelling-discriminator", version=1, starts_on=LoadReady)
def move_load(ready: LoadReady) -> None:
    with parallel("carriage", join="any"):
        with branch("road"):
            out(confirm_driver(hold_lorry(ready.load)))
        with branch("rail"):
            out(confirm_track(hold_wagon(ready.load)))
    bring_load(ready.load)


app = App(sagas=[move_load], participants=[carriers])

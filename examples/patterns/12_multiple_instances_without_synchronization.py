"""Pattern 12, Multiple Instances without Synchronization: started, and never waited for.

Each traffic offence becomes a commitment of its own: `child(..., wait=False)` starts it and goes on
at once. The fines outlive the inspection that found them, and nothing joins them again.
"""

from pydantic import BaseModel

from troth import App, Participant, child, each, event, new, saga


@event("camera.read", version=1, key="camera")
class CameraRead(BaseModel):
    camera: str
    plates: list[str]


class Offence(BaseModel):
    plate: str
    camera: str


police = Participant("police")


@police.step("write-fine")
def write_fine(offence: Offence) -> str:
    return f"fine for {offence.plate}"


@police.step("reset-camera")
def reset_camera(camera: str) -> None: ...


@saga("pattern-fine", version=1, starts_on=Offence, key="plate")
def fine(offence: Offence) -> str:
    return write_fine(offence)


@saga("pattern-unsynchronized-instances", version=1, starts_on=CameraRead)
def read_camera(read: CameraRead) -> None:
    for plate in each("offences", read.plates, at_most=100, key=lambda plate: plate):
        offence = new(Offence, plate=plate, camera=read.camera)
        child(fine, offence, wait=False, on_undo="none", on_stop="leave")
    reset_camera(read.camera)


app = App(sagas=[read_camera, fine], participants=[police])

"""Pattern 6, Multi-Choice: of several branches, any number is taken, each for a reason of its own.

The branches of a `with parallel(...)` may have guards. They are read when the block is entered:
those that are true begin together, the others are skipped.
"""

from pydantic import BaseModel

from troth import App, Participant, branch, event, parallel, saga


@event("accident.reported", version=1, key="accident")
class AccidentReported(BaseModel):
    accident: str
    injured: int
    burns: bool
    blocks_road: bool


dispatcher = Participant("dispatcher")


@dispatcher.step("send-ambulance")
def send_ambulance(accident: str, injured: int) -> None: ...


@dispatcher.step("send-fire-engine")
def send_fire_engine(accident: str) -> None: ...


@dispatcher.step("send-police")
def send_police(accident: str) -> None: ...


@saga("pattern-multi-choice", version=1, starts_on=AccidentReported)
def answer_call(report: AccidentReported) -> None:
    with parallel("help"):
        with branch("medical", report.injured > 0):
            send_ambulance(report.accident, report.injured)
        with branch("fire", report.burns):
            send_fire_engine(report.accident)
        with branch("traffic", report.blocks_road):
            send_police(report.accident)


app = App(sagas=[answer_call], participants=[dispatcher])

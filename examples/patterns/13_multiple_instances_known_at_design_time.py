"""Pattern 13, Multiple Instances with a Priori Design-Time Knowledge: as many as the model says.

The board's three seats are written into the saga. `for ... in each(...)` over that list runs one
instance for each seat, all at once, and goes on when every one is done.
"""

from pydantic import BaseModel

from troth import App, Participant, each, event, out, saga

SEATS = ["chair", "treasurer", "secretary"]


@event("report.written", version=1, key="report")
class ReportWritten(BaseModel):
    report: str


board = Participant("board")


@board.step("sign-report")
def sign_report(seat: str, report: str) -> str:
    return f"{seat} signed {report}"


@board.step("publish-report")
def publish_report(report: str, signed: dict[str, str]) -> str:
    return f"{report}, signed by {len(signed)}"


@saga("pattern-design-time-instances", version=1, starts_on=ReportWritten)
def annual_report(written: ReportWritten) -> str:
    signatures = each("signatures", SEATS, at_most=len(SEATS), key=lambda seat: seat)
    for seat in signatures:
        out(sign_report(seat, written.report))
    return publish_report(written.report, signatures.out)


app = App(sagas=[annual_report], participants=[board])

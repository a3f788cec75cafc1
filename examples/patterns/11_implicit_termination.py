"""Pattern 11, Implicit Termination: a case ends by itself when nothing is left to do.

No node says "end" here. The commitment is fulfilled once its flow is done and what runs beside it
has finished too: here an answer to a question that came while the parcel was under way.
"""

from pydantic import BaseModel

from troth import App, Participant, event, on, saga


@event("sofa.ordered", version=1, key="sofa")
class SofaOrdered(BaseModel):
    sofa: str


@event("sofa.question", version=1, key="sofa")
class SofaQuestion(BaseModel):
    sofa: str
    text: str


furniture = Participant("furniture")


@furniture.step("build-sofa")
def build_sofa(order: SofaOrdered) -> None: ...


@furniture.step("deliver-sofa")
def deliver_sofa(order: SofaOrdered) -> None: ...


@furniture.step("answer-question")
def answer_question(text: str) -> str:
    return f"about {text}: soon"


@saga("pattern-implicit-termination", version=1, starts_on=SofaOrdered)
def make_sofa(order: SofaOrdered) -> None:
    with on("question", SofaQuestion, order.sofa) as asked:
        answer_question(asked.text)
    build_sofa(order)
    deliver_sofa(order)


app = App(sagas=[make_sofa], participants=[furniture])

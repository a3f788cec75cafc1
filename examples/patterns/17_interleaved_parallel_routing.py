"""Pattern 17, Interleaved Parallel Routing: each task once, one at a time, in a partial order.

It is a combination: the tasks are the items of `each(...)`, `after=` says which of them come before
which, and `width=1` lets one run at a time. Among those that may run, the order is that of the list.
"""

from pydantic import BaseModel

from troth import App, Participant, branch, choose, each, event, otherwise, saga


class Task(BaseModel):
    name: str
    after: list[str]


@event("patient.admitted", version=1, key="patient")
class PatientAdmitted(BaseModel):
    patient: str
    tasks: list[Task]


clinic = Participant("admission")


@clinic.step("take-blood-sample")
def take_blood_sample(patient: str) -> None:
    del patient


@clinic.step("take-x-ray")
def take_x_ray(patient: str) -> None:
    del patient


@clinic.step("examine")
def examine(patient: str) -> None:
    del patient


@saga("pattern-interleaved-parallel-routing", version=1, starts_on=PatientAdmitted)
def admit(admitted: PatientAdmitted) -> None:
    tasks = each(
        "tasks",
        admitted.tasks,
        at_most=3,
        key=lambda task: task.name,
        after=lambda task: task.after,
        width=1,
    )
    for task in tasks:
        with choose("which"):
            with branch("blood", task.name == "blood"):
                take_blood_sample(admitted.patient)
            with branch("x_ray", task.name == "x-ray"):
                take_x_ray(admitted.patient)
            with otherwise():
                examine(admitted.patient)


app = App(sagas=[admit], participants=[clinic])

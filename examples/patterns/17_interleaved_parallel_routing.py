"""Pattern 17, Interleaved Parallel Routing: each task once, one at a time, in a partial order.

The branches of the `with parallel(...)` say what comes before what, also across branches by
`after=`. With `exclusive="step"` only one task of the block is open at a time; those that may begin
take turns, first come first served, so the branches interleave.
"""

from pydantic import BaseModel

from troth import App, Participant, branch, event, parallel, saga


@event("patient.admitted", version=1, key="patient")
class PatientAdmitted(BaseModel):
    patient: str


clinic = Participant("admission")


@clinic.step("take-blood-sample")
def take_blood_sample(patient: str) -> None: ...


@clinic.step("measure-pressure")
def measure_pressure(patient: str) -> None: ...


@clinic.step("prepare-x-ray")
def prepare_x_ray(patient: str) -> None: ...


@clinic.step("take-x-ray")
def take_x_ray(patient: str) -> None: ...


@clinic.step("examine")
def examine(patient: str) -> None: ...


@saga("pattern-interleaved-parallel-routing", version=1, starts_on=PatientAdmitted)
def admit(admitted: PatientAdmitted) -> None:
    with parallel("tests", exclusive="step"):
        with branch("nurse"):
            take_blood_sample(admitted.patient)
            measure_pressure(admitted.patient)
        with branch("radiology"):
            prepare_x_ray(admitted.patient)
            take_x_ray(admitted.patient)
        with branch("doctor", after=["nurse"]):
            examine(admitted.patient)


app = App(sagas=[admit], participants=[clinic])

"""The long sagas of the catalogue, on simulated systems: weeks and months of a few worlds.

Each world plays at most one of them, drawn apart so that it shifts no other draw. What stands
outside is written down in the books, as for every other participant.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID

from domain.errors import Refusal
from domain.requests import TaskRequest, UpdateRequest
from sagas.catalogue import dd_room, pmi, prospecting
from sagas.catalogue import self_improvement as improving
from tests.simulation.people import People
from tests.simulation.pool import Systems
from tests.simulation.sdk import process_here
from troth import Participant, Refused, Saga

__all__ = ["Played", "played"]

Json = Any
Story = Coroutine[Any, Any, None]
SHARE = 0.3
"""The share of worlds in which one of them is played."""
WEEK_US = 7 * 86_400_000_000
DAY_S = 86_400.0
SURE_WEEKS = 2
"""A trial is sure of what it shows in every third week."""
OWNERS_S = (0.5 * DAY_S, 20 * DAY_S)
CLOSED_S = (1 * DAY_S, 40 * DAY_S)
_TASKS = """
SELECT id, commitment, body FROM tasks WHERE status IN ('offered', 'claimed') AND tenant = ?
ORDER BY id
"""


@dataclass(frozen=True, slots=True)
class Played:
    """One of them. `participants` must be asked for by each world: connecting is global."""

    sagas: tuple[Saga[Any, Any], ...]
    participants: Callable[[], list[Participant[Any]]]
    stories: Callable[[People, Random, float], list[Story]]
    rng: Random

    def told(self, people: People, horizon_s: float) -> list[Story]:
        """What producers and others do about it."""
        return self.stories(people, self.rng, horizon_s)


def played(seed: int, *, with_partner: bool, with_signature: bool) -> Played | None:
    """What a world plays; two participants of one name would be one."""
    rng = Random(f"catalogue {seed}")
    if rng.random() >= SHARE:
        return None
    found = [
        Played((pmi.milestone, pmi.pmi), _for_pmi, _integrations, rng),
        Played((improving.improvement,), _for_improving, _improvements, rng),
    ]
    if not with_partner:
        found.append(Played((prospecting.prospecting,), _for_prospecting, _leads, rng))
    if not with_signature:
        found.append(Played((dd_room.dd_room,), _for_rooms, _rooms, rng))
    return rng.choice(found)


async def _tell(people: People, after_s: float, type_: str, data: Json) -> None:
    await asyncio.sleep(after_s)
    await people.publish(type_, data)


class _Outside:
    """What every system here is made of: acts once for each key, and finds what happened."""

    def __init__(self) -> None:
        self._process = process_here()
        self._to = Systems(self._process)

    async def _act(self, **answer: Json) -> Json:
        return await self._to.act(answer or None)

    def _weeks(self) -> int:
        return self._process.machine.loop.now_us() // WEEK_US


# --- integration after a merger ------------------------------------------------------------------


class _Office(_Outside):
    def check(self, plan: pmi.Plan) -> pmi.Checked:
        names = {m.name for m in plan.milestones}
        if any(name not in names for m in plan.milestones for name in m.after):
            raise Refused("unknown-milestone", "no such milestone")
        return pmi.Checked(milestones=plan.milestones)

    def verify(self, milestone: pmi.Milestone, evidence: pmi.Evidence) -> pmi.Verdict:
        status: Any = "verified" if evidence.claimed == "all" else "partially_verified"
        return pmi.Verdict(status=status, actual=evidence.claimed)

    async def register(self, key: str, plan: pmi.Plan) -> pmi.Registered:
        return pmi.Registered.model_validate(await self._act(plan_id=key[:8]))

    async def withdraw(self, key: str, registered: pmi.Registered) -> None:
        await self._act()

    async def escalate(self, key: str, milestone: pmi.Milestone, weeks_late: int) -> None:
        await self._act()


@asynccontextmanager
async def _office() -> AsyncIterator[_Office]:
    yield _Office()


def _for_pmi() -> list[Participant[Any]]:
    pmi.connect(_office)
    return [pmi.office]


def _integrations(people: People, rng: Random, horizon_s: float) -> list[Story]:
    found: list[Story] = []
    loop: Any = asyncio.get_running_loop()
    for number in range(rng.randint(1, 2)):
        names = [f"m{n}" for n in range(rng.randint(1, 4))]
        now = loop.now()
        milestones = [
            {"name": name, "owner": "olaf", "after": names[:n] if rng.random() < 0.5 else [],
             "due": (now + timedelta(days=rng.randint(1, 60))).isoformat()}
            for n, name in enumerate(names)
        ]  # fmt: skip
        if rng.random() < 0.1:
            milestones[0]["after"] = ["nowhere"]
        plan = {"deal": f"deal-{number}", "milestones": milestones}
        found.append(_tell(people, rng.uniform(0, horizon_s * 0.5), "pmi.planned", plan))
    return [*found, _owner(people, rng)]


async def _owner(people: People, rng: Random) -> None:
    """Hands evidence in, now and then too little of it; goes on after the last fault."""
    while True:
        await asyncio.sleep(rng.uniform(*OWNERS_S))
        for number, commitment, body in people.rows(_TASKS):
            if "milestone-owner" in body["roles"] and rng.random() < 0.7:
                await _hand_in(people, rng, number, commitment)


async def _hand_in(people: People, rng: Random, number: str, commitment: UUID) -> None:
    asked = people.asked("olaf", "milestone-owner")
    claimed = await people.insist(TaskRequest(asked, commitment, number, "claim"))
    if isinstance(claimed, Refusal):
        return
    what = "all" if rng.random() < 0.7 else "some"
    payload = {"claimed": what, "sources": ["urn:books"]}
    await people.insist(TaskRequest(asked, commitment, number, "complete", payload))


# --- improving itself ----------------------------------------------------------------------------


class _Improving(_Outside):
    def diagnose(self, subject: str, signals: list[improving.SignalSeen]) -> improving.Finding:
        if not signals:
            raise Refused("nothing-found", "nobody said anything")
        return improving.Finding(cause="slow", signals=len(signals))

    def propose(self, subject: str, finding: improving.Finding) -> improving.Experiment:
        return improving.Experiment(change="quicker", percent=10)

    async def start(
        self, key: str, subject: str, experiment: improving.Experiment
    ) -> improving.Trial:
        return improving.Trial.model_validate(await self._act(trial_id=key[:8]))

    async def stop(self, key: str, trial: improving.Trial) -> None:
        await self._act()

    def read(self, trial: improving.Trial) -> improving.Reading:
        week = self._weeks() + int(trial.trial_id, 16)
        uplift = 0.5 if int(trial.trial_id[0], 16) % 4 else -0.5
        return improving.Reading(cases=week % 7, uplift=uplift, sure=week % 3 == SURE_WEEKS)

    def judge(
        self, experiment: improving.Experiment, reading: improving.Reading
    ) -> improving.Judged:
        return improving.Judged(notes="as it should be", reading=reading)

    async def promote(
        self, key: str, subject: str, experiment: improving.Experiment
    ) -> improving.Release:
        return improving.Release.model_validate(await self._act(release_id=key[:8]))

    async def promoted(self, key: str) -> improving.Release | None:
        found = await self._to.find()
        return None if found is None else improving.Release.model_validate(found)

    async def roll_back(self, key: str, release: improving.Release) -> None:
        await self._act()


@asynccontextmanager
async def _improving() -> AsyncIterator[_Improving]:
    yield _Improving()


def _for_improving() -> list[Participant[Any]]:
    improving.connect(_improving, _improving, _improving, _improving)
    return [improving.analyst, improving.trials, improving.governance, improving.releases]


def _improvements(people: People, rng: Random, horizon_s: float) -> list[Story]:
    found: list[Story] = []
    for number in range(rng.randint(1, 2)):
        subject = f"prompt-{number}"
        found.append(_tell(people, rng.uniform(0, horizon_s * 0.3), "improvement.wanted",
                           {"subject": subject}))  # fmt: skip
        for count in range(rng.randint(0, 5)):
            signal = {"subject": subject, "kind": "slow", "text": f"signal {count}"}
            found.append(_tell(people, rng.uniform(0, horizon_s), "signal.seen", signal))
        if rng.random() < 0.5:
            worse = {"subject": subject, "figure": "cost"}
            found.append(_tell(people, rng.uniform(0, 40 * DAY_S), "figures.got-worse", worse))
    return found


# --- prospecting ---------------------------------------------------------------------------------


class _Selling(_Outside):
    def qualify(self, lead: prospecting.LeadFound) -> prospecting.Profile:
        if lead.company == "none":
            raise Refused("unfit", "too small")
        return prospecting.Profile(company=lead.company, fit=70)

    def write(self, lead: prospecting.LeadFound, profile: prospecting.Profile) -> prospecting.Texts:
        return prospecting.Texts(message="hello", mail="dear", touch="hi", script="how are you")

    async def message(self, key: str, lead: prospecting.LeadFound, text: str) -> None:
        await self._to.act(None, refuses="unreachable")

    mail = touch = message

    async def call(self, key: str, lead: prospecting.LeadFound, script: str) -> prospecting.Called:
        answered = int(key[0], 16) % 2 == 0
        return prospecting.Called.model_validate(
            await self._to.act({"answered": answered}, refuses="unreachable")
        )

    async def suppress(self, key: str, lead: prospecting.LeadFound) -> None:
        await self._act()

    async def sync(
        self, key: str, lead: prospecting.LeadFound, ended: prospecting.Ended, touches: int
    ) -> None:
        await self._act()


@asynccontextmanager
async def _selling() -> AsyncIterator[_Selling]:
    yield _Selling()


def _for_prospecting() -> list[Participant[Any]]:
    prospecting.connect(_selling, _selling, _selling)
    return [prospecting.research, prospecting.outreach, prospecting.crm]


def _leads(people: People, rng: Random, horizon_s: float) -> list[Story]:
    found: list[Story] = []
    for number in range(rng.randint(1, 3)):
        lead = {
            "lead": f"lead-{number}", "company": rng.choice(["acme", "bolt", "none"]),
            "email": "a@example.org", "phone": "1",
        }  # fmt: skip
        found.append(_tell(people, rng.uniform(0, horizon_s * 0.5), "lead.found", lead))
        said = {"lead": lead["lead"], "channel": "mail"}
        for type_ in ("lead.replied", "lead.opted-out"):
            if rng.random() < 0.3:
                found.append(_tell(people, rng.uniform(0, 15 * DAY_S), type_, said))
    return found


# --- rooms ---------------------------------------------------------------------------------------


class _Provider(_Outside):
    async def create(self, key: str, deal: str) -> dd_room.Room:
        return dd_room.Room.model_validate(await self._act(room_id=key[:8]))

    async def delete(self, key: str, room: dd_room.Room) -> None:
        await self._act()

    async def load(self, key: str, room: dd_room.Room, document: dd_room.Document) -> str:
        return await self._to.act(key[:8])

    async def unload(self, key: str, loaded: str) -> None:
        await self._act()

    async def open(self, key: str, room: dd_room.Room) -> dd_room.Opening:
        return dd_room.Opening.model_validate(await self._act(opening_id=key[:8]))

    async def opened(self, key: str) -> dd_room.Opening | None:
        found = await self._to.find()
        return None if found is None else dd_room.Opening.model_validate(found)

    async def close(self, key: str, opening: dd_room.Opening) -> None:
        await self._act()

    async def grant(self, key: str, room: dd_room.Room, party: dd_room.Party) -> dd_room.Grant:
        return dd_room.Grant.model_validate(await self._act(grant_id=key[:8]))

    async def revoke(self, key: str, grant: dd_room.Grant) -> None:
        await self._act()

    def classify(self, document: dd_room.Document) -> dd_room.Label:
        if document.path == "secret":
            raise Refused("privileged", "in no room")
        return dd_room.Label(document_id=document.document_id, label="contract")

    async def log(self, key: str, report: dd_room.AccessReported) -> None:
        await self._act()

    async def file(self, key: str, room: dd_room.Room, admitted: list[str]) -> dd_room.Archived:
        return dd_room.Archived.model_validate(await self._act(archive_id=key[:8]))


@asynccontextmanager
async def _provider() -> AsyncIterator[_Provider]:
    yield _Provider()


def _for_rooms() -> list[Participant[Any]]:
    dd_room.connect(_provider, _provider)
    return [dd_room.rooms, dd_room.archive]


def _party(person: str) -> Json:
    return {"person": person, "email": f"{person}@example.org", "group": "buyers"}


def _rooms(people: People, rng: Random, horizon_s: float) -> list[Story]:
    count = rng.randint(1, 3)
    documents = [{"document_id": f"d{n}", "path": "plain"} for n in range(rng.randint(1, 4))]
    if rng.random() < 0.1:
        documents[0]["path"] = "secret"
    asked = {
        "deal": "deal-0", "documents": documents,
        "parties": [_party(f"p{n}") for n in range(count)],
    }  # fmt: skip
    found: list[Story] = [_tell(people, rng.uniform(0, horizon_s * 0.5), "room.requested", asked)]
    for day in range(rng.randint(0, 3)):
        report = {"deal": "deal-0", "day": str(day), "person": "p0", "documents": 2}
        found.append(_tell(people, rng.uniform(0, 10 * DAY_S), "room.access-reported", report))
    if rng.random() < 0.2:
        left = {"deal": "deal-0", "reason": "too dear"}
        found.append(_tell(people, rng.uniform(0, 20 * DAY_S), "room.buyer-left", left))
    if rng.random() < 0.8:
        found.append(_manage(people, rng))
    return found


async def _manage(people: People, rng: Random) -> None:
    """Whoever runs a room invites, dismisses, and closes it; most are refused at a wrong time."""
    await asyncio.sleep(rng.uniform(*CLOSED_S))
    changes: list[tuple[str, Json]] = [
        ("invite", {"party": _party("late")}), ("dismiss", {"person": "p0"}),
        ("close", {"reason": "signed"}),
    ]  # fmt: skip
    for name, args in changes:
        for c in people.open_commitments():
            if c.saga == dd_room.dd_room.name:
                asked = people.asked("rita")
                await people.insist(UpdateRequest(asked, c.id, name, f"{name} {c.id}", args))
        await asyncio.sleep(rng.uniform(0, 3 * DAY_S))

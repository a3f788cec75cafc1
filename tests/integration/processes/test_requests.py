"""Every request through a process that has not the lane is answered as one process would.

One story is told to an engine on SQLite, to one process on PostgreSQL, and to an API with two
processes behind it; what is answered must not differ.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.engine.world import CRM, REGISTRY
from tests.integration.processes.world import Site, Speaker, done, held, site, until
from tests.servers import Databases

Json = Any
Told = list[tuple[str, Json]]
COMPANIES = [f"c{n:02}" for n in range(12)]
NOBODY = "5b1c9e07-0000-8000-8000-000000000000"
DRAWN = frozenset(
    {"position", "recorded", "root", "token", "lease_s", "deadline", "reached", "follow"}
)
"""Members that differ from run to run, or are known only where the lane is (docs/format.md)."""


def one_file(here: Site) -> str:
    api = here.serve()
    until(api.ready)
    return api.url


def one_process(here: Site) -> str:
    here.migrate()
    api = here.serve("--with-lanes")
    until(lambda: here.is_shared(api) and api.ready())
    return api.url


def three_processes(here: Site) -> str:
    here.migrate()
    api, workers = here.serve(), [here.work(), here.work()]
    until(lambda: here.is_shared(*workers) and api.ready())
    return api.url


@contextmanager
def engine(shape: Callable[[Site], str], folder: Path, store: str) -> Iterator[Speaker]:
    with site(folder, store) as here, Speaker(shape(here), here.keys) as speaker:
        assert speaker.register().status_code == 201
        yield speaker


def plain(value: Json) -> Json:
    """An answer without what differs from run to run."""
    match value:
        case dict():
            return {name: plain(one) for name, one in value.items() if name not in DRAWN}
        case list():
            return [plain(one) for one in value]
        case str():
            return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|\d{4}-\d\d-\d\dT[0-9:.]+Z", "X", value)
        case _:
            return value


class Story:
    """Tells an engine one story and keeps what it answered."""

    def __init__(self, speaker: Speaker) -> None:
        self.speaker = speaker
        self.told: Told = []

    def note(self, what: str, found: Any) -> Json:
        body = found.json() if found.content else None
        self.told.append((what, (found.status_code, plain(body))))
        return body

    def tell(self) -> Told:
        self.starts()
        self.events()
        self.batches()
        self.decisions()
        self.controls()
        self.ends()
        return self.told

    def starts(self) -> None:
        first = self.note("start", self.speaker.begin("c00", once="k1"))
        again = self.speaker.begin("c00", once="k1")
        self.note("the same start", again)
        assert again.json()["position"] >= first["position"]
        self.note("a reused idempotency key", self.speaker.begin("hooli", once="k1"))
        self.note("a running key", self.speaker.begin("c00"))
        self.note("no key", self.speaker.begin("", once="k2"))
        self.note("no such version", self.speaker.begin("c00", version=9))
        for company in COMPANIES[1:]:
            self.note(f"start {company}", self.speaker.begin(company, once=company))

    def events(self) -> None:
        publish = self.speaker.publish
        self.note("event", publish("partner.signed", _signed("early"), "e1"))
        self.note("the same event", publish("partner.signed", _signed("early"), "e1"))
        self.note("a reused event id", publish("partner.signed", _signed("other"), "e1"))
        self.note("an unknown type", publish("partner.left", {}, "e2"))
        self.note("a start by an event", publish("partner.applied", {"company": "evt"}, "e3"))
        assert self.speaker.step("evt", "?after=e3&timeout_s=10")["run"] == 1

    def batches(self) -> None:
        """The work of all commitments, which live in all lanes, in one request each."""
        tell = self.speaker.tell
        claims = _by_key(self.speaker.claim(REGISTRY, len(COMPANIES) + 1))
        assert len(claims) == len(COMPANIES) + 1
        begun = [held(claim) for claim in claims]
        self.note("starts", tell(REGISTRY, "starts", "starts", begun))
        beats = [{**one, "progress": "half"} for one in begun]
        self.note("heartbeats", tell(REGISTRY, "heartbeats", "leases", beats))
        forged = {**done(claims[0]), "token": "1.3.99.7"}
        foreign = {**done(claims[1]), "token": "1.999.1.1"}
        answered = [done(claim) for claim in claims]
        self.note("forged", tell(REGISTRY, "replies", "replies", [forged, foreign]))
        self.note("replies", tell(REGISTRY, "replies", "replies", answered))
        self.note("the same replies", tell(REGISTRY, "replies", "replies", answered))
        self.note("lost heartbeats", tell(REGISTRY, "heartbeats", "leases", begun))
        self.note("lost starts", tell(REGISTRY, "starts", "starts", begun))
        for participant in (REGISTRY, CRM):
            claims = _by_key(self.speaker.claim(participant, len(COMPANIES) + 1))
            self.told.append((f"work of {participant}", self.speaker.perform(participant, claims)))

    def decisions(self) -> None:
        for company in COMPANIES[:4]:
            self.speaker.publish("partner.signed", _signed(company), f"s-{company}")
            self.speaker.step(company, f"?after=s-{company}&timeout_s=10")
        asked = self.speaker.approval("c00")
        decide = self.speaker.decide
        self.note("another digest", decide("legal", {**asked, "digest": "0" * 64}, "approve"))
        self.note("a seat", decide("legal", asked, "approve"))
        self.note("the same person", decide("legal", asked, "approve"))
        self.note("no such seat", decide("observer", asked, "approve"))
        self.note("the last seat", decide("function_head", asked, "approve"))
        self.note("too late", decide("legal2", asked, "reject"))
        self.note("a rejection", decide("legal", self.speaker.approval("c01"), "reject"))

    def controls(self) -> None:
        id, control = self.speaker.step("c05")["id"], self.speaker.control
        for action in ("resume", "pause", "pause", "resume"):
            self.note(action, control(id, action))
        self.note("nothing to settle", control(id, "settle", node="x", outcome="done", evidence={}))
        self.note("nothing to retry", control(id, "retry", node="x"))
        self.note("not parked", control(id, "release"))
        self.note("nobody's", control(NOBODY, "cancel"))
        self.note("cancel", control(id, "cancel"))
        self.note("cancelled already", control(id, "cancel"))

    def ends(self) -> None:
        """The gated effect of c00, and the undoing of c01 and c05."""
        claims = _by_key(self.speaker.claim(CRM, 3))
        self.told.append(("contracts", [(one["key"], one["contract"]) for one in claims]))
        self.told.append(("ends", self.speaker.perform(CRM, claims)))
        for company in ("c00", "c01", "c02", "c05"):
            current = self.speaker.step(company)
            self.told.append((company, [current["status"], current["step"], current["run"]]))
        counts = self.speaker.get("/v1/counts")
        self.told.append(("counts", counts["status"]))


def _signed(company: str) -> Json:
    return {"company": company, "signed_by": "ceo"}


def _by_key(claims: list[Json]) -> list[Json]:
    return sorted(claims, key=lambda claim: (claim["key"], claim["contract"]))


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """What an engine on SQLite answers."""
    folder = tmp_path_factory.mktemp("embedded")
    with engine(one_file, folder, f"sqlite:///{folder / 'troth.db'}") as speaker:
        return Story(speaker).tell()


def test_the_story_goes_as_it_should(expected: Told) -> None:
    """What all are compared with is not a row of refusals."""
    told = dict(expected)
    assert told["start"][1]["status"] == "open"
    assert told["the same start"][0] == 200
    assert told["the last seat"][1]["status"] == "granted"
    assert {one["status"] for one in told["replies"][1]["results"]} == {"recorded"}
    assert {one["status"] for one in told["the same replies"][1]["results"]} == {"repeated"}
    assert [told[c][0] for c in ("c00", "c01", "c05")] == ["fulfilled", "compensated", "cancelled"]


@pytest.mark.parametrize("shape", [one_process, three_processes])
def test_every_answer_is_that_of_one_process(
    shape: Callable[[Site], str], expected: Told, tmp_path: Path, databases: Databases
) -> None:
    store = databases.create()
    with engine(shape, tmp_path, store) as speaker:
        told = Story(speaker).tell()
    databases.drop(store)
    assert [what for what, _ in told] == [what for what, _ in expected]
    for (what, found), (_, wanted) in zip(told, expected, strict=True):
        assert (what, found) == (what, wanted)

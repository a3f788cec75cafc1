"""Nobody owns a lane: what is accepted is kept, told as such, and applied once when one comes."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from httpx2 import Response

from tests.integration.engine.world import PARTNER, REGISTRY
from tests.integration.processes.world import Child, Site, Speaker, held, until

Json = Any
LATER = "/v1/sagas/partner-activation/keys"


def silent(here: Site) -> tuple[Child, Speaker, Child]:
    """An API with a worker that knows one commitment and its work, and is then gone."""
    api, worker = here.serve(), here.work()
    until(lambda: here.is_shared(worker))
    speaker = Speaker(api.url, here.keys)
    assert speaker.register().status_code == 201
    assert speaker.begin("known", once="known").status_code == 201
    return api, speaker, worker


def is_later(found: Response, address: str) -> str:
    """It was answered 202 with a receipt and where to look; the receipt."""
    assert found.status_code == 202, found.text
    body = found.json()
    assert body["status"] == "accepted"
    assert found.headers["location"] == body["follow"] == address
    return body["receipt"]


def is_silent(found: Response) -> None:
    assert (found.status_code, found.json()["alias"]) == (503, "lane.silent")
    assert int(found.headers["retry-after"]) > 0


def test_what_nobody_applies_is_accepted_and_applied_once(here: Site) -> None:
    api, speaker, worker = silent(here)
    with speaker:
        id = speaker.step("known")["id"]
        (claim,) = speaker.claim(REGISTRY)
        assert worker.end() == 0
        with ThreadPoolExecutor() as pool:
            first = pool.submit(speaker.begin, "new", once="k1")
            again = pool.submit(speaker.begin, "new", once="k1")
            odd = pool.submit(speaker.begin, "a/b c")
            paused = pool.submit(speaker.control, id, "pause")
            starts = pool.submit(speaker.tell, REGISTRY, "starts", "starts", [held(claim)])
            beats = pool.submit(speaker.tell, REGISTRY, "heartbeats", "leases", [held(claim)])
        is_later(first.result(), f"{LATER}/new")
        assert is_later(again.result(), f"{LATER}/new") != is_later(first.result(), f"{LATER}/new")
        is_later(odd.result(), f"{LATER}/a%2Fb%20c")
        is_later(paused.result(), f"/v1/commitments/{id}")
        is_silent(starts.result())
        is_silent(beats.result())
        published = speaker.publish("partner.applied", {"company": "evt"}, "e1")
        assert (published.status_code, published.json()["status"]) == (202, "accepted")
        assert speaker.get(f"/v1/commitments/{id}")["status"] == "open"
        assert speaker.call("reader", "GET", f"{LATER}/new").status_code == 404
        here.work()
        for company in ("evt", "new", "a%2Fb%20c"):
            until(lambda name=company: _found(speaker, name))
        assert speaker.begin("new", once="k1").status_code == 200
        assert speaker.get(f"/v1/commitments/{id}")["status"] == "paused"
        assert len(speaker.get("/v1/commitments")["items"]) == 4
        # The start that was passed on is applied too: asked again it is the same lease.
        again = speaker.tell(REGISTRY, "starts", "starts", [held(claim)]).json()["results"]
        assert again[0]["status"] == "started"
    until(lambda: here.rows("inbox") == 0)
    # Answers that came too late went with the first that did not.
    assert here.rows("answers") == 0
    assert api.readiness()[1]["passed_on"] == 0
    assert here.is_gapless()


def _found(speaker: Speaker, company: str) -> bool:
    return speaker.call("reader", "GET", f"{LATER}/{company}").status_code == 200


def test_a_definition_needs_no_lane_and_counts_at_once_everywhere(here: Site) -> None:
    """Two APIs and a worker: what one registers the others know with their next request."""
    first, second = here.serve(), here.serve()
    with Speaker(first.url, here.keys) as one, Speaker(second.url, here.keys) as two:
        assert two.begin("acme").json()["alias"] == "start.unknown_saga"
        assert one.register().status_code == 201
        is_later(two.begin("acme"), f"{LATER}/acme")
        assert two.register().status_code == 200
        worker = here.work()
        until(lambda: here.is_shared(worker))
        until(lambda: _found(two, "acme"))
        newer = {**PARTNER, "version": 2}
        assert two.register(newer).status_code == 201
        begun = one.begin("hooli", version=2)
        assert begun.status_code == 201
        assert one.step("hooli")["saga_version"] == 2

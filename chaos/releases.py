"""Two releases of the engine, different code, on one store: forth, side by side, and back.

The other release is either an older one, from the history of the repository, or a next one: this
tree with chaos/next_release before it, which writes what this release does not know. What a
process cannot read has to wait for one that can; nobody may have to do anything about it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from httpx2 import HTTPError

from chaos.machine import ended
from chaos.party import App, bank, desk, trip
from chaos.points import Point
from chaos.run import Outcome, look, scratch
from chaos.strike import Strike, now_us
from chaos.world import Faulty, World, world
from tests.integration.processes.world import ROOT, Speaker

__all__ = ["NEXT", "Releases", "beside", "older_tree"]

NEXT = os.pathsep.join(map(str, (ROOT / "chaos/next_release", ROOT)))
"""PYTHONPATH of the next release."""
HERE = str(ROOT)
LANES = "lanes_changed"
NEWER = "store.newer"
UNKNOWN = "effect.weighed"
TREE_S = 60.0
ROUND = 9
POINT = Point("two releases side by side and back", lambda _: Strike(0))


@dataclass(frozen=True, slots=True)
class Releases:
    """PYTHONPATHs. `tells`: the newer one writes what the older one cannot read."""

    older: str
    newer: str
    tells: bool


def older_tree(ref: str, folder: Path) -> str:
    """The tree of a commit, put into a folder; needs git and its history. Raises Faulty."""
    done = subprocess.run(
        ["git", "-C", HERE, "archive", ref], capture_output=True, timeout=TREE_S, check=False
    )
    if done.returncode:
        raise Faulty(f"git archive {ref}: {done.stderr.decode()}")
    with tarfile.open(fileobj=BytesIO(done.stdout)) as tree:
        tree.extractall(folder, filter="data")
    return str(folder)


def beside(found: Outcome, ref: str = "", tell: Callable[[str], None] = print) -> Outcome:
    """Run it on the shape and seed of the outcome's options; `ref` names an older release.

    Raises Faulty.
    """
    options, begun_us = found.options, now_us()
    with scratch(found) as folder:
        if ref:
            releases = Releases(older_tree(ref, folder / "older"), HERE, tells=False)
        else:
            releases = Releases(HERE, NEXT, tells=True)
        with world(options.shape, folder, options.seed) as here:
            at_us = now_us()
            for stage in (_side_by_side, _forth, _back):
                killed = stage(here, releases)
                what = (stage.__doc__ or "").partition("\n")[0]
                found.strikes.append((POINT, Strike(at_us, killed, what, timed=False)))
                tell(f"{(now_us() - at_us) // 1_000_000:4} s  {what}")
            _all_become(here, here.roles, releases.newer)
            here.settle()
            _nothing_waits(here)
            here.quiet()
            if here.shape != "sqlite":
                # Autovacuum would within its minute; the run may be over sooner.
                here.rows("ANALYZE")
            # Only who wrote it can read all of it.
            here.site.settings["PYTHONPATH"] = releases.newer
            look(here, found)
    found.seconds = (now_us() - begun_us) / 1_000_000
    return found


# --- the stages -------------------------------------------------------------------------------


def _side_by_side(here: World, releases: Releases) -> int:
    """One process of the newer release among older ones; killed, they take its lanes over."""
    _all_become(here, here.roles, releases.older)
    here.publish(ROUND, 3)
    lanes = [role for role in here.roles if role != "serve"] or ["serve"]
    _become(here, lanes[0], releases.newer)
    # A quiet machine is done with a round before the new process has lanes.
    here.until(lambda: _has_lanes(here, lanes[0]), "the newer release has lanes")
    here.publish(ROUND, 3)
    if releases.tells:
        here.until(lambda: _unknown(here) > 0, "the newer release writes what is not known")
    here.publish(ROUND, 3)
    here.until(lambda: here.written() > ROUND, "work is under way")
    child = here.engines[lanes[0]]
    child.send(signal.SIGKILL)
    child.wait()
    here.extra[lanes[0]] = {"PYTHONPATH": releases.older}
    here.mend()
    here.publish(ROUND, 3)
    # Whatever the older ones cannot read waits, and nothing else does.
    here.until(lambda: here.unended() <= _waiting(here), "what can be read has ended")
    if not releases.tells and _waiting(here):
        raise Faulty(f"{_waiting(here)} streams wait though both releases know everything")
    return 1


def _forth(here: World, releases: Releases) -> int:
    """The upgrade ends: every process is of the newer release."""
    _all_become(here, here.roles, releases.newer)
    here.publish(ROUND, 3)
    here.settle()
    _nothing_waits(here)
    return 0


def _back(here: World, releases: Releases) -> int:
    """The rollback, process by process, with work under way; then events for a newer definition."""
    here.publish(ROUND, 3)
    for role in reversed(here.roles):
        _become(here, role, releases.older)
        here.publish(3, 1)
    here.until(lambda: here.unended() <= _waiting(here), "what can be read has ended")
    if releases.tells:
        _definition_of_the_newer(here, releases)
    return 0


def _definition_of_the_newer(here: World, releases: Releases) -> None:
    """What the older release may not start is refused, and taken later by one that may."""
    _all_become(here, here.roles, releases.newer)
    (document,) = App(participants=[desk, bank], sagas=[trip]).documents()
    here.register({**document, "version": 7, "mood": "good"})
    here.publish(3, 0)
    _all_become(here, here.roles, releases.older)
    wanted = here.round(3, 0)
    here.until(lambda: not here.offer(wanted) and _refuses(here), "it is refused for now")
    _all_become(here, here.roles, releases.newer)
    here.until(lambda: here.offer(wanted), "it is taken")


# --- what is asked ----------------------------------------------------------------------------


def _all_become(here: World, roles: Sequence[str], path: str) -> None:
    for role in roles:
        _become(here, role, path)


def _become(here: World, role: str, path: str) -> None:
    """A process ends as an operator ends it, and one of the other release takes its place."""
    if here.extra.get(role, {}).get("PYTHONPATH", HERE) == path:
        return
    here.extra[role] = {"PYTHONPATH": path}
    ended(here.engines[role])
    here.mend()


def _has_lanes(here: World, role: str) -> bool:
    return role == "serve" or any(line["lanes"] for line in here.engines[role].logged(LANES))


def _waiting(here: World) -> int:
    return here.rows(f"SELECT count(*) FROM parked_streams WHERE reason = '{NEWER}'")[0][0]


def _unknown(here: World) -> int:
    return here.rows(f"SELECT count(*) FROM events WHERE topic = '{UNKNOWN}'")[0][0]


def _nothing_waits(here: World) -> None:
    parked = here.rows("SELECT count(*) FROM parked_streams")[0][0]
    if parked:
        raise Faulty(f"{parked} streams still wait, though the newer release runs")


def _refuses(here: World) -> bool:
    """Whether an event of the newer definition is refused under its code, by a living engine."""
    event = {"specversion": "1.0", "source": "urn:chaos:probe", "type": "chaos.begun",
             "id": "probe", "data": {"number": "probe"}}  # fmt: skip
    try:
        with Speaker(here.engines["serve"].url, here.site.keys) as speaker:
            answer = speaker.call(
                "producer", "POST", "/v1/events", event,
                **{"Content-Type": "application/cloudevents+json"},
            )  # fmt: skip
    except HTTPError:
        return False
    return answer.status_code == 503 and answer.json()["code"] == "TR718"

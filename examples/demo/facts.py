"""One commitment from the topic `facts` alone, as another program sees it."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from examples.demo.children import ROOT
from examples.demo.ending import Trail, run_quietly
from examples.shapes import Place

__all__ = ["Facts", "followed"]

FOLLOWER = ROOT / "examples" / "producers" / "python" / "follow.py"
FOLLOWED_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class Facts:
    """What the follower said last, and whether the engine says the same."""

    agree: bool
    told: str


async def followed(where: Place, trail: Trail | None) -> Facts | None:
    """Follow a commitment that has ended to its end; None without Kafka."""
    if where.broker is None or trail is None:
        return None
    topic = f"kafka://{where.broker}/{where.topic('facts')}"
    told = f"{trail.ref} from {where.topic('facts')} alone"
    code, said = await run_quietly(
        sys.executable, str(FOLLOWER), topic, trail.id, timeout_s=FOLLOWED_WITHIN_S
    )
    facts = said.splitlines()
    last = facts[-1].split("  ")[2:3] if facts else []
    if code or last != [trail.status]:
        return Facts(False, f"{told}: {facts[-1] if facts else 'nothing'}")
    return Facts(True, f"{told}: {len(facts)} facts, {trail.status}")

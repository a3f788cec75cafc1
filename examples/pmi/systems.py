"""The integration office of the example; what it did is in its books."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from examples.keeper import Keeper, kept
from sagas.catalogue.pmi import Checked, Evidence, Milestone, Plan, Registered, Verdict
from troth import Refused

__all__ = ["ExampleOffice", "office"]


class ExampleOffice(Keeper):
    """Looks at plans and evidence, and tells people."""

    def check(self, plan: Plan) -> Checked:
        """What names itself before itself, or nothing that is there, is refused."""
        before = {planned.name: planned.after for planned in plan.milestones}
        missing = {name for names in before.values() for name in names} - before.keys()
        if missing:
            raise Refused("unknown-milestone", f"no milestone is called {', '.join(missing)}")
        try:
            TopologicalSorter(before).prepare()
        except CycleError as error:
            raise Refused("circular", " after ".join(error.args[1])) from error
        return Checked(milestones=plan.milestones)

    def verify(self, milestone: Milestone, evidence: Evidence) -> Verdict:
        """Evidence is enough where a source names the milestone."""
        if any(milestone.name in source for source in evidence.sources):
            return Verdict(status="verified", actual=evidence.claimed)
        return Verdict(status="contradicted", actual=f"no source says anything of {milestone.name}")

    async def register(self, key: str, plan: Plan) -> Registered:
        return Registered(plan_id=await self._do(key, "register-plan", plan.deal, plan.deal))

    async def withdraw(self, key: str, registered: Registered) -> None:
        await self._do(key, "withdraw-plan", registered.plan_id, "withdrawn")

    async def escalate(self, key: str, milestone: Milestone, weeks_late: int) -> None:
        await self._do(key, "escalate", milestone.name, f"{weeks_late} weeks: {milestone.owner}")


def office(
    path: Path, lost_once: frozenset[str] = frozenset()
) -> Callable[[], AbstractAsyncContextManager[ExampleOffice]]:
    """What `connect` wants for the office; its books are the file at `path`."""
    return kept(ExampleOffice, path, lost_once)

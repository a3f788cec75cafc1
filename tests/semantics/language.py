"""A small language for golden tests: what is given, what happens, what then must be.

    (given(saga(step("book", undo=True), step("pay")))
        .done("book").failed("pay", "no_money")
        .then(offered=["undo book"], status="compensating"))

`then` compares what is named only, and shows the expected beside the got. `events` are the lines of
what was recorded since the last `then` (see `seen.line`).
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from domain import messages as msg
from domain.durations import duration_us
from tests.semantics.seen import SEEN, beside, line
from tests.semantics.world import World

Json = Any
HIDDEN = "_contracts"

# --- given: definitions ----------------------------------------------------------------------


def saga(*flow: Json, **members: Json) -> Json:
    """A definition; contracts come from its steps, and the key is that of the start."""
    document = {
        "troth": 1, "saga": "test", "version": 1, "key": "input.id", "input": {}, "starts_on": [],
        "flow": list(flow), **members,
    }  # fmt: skip
    document = deepcopy(document)
    document.setdefault("contracts", {})
    for contract in _contracts(document):
        document["contracts"] |= contract
    return document


def _contracts(value: Json) -> Iterator[Json]:
    if isinstance(value, dict):
        found = value.pop(HIDDEN, None)
        if found:
            yield found
        for item in value.values():
            yield from _contracts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _contracts(item)


def step(
    name: str, *, undo: Json = None, risk: str | None = None, level: str = "A0",
    probe: bool = False,
    result: Json = None, why: bool = False, **members: Json,
) -> Json:  # fmt: skip
    """A step. `undo`: True, or its members; `risk`: R0 to R3 makes it external."""
    contract = {"participant": "shop", "command": {}, "result": result or {}, "probe": probe}
    if risk is not None:
        contract |= {"external": True, "A": level, "R": risk, "S": "S0"}
    contracts = {f"shop/{name}@1": contract}
    node = {"node": "step", "name": name, "contract": f"shop/{name}@1", **members}
    if undo is not None:
        command = {"type": "object", "properties": {"why": {}}} if why else {}
        contracts[f"shop/{name}@1:undo"] = {
            "participant": "shop", "command": command, "result": {},
        }  # fmt: skip
        own = {"contract": f"shop/{name}@1:undo", "args": {}}
        node["undo"] = own if undo is True else own | undo
    return {**node, HIDDEN: contracts}


def _node(kind: str, name: str, **members: Json) -> Json:
    return {"node": kind, "name": name, **members}


def wait(name: str, type_: str | None = None, key: str = "'acme'", **members: Json) -> Json:
    return _node("wait_for", name, events=[type_ or name], key=key, **members)


def sleep(name: str, time: str) -> Json:
    return _node("sleep", name, **{"for": time})


def milestone(name: str, until: str, **members: Json) -> Json:
    return _node("await", name, until=until, **members)


def task(name: str, *roles: str, **members: Json) -> Json:
    return _node("task", name, roles=list(roles or ("legal",)), **members)


def cancel(name: str, target: str, **members: Json) -> Json:
    return _node("cancel", name, target=target, **members)


def finish(name: str, target: str, evidence: str = "'enough'", **members: Json) -> Json:
    return _node("finish", name, target=target, evidence=evidence, **members)


def undo(name: str, of: str) -> Json:
    return _node("undo", name, of=of)


def move(name: str, timer: str, to: str) -> Json:
    return _node("move", name, timer=timer, to=to)


def put(name: str, **values: str) -> Json:
    return _node("set", name, values=values)


def announce(name: str, type_: str, data: str = "{}") -> Json:
    return _node("emit", name, type=type_, key="input.id", data=data)


def approve(
    name: str, *flow: Json, level: str = "A1", covers: list[str] | None = None, **members: Json
) -> Json:
    """An approve; `covers` are the steps it is for, unless they lie in its flow."""
    inside = {"flow": list(flow)} if flow else {}
    if covers is not None:
        inside["for"] = covers
    return _node("approve", name, level=level, **inside, **members)


def branch(name: str | None, *flow: Json, **members: Json) -> Json:
    return {**({"name": name} if name else {}), "flow": list(flow), **members}


def choose(name: str, *branches: Json, otherwise: Json = (), **members: Json) -> Json:
    return _node("choose", name, branches=list(branches), **{"else": list(otherwise)}, **members)


def race(name: str, *branches: Json, **members: Json) -> Json:
    return _node("race", name, branches=list(branches), **members)


def parallel(name: str, *branches: Json, **members: Json) -> Json:
    return _node("parallel", name, branches=list(branches), **members)


def repeat(name: str, *flow: Json, **members: Json) -> Json:
    return _node("repeat", name, flow=list(flow), **members)


def each(name: str, *flow: Json, **members: Json) -> Json:
    """A for_each over `input.xs`, whose items are their own keys unless `key` says otherwise."""
    own = {"items": "input.xs", "key": f"each.{name}.item", "flow": list(flow)}
    return _node("for_each", name, **(own | members))


def add(name: str, to: str, items: str | None = None, **members: Json) -> Json:
    return _node("add", name, to=to, **({"items": items} if items else {}), **members)


def scope(name: str, *flow: Json, **members: Json) -> Json:
    return _node("scope", name, flow=list(flow), **members)


def handler(name: str, type_: str, *flow: Json, **members: Json) -> Json:
    return {"name": name, "events": [type_], "key": "'acme'", "flow": list(flow), **members}


def update(name: str, *flow: Json, **members: Json) -> Json:
    inside = {"flow": list(flow)} if flow else {}
    return {"name": name, "schema": {}, **inside, **members}


def on_failure(on: str, *flow: Json, **members: Json) -> Json:
    return {"on": [on], "flow": list(flow), **members}


def lock(name: str, *flow: Json, of: str = "press", within: str = "1h", **members: Json) -> Json:
    """A part under a lock; `of` is the name of the lock."""
    return _node("lock", name, lock=of, within=within, flow=list(flow), **members)


def child(name: str, saga_: str = "kid", *, undo: bool = False, **members: Json) -> Json:
    """A child; `undo`: a contract takes it back, with its result."""
    node = _node("child", name, saga=saga_, key="input.id", input="{'id': input.id}", **members)
    if not undo:
        return node | {"on_undo": "none"}
    contract = {"participant": "shop", "command": {}, "result": {}}
    back = {"contract": f"shop/{name}@1", "args": {"what": "result"}}
    own = {f"shop/{name}@1": contract}
    return {**node, "on_undo": "contract", "undo": back, HIDDEN: own}


def fulfil(name: str = "fulfilled", result: str | None = None) -> Json:
    return _node("fulfil", name, **({"result": result} if result else {}))


def fail(name: str, code: str, **members: Json) -> Json:
    return _node("fail", name, code=code, **members)


# --- when and then ---------------------------------------------------------------------------


def given(document: Json, payload: Json = None, key: str = "acme") -> Story:
    """The commitment is open: its first moves are made."""
    return Story(World(document, payload, key).open())


class Story:
    """What happens to one commitment, told in order."""

    def __init__(self, world: World) -> None:
        self.w = world
        self._told = 0
        self._asked: dict[str, str] = {}
        self._tasks: dict[str, str] = {}

    # --- participants ------------------------------------------------------------------------

    def done(self, node: str, result: Json = None) -> Story:
        self.w.answer(self.w.dispatch(node, "do"), "done", result=result)
        return self

    def undone(self, *nodes: str) -> Story:
        for node in nodes:
            self.w.answer(self.w.dispatch(node, "undo"), "done")
        return self

    def answers(self, node: str, outcome: str, kind: str | None = None, **more: Json) -> Story:
        self.w.answer(self.w.dispatch(node, kind), outcome, **more)
        return self

    def failed(self, node: str, code: str = "no") -> Story:
        return self.answers(node, "failed", code=code)

    def started(self, node: str) -> Story:
        self.w.start(self.w.dispatch(node))
        return self

    def lost(self, node: str, reason: str = "lease") -> Story:
        """The started attempt gives no reply."""
        d = self.w.dispatch(node)
        self.w.dispatches.pop(d.effect)
        self.w.send(msg.Lost(d.effect, d.attempt, d.kind, reason))
        return self

    def nobody_starts(self, node: str, reason: str = "within") -> Story:
        d = self.w.dispatch(node)
        self.w.dispatches.pop(d.effect)
        self.w.send(msg.NotStarted(d.effect, d.attempt, d.kind, reason))
        return self

    def late(self, node: str, outcome: str = "done", attempt: int = 1, **more: Json) -> Story:
        """A reply of an attempt that nobody waits for any more."""
        d = next(
            d for d in self.w.commands
            if d.kind == "do" and node in (d.body["node"], d.body["node"].split("/")[-1])
        )  # fmt: skip
        message = msg.Answered(
            d.effect, attempt, "1.1.1", "do", outcome, "w1", current=False, **more
        )
        self.w.send(message)
        return self

    # --- events, time, people ----------------------------------------------------------------

    def happens(self, type_: str, data: Json = None, key: str | None = None) -> Story:
        self.w.arrive(type_, data, key)
        return self

    def after(self, time: str) -> Story:
        self.w.pass_time(self.w.now_us + duration_us(time))
        return self

    def control(self, action: str, **more: Json) -> Story:
        self.w.send(msg.Control(action, "ops", more.pop("reason", "so be it"), **more))
        return self

    def cancelled(self) -> Story:
        return self.control("cancel")

    def sees(self, node: str) -> Story:
        """A person looks at an approval and keeps the digest of what it shows."""
        self._asked[node] = self._question(node).digest
        return self

    def decides(
        self, node: str, by: str, *seats: str, answer: str = "approve", reason: str = "because",
        payload: Json = None, actor: str = "human",
    ) -> Story:  # fmt: skip
        asked = self._question(node)
        digest = self._asked.pop(node, asked.digest)
        self.w.send(
            msg.Decide(asked.approval, answer, digest, by, actor, tuple(seats), reason, payload)
        )
        return self

    def works(
        self, node: str, action: str, by: str = "ann", *seats: str, payload: Json = None,
        actor: str = "human",
    ) -> Story:  # fmt: skip
        """A person claims, releases or completes the task of a node."""
        found = [
            i.task.id for p, i in self.w.now.nodes.items()
            if i.task and node in (p, p.split("/")[-1])
        ] or [self._tasks[node]]  # fmt: skip
        self._tasks[node] = found[0]
        self.w.send(msg.TaskAct(found[0], action, by, actor, tuple(seats or ("legal",)), payload))
        return self

    def asks(self, name: str, **args: Json) -> Story:
        """A client asks for an update."""
        self.w.send(msg.Update(name, "u1", "ann", args))
        return self

    def kid(self, node: str, status: str, result: Json = 7) -> Story:
        """The child of a node begins, and ends with a status (`begun`: it does not end yet)."""
        asked = next(a for a in self.w.kids if node in (a[0], a[0].split("/")[-1]))
        if self.w.kids[asked]["id"] is None:
            self.w.kid_says(asked, status)
        if status != "begun" and asked in self.w.kids:
            self.w.kid_says(asked, status, result)
        return self

    def _question(self, node: str) -> Json:
        for path, instance in self.w.now.nodes.items():
            if instance.asked and not instance.branch and node in (path, path.split("/")[-1]):
                return instance.asked
        raise AssertionError(f"nothing is asked at {node}")

    # --- then --------------------------------------------------------------------------------

    def then(self, events: list[str] | None = None, **expected: Json) -> Story:
        """Compare what is named; see `SEEN` for the names."""
        got = {name: SEEN[name](self.w) for name in expected}
        if events is not None:
            expected["events"] = events
            got["events"] = [line(self.w, e) for e in self.w.events[self._told :]]
        self._told = len(self.w.events)
        assert got == expected, beside(expected, got)
        return self

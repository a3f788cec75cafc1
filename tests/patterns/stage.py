"""Runs the sagas of a pattern: real decide, real participants, no clock but that of the story.

A story is a table. On the left what happens, on the right at which nodes the commitment then is, in
document order, as its current step tells them (without the blocks around them; in brackets if it
only waits for its turn); or how it ended, with its result behind `=`.

    tell("01_sequence", {"number": "7"}, '''
        start           -> check_stock
        done check_stock -> pack
        after 3d        -> pack
    ''')

What may happen:

    start {...}                   a run begins; the JSON changes the input that the story gave
    begins NODE                   its participant begins; from now on it may have happened
    done NODE                     its participant runs, and replies; `done NODE = JSON` says what
    refused NODE CODE             its participant says no
    undone NODE, NODE             the undos of these nodes run
    event TYPE {...}              an event comes, with the key of the commitment
    after 3d                      time passes
    ann approves NODE             a manager decides; claims and completes ({...}) are for tasks
    ask UPDATE {...}              a client asks for an update
    cancel                        an operator cancels

`KEY: ...` or `SAGA/KEY: ...` before it is for another commitment than the first.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
from typing import Any

from consumers.core import Core
from domain import messages as msg
from domain.durations import duration_us
from domain.ids import key_id
from domain.messages import Message
from domain.ports import Dispatch
from projections.current_step import current_step
from tests.semantics.family import Family
from tests.semantics.world import TTL_US
from troth import App, Effect, Refused
from troth._run import serves

Json = Any
WHO = re.compile(r"(?:(?P<who>[\w./-]+): *)?(?P<what>.*)")
INSTANCE = re.compile(r"[\[#@]")


def _short(path: str) -> str:
    """The name of a node, with the item, round or run in which it is."""
    parts = path.split("/")
    inside = [i for i, part in enumerate(parts) if INSTANCE.search(part)]
    return "/".join(parts[inside[0] :]) if inside else parts[-1]


def _seen(wait: Json) -> str:
    """One node at which a commitment is, as the right side of a row has it."""
    name = _short(wait["node"])
    if wait["kind"] == "turn":
        return f"({name})"
    return f"undo {name}" if wait["detail"].startswith("undo") else name


def tell(example: str, given: Json, story: str) -> Stage:
    """Run the story of an example's first saga; each row must come true."""
    app: App = importlib.import_module(f"examples.patterns.{example}").app
    stage = Stage(app, given)
    for number, row in enumerate(story.strip().splitlines(), 1):
        if row.strip():
            stage.row(number, row.strip())
    return stage


class Stage(Family):
    """The commitments of one story, and the desk with the commands that are open.

    Attributes:
        did: what participants did, in order: paths of nodes, undos with `undo` before.
    """

    def __init__(self, app: App, given: Json) -> None:
        self.desk: dict[str, Dispatch] = {}
        self.did: list[str] = []
        self.app = app
        self.given = given
        super().__init__(*app.documents())
        self.core = Core(self.registry)
        self.served = {
            key: served for p in app.participants for key, served in
            serves(p.contracts.values(), None).items()
        }  # fmt: skip
        self.saga, self.key = self._name_of(given)
        self.arrived = 0

    def _name_of(self, payload: Json) -> tuple[str, str]:
        first = self.app.sagas[0]
        return first.name, str(first.key_of(first.input.model_validate(payload)))

    # --- rows --------------------------------------------------------------------------------

    def row(self, number: int, row: str) -> None:
        left, arrow, right = row.partition("->")
        found = WHO.fullmatch(left.strip())
        assert found is not None, row
        saga, key = self._who(found["who"])
        verb, _, rest = found["what"].partition(" ")
        if verb:
            self.happens(saga, key, verb, rest.strip())
        if arrow:
            self._compare(f"row {number}: {row}", self.where(saga, key), right.strip())

    def _who(self, who: str | None) -> tuple[str, str]:
        if who is None:
            return self.saga, self.key
        saga, slash, key = who.partition("/")
        return (saga, key) if slash else (self.saga, who)

    def _compare(self, row: str, got: str, expected: str) -> None:
        wanted, equals, _ = expected.partition("=")
        if not equals:
            got = got.partition("=")[0]
        assert got.strip() == (expected if equals else wanted.strip()), f"{row}\n  got: {got}"

    def where(self, saga: str, key: str) -> str:
        """The nodes at which a commitment is, or how it ended and with what result."""
        c = self.of(saga, key=key)
        if c is None:
            return "none"
        if c.is_over:
            result = (c.ended or {}).get("result")
            return f"{self.status(saga, key=key)} = {json.dumps(result)}"
        definition = self.registry.by_hash(c.definition)
        assert definition is not None
        assert c.held is None, c.held
        return ", ".join(_seen(wait) for wait in current_step(definition, c)["waits_for"])

    # --- what happens ------------------------------------------------------------------------

    def happens(self, saga: str, key: str, verb: str, rest: str) -> None:
        match verb:
            case "start":
                payload = self.given | (json.loads(rest) if rest else {})
                self.start(self.saga, payload, self._name_of(payload)[1])
            case "begins":
                d = self.command(saga, key, rest)
                self.started.add(d.effect)
                self.send(d.stream, msg.Started(d.effect, d.attempt, "1.1.1", "w"))
            case "done":
                node, equals, result = rest.partition("=")
                self.does(saga, key, node.strip(), json.loads(result) if equals else ...)
            case "undone":
                for node in rest.split(","):
                    self.does(saga, key, node.strip(), kind="undo")
            case "refused":
                node, _, code = rest.partition(" ")
                self.reply(self.command(saga, key, node), "failed", code=code)
            case "event":
                type_, _, data = rest.partition(" ")
                self.arrive(saga, key, type_, json.loads(data) if data else {})
            case "after":
                self.pass_time(duration_us(rest))
            case "cancel":
                self.control(saga, "cancel", key=key)
            case "ask":
                name, _, args = rest.partition(" ")
                update = msg.Update(name, f"u{self.arrived}", "ann", json.loads(args or "{}"))
                self.send(self.id_of(saga, key=key), update)
            case _:
                self.person(saga, key, verb, rest)

    def does(
        self, saga: str, key: str, node: str, result: Json = ..., kind: str = "do"
    ) -> None:  # fmt: skip
        """The participant's own function runs, and its answer is the reply."""
        d = self.command(saga, key, node, kind)
        if result is not ...:
            self.reply(d, "done", result=result)
            return
        served = self.served[d.body["contract"], d.kind]
        function = served.contract.handler(d.kind if d.kind == "undo" else "do")
        function = function or served.contract.handler("do")
        assert function is not None
        assert not inspect.iscoroutinefunction(function), "examples are plain functions"
        values = served.contract.bind(served.kind, d.body["args"])
        if served.wants_effect:
            effect = Effect(key=d.effect, deps=None, attempt=d.attempt)
            values = {next(iter(inspect.signature(function).parameters)): effect, **values}
        try:
            told = function(**values)
        except Refused as no:
            self.reply(d, "failed", code=no.code)
        else:
            self.reply(d, "done", result=served.contract.dump(served.kind, told))

    def reply(self, d: Dispatch, outcome: str, **more: Json) -> None:
        undo = "undo " if d.kind == "undo" else ""
        if outcome == "done":
            self.did.append(undo + d.body["node"])
        token = f"1.{len(self.did)}.1"
        self.send(d.stream, msg.Answered(d.effect, d.attempt, token, d.kind, outcome, "w", **more))

    def command(self, saga: str, key: str, node: str, kind: str = "do") -> Dispatch:
        """The open command of a node, by its path or the end of it."""
        stream = self.id_of(saga, key=key)
        found = [
            d for d in self.desk.values()
            if d.stream == stream and d.kind == kind
            and f"/{d.body['node']}".endswith(f"/{node}")
        ]  # fmt: skip
        open_ = [d.body["node"] for d in self.desk.values() if d.stream == stream]
        assert len(found) == 1, f"{kind} {node} is not one of {open_}"
        return found[0]

    def arrive(self, saga: str, key: str, type_: str, data: Json) -> None:
        definition = self.registry.of_saga(saga)
        assert definition is not None
        spec = definition.events[type_]
        data = {spec.key: key, **data}
        self.arrived += 1
        event = {
            "id": f"e{self.arrived}", "source": "test", "type": type_, "data": data,
            "time": "2026-01-01T00:00:00Z",
        }  # fmt: skip
        key = str(data[spec.key])
        self.send(key_id("north", key), msg.Arrive("north", key, event, TTL_US))

    def person(self, saga: str, key: str, who: str, rest: str) -> None:
        action, _, node = rest.partition(" ")
        node, _, payload = node.partition(" ")
        c, stream = self.of(saga, key=key), self.id_of(saga, key=key)
        instance = next(i for p, i in c.nodes.items() if f"/{p}".endswith(f"/{node}"))
        told = json.loads(payload) if payload else None
        message: Message
        if action == "approves":
            asked = instance.asked
            message = msg.Decide(
                asked.approval, "approve", asked.digest, who, "human", ("manager",), "fine"
            )
        else:
            verbs = {"claims": "claim", "completes": "complete"}
            task, seats = instance.task, tuple(instance.task.roles)
            message = msg.TaskAct(task.id, verbs[action], who, "human", seats, told)
        answer = self.send(stream, message)
        assert "code" not in (answer or {}), answer

    # --- the desk ----------------------------------------------------------------------------

    def _offered(self, d: Dispatch) -> None:
        """Several commitments may have a node of the same name."""
        self.desk[d.effect] = d

    def _settled(self, effect: str) -> None:
        self.desk.pop(effect, None)

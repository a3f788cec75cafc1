"""The registered definitions in memory: by hash, by name, and by the events they start on or want.

A definition counts from the moment its registration was committed. The registry belongs to the
thread that drives the lane; `known` may be read from any.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from domain.canonical import canonical
from domain.messages import Start
from domain.newer import newer
from sagas.definition import Definition, EventSpec
from sagas.expressions import Expr
from sagas.later import later_form
from sagas.loading import load
from sagas.schema import SchemaSet

if TYPE_CHECKING:
    from sagas.checks.lock_order import Locks

__all__ = ["Known", "Registry", "Starting"]

Json = Any


@dataclass(frozen=True, slots=True)
class Starting:
    """A saga that starts on an event: its guard, if any, and the mapping to its input."""

    definition: Definition
    when: Expr | None
    input: Expr


@dataclass(frozen=True, slots=True)
class Known:
    """An event type at one version: how to check it, and a form in which two can be compared."""

    spec: EventSpec
    form: bytes
    first: str


class Registry:
    """Definitions as the loop looks them up. `compile` is `sagas.definition.load`."""

    def __init__(self, compile: Callable[[dict[str, Any], str], Definition] = load) -> None:
        self._compile = compile
        self._by_hash: dict[str, Definition] = {}
        self._by_name: dict[tuple[str, int], Definition] = {}
        self._latest: dict[str, Definition] = {}
        self._specs: dict[str, dict[int, Known]] = {}
        self._starting: dict[str, tuple[Starting, ...]] = {}
        self._ttl_us: dict[str, int] = {}
        self._wanted: set[str] = set()
        self._later: dict[str, str] = {}
        self._locks: dict[str, Locks] = {}

    def add(self, document: dict[str, Any], hash: str) -> Definition:
        """Take a committed definition in; the same hash again changes nothing."""
        found = self._by_hash.get(hash)
        if found is not None:
            return found
        definition = self._compile(document, hash)
        self._by_hash[hash] = definition
        self._by_name[definition.saga, definition.version] = definition
        latest = self._latest.get(definition.saga)
        if latest is None or latest.version < definition.version:
            self._latest[definition.saga] = definition
        for type_, known in _events(definition):
            self._specs.setdefault(type_, {}).setdefault(known.spec.version, known)
            self._ttl_us[type_] = max(self._ttl_us.get(type_, 0), definition.early_ttl_us)
        self._wanted |= definition.wanted_types
        self._index_starts()
        return definition

    def learn(self, document: dict[str, Any], hash: str) -> None:
        """Take in what lies in the store; what a later release registered is only remembered.

        Then neither its saga starts here nor is any of its events taken: `refuse_later` says so.
        """
        if hash in self._by_hash or hash in self._later:
            return
        why = later_form(document)
        if why is None:
            self.add(document, hash)
            return
        saga, version = document.get("saga"), document.get("version")
        what = f"definition {saga} version {version}, {why}"
        names = [hash, f"saga {saga}", f"saga {saga} {version}"]
        events = document.get("events")
        names += [f"event {type_}" for type_ in events] if isinstance(events, dict) else []
        self._later |= dict.fromkeys(names, what)

    def refuse_later(self, *names: str) -> None:
        """Raise Refusal (store.newer) where one of these is of a definition of a later release.

        A name is a content hash, `event TYPE`, `saga NAME` or `saga NAME VERSION`.
        """
        if self._later:
            for name in names:
                if name in self._later:
                    raise newer(self._later[name])

    def _index_starts(self) -> None:
        starting: dict[str, list[Starting]] = {}
        for definition in self._latest.values():
            for type_, when, input_ in definition.starts:
                starting.setdefault(type_, []).append(Starting(definition, when, input_))
        self._starting = {type_: tuple(found) for type_, found in starting.items()}

    def by_hash(self, hash: str) -> Definition | None:
        """The definition of that content hash (hexadecimal)."""
        return self._by_hash.get(hash)

    def of_saga(self, saga: str, version: int | None = None) -> Definition | None:
        """A version of a saga; the latest without a version. Raises Refusal (store.newer)."""
        self.refuse_later(f"saga {saga}" if version is None else f"saga {saga} {version}")
        return self._latest.get(saga) if version is None else self._by_name.get((saga, version))

    def latest(self) -> Iterable[Definition]:
        """Every saga in its latest version."""
        return self._latest.values()

    def locks(self, definition: Definition) -> Locks:
        """What a registered definition says of locks; found once, for it is asked for often."""
        # The checks load the type checker of expressions: only where a definition comes in.
        from sagas.checks.lock_order import locks_of

        if definition.hash not in self._locks:
            self._locks[definition.hash] = locks_of(definition.document)
        return self._locks[definition.hash]

    def knows(self, type_: str) -> bool:
        """Whether any definition carries this event type."""
        return type_ in self._specs

    def spec(self, type_: str, version: int | None = None) -> EventSpec | None:
        """How an event type is checked at a version; at the newest one without a version."""
        versions = self._specs.get(type_)
        if versions is None:
            return None
        known = versions.get(max(versions) if version is None else version)
        return None if known is None else known.spec

    def versions(self, type_: str) -> tuple[int, ...]:
        """The registered schema versions of an event type, in order."""
        return tuple(sorted(self._specs.get(type_, ())))

    def starting(self, type_: str, version: int) -> Iterator[Starting]:
        """The sagas, each in its latest version, that start on this version of an event."""
        for found in self._starting.get(type_, ()):
            if found.definition.events[type_].version == version:
                yield found

    def wants(self, type_: str) -> bool:
        """Whether a wait or handler of any definition takes this event type."""
        return type_ in self._wanted

    def delivers(self, starts: Iterable[Start]) -> bool:
        """Whether an event that brought these starts may have to go to a running commitment."""
        found = (self._by_hash.get(start.definition) for start in starts)
        return any(
            definition is not None and definition.running == "deliver" for definition in found
        )

    def ttl_us(self, type_: str) -> int:
        """How long an event of a known type is kept for who may want it."""
        return self._ttl_us[type_]

    def conflicts(self, definition: Definition) -> list[dict[str, object]]:
        """Faults (def.event): event types that are registered otherwise under the same version."""
        faults: list[dict[str, object]] = []
        for type_, known in _events(definition):
            there = self._specs.get(type_, {}).get(known.spec.version)
            if there is not None and there.form != known.form:
                message = (
                    f"event {type_} version {known.spec.version} has another schema or key in "
                    f"{there.first}: use that one, or raise the event's version"
                )
                faults.append({"code": "TR215", "alias": "def.event", "message": message})
        return faults


def _events(definition: Definition) -> Iterator[tuple[str, Known]]:
    name = f"{definition.saga} version {definition.version}"
    for type_, spec in definition.events.items():
        form = canonical([spec.key, _expanded(definition.schemas, spec.schema)])
        yield type_, Known(spec, form, name)


def _expanded(schemas: SchemaSet, schema: Json) -> Json:
    """The schema with every schema it refers to, so that equal names with other content differ."""
    reached: dict[str, Json] = {}
    waiting = [schemas.resolve(schema)]
    first = waiting[0]
    while waiting:
        for ref in _refs(waiting.pop()):
            if ref not in reached:
                reached[ref] = schemas.resolve({"$ref": ref})
                waiting.append(reached[ref])
    return [first, reached]


def _refs(schema: Json) -> Iterator[str]:
    if isinstance(schema, dict):
        ref = schema.get("$ref")
        if isinstance(ref, str):
            yield ref
        for inner in schema.values():
            yield from _refs(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from _refs(inner)

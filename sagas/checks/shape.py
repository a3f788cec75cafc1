"""The form of the document: its version, what is not built yet, and the JSON Schema of definitions.

Everything behind this stage relies on the form, so a fault here ends the checks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import jsonschema_rs

import schemas
from domain.canonical import CanonicalError, canonical
from domain.durations import DurationError, duration_us
from sagas import defaults
from sagas.checks.report import Report
from sagas.schema_problems import problem_text
from sagas.schema_refs import closest

__all__ = ["check_shape"]

Json = Any
FORM = 1
SCHEMA = "definition.v1.json"
WALK_DEPTH_MAX = 4 * defaults.DEPTH_MAX

_NOT_YET_MEMBERS: Mapping[str, frozenset[str]] = {"": frozenset({"undo_flow"})}
_LIMITS = frozenset({"maximum", "maxLength", "maxItems", "maxProperties"})
_FLOWS = ("flow", "else", "branches", "on_failure", "handlers", "updates", "on",
          "undo_flow")  # fmt: skip
_DURATIONS = frozenset({
    "timeout", "heartbeat", "within", "max_hold", "valid", "first", "cap", "quiet", "after",
    "period", "for", "per",
    "early_ttl", "debt_due", "undo_deadline", "claim_lease",
})  # fmt: skip
_HOLD_DURATIONS = frozenset({
    "retry", "undo", "collect", "deadline", "every", "escalate", "throttle"
})  # fmt: skip
# Which definition of the schema describes an object that stands at this member.
_DESCRIBED = {
    "handlers": "handler", "updates": "update", "on_failure": "clause", "contracts": "contract",
    "events": "event", "undo": "undo", "retry": "retry", "deadline": "deadline",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Spot:
    """An object of the document that is or holds nodes; `at` is where it stands in the JSON."""

    at: tuple[str | int, ...]
    value: dict[str, Json]
    where: str
    order: int


def check_shape(document: Json, report: Report) -> None:
    """Add what is wrong with the form of `document`; nothing else may look at a wrong form."""
    if not isinstance(document, dict):
        report.add("def.shape", None, "a definition is one JSON object")
        return
    doc = cast(dict[str, Json], document)
    if not _fits_in(doc, report):
        return
    if "troth" in doc and doc["troth"] != FORM:
        report.add("def.version", None, f"the form is troth: {doc['troth']!r}, {FORM} is known")
        return
    spots = list(_spots(doc))
    nodes = [spot for spot in spots if "node" in spot.value]
    if len(nodes) > defaults.NODES_MAX:
        text = f"{len(nodes)} nodes are over {defaults.NODES_MAX}"
        report.add("def.bound", None, text, "split it into sagas")
        return
    _not_yet(spots, report)
    _fit_schema(doc, spots, report)
    if not report:
        _finer(spots, report)


def _fits_in(doc: dict[str, Json], report: Report) -> bool:
    try:
        size = len(canonical({k: v for k, v in doc.items() if k != "source"}))
    except CanonicalError as error:
        report.add("def.shape", None, f"the document is not JSON: {error}")
        return False
    if size > defaults.DEFINITION_BYTES_MAX:
        text = f"the document has {size:,} bytes, over {defaults.DEFINITION_BYTES_MAX:,}"
        report.add("def.bound", None, text, "move parts into sagas of their own")
        return False
    return True


# --- walking a document of any form --------------------------------------------------------------


def _spots(doc: dict[str, Json]) -> Iterator[_Spot]:
    """Everything that is or holds nodes, in document order, whatever the form."""
    count = 0
    waiting: list[_Spot] = [_Spot((), doc, "", 0)]
    while waiting:
        spot = waiting.pop()
        count += 1
        yield _Spot(spot.at, spot.value, spot.where, count)
        if len(spot.at) < WALK_DEPTH_MAX:
            waiting.extend(reversed(list(_below(spot))))


def _below(spot: _Spot) -> Iterator[_Spot]:
    for member, value in spot.value.items():
        if member not in _FLOWS:
            continue
        found: list[tuple[tuple[str | int, ...], Json]] = [((member,), value)]
        if isinstance(value, list):
            found = [((member, i), item) for i, item in enumerate(cast(list[Json], value))]
        for at, item in found:
            if not isinstance(item, dict):
                continue
            inner = cast(dict[str, Json], item)
            name = inner.get("name")
            named = isinstance(name, str) and member != "on_failure"
            where = f"{spot.where}/{name}".lstrip("/") if named else spot.where
            yield _Spot((*spot.at, *at), inner, where, 0)


def _not_yet(spots: list[_Spot], report: Report) -> None:
    def add(spot: _Spot, what: str) -> None:
        report.add_at("def.not_yet", spot.where, spot.order, f"{what} is not built yet")

    for spot in spots:
        kind = spot.value.get("node")
        if not isinstance(kind, str):
            kind = "" if not spot.at else None
        for member in spot.value:
            if kind is not None and member in _not_yet_members(kind):
                add(spot, f"{member} of {kind or 'a saga'}")


def _not_yet_members(kind: str) -> frozenset[str]:
    return _NOT_YET_MEMBERS.get(kind, frozenset())


# --- the schema ----------------------------------------------------------------------------------


@cache
def _validator() -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(schemas.load(SCHEMA), offline=True)


def _fit_schema(doc: dict[str, Json], spots: list[_Spot], report: Report) -> None:
    by_place = {spot.at: spot for spot in spots}
    told = {fault.node for fault in report.faults() if fault.alias == "def.not_yet"}
    for error in _validator().iter_errors(doc):
        path = tuple(error.instance_path)
        spot = _spot_of(path, by_place)
        if spot.where in told:  # it may be wrong only because of what is not built
            continue
        label = _label(spot)
        alias = "def.bound" if error.kind.name in _LIMITS else "def.shape"
        for line in problem_text(error, ""):
            text = line.removeprefix(_text(spot.at)).removeprefix(".")
            text = f"{label}: {text.strip()}" + _near(error, path, doc)
            report.add_at(alias, spot.where, spot.order, text)


def _spot_of(path: tuple[str | int, ...], by_place: Mapping[Any, _Spot]) -> _Spot:
    for length in range(len(path), -1, -1):
        spot = by_place.get(path[:length])
        if spot is not None:
            return spot
    return by_place[()]


def _label(spot: _Spot) -> str:
    kind, name = spot.value.get("node"), spot.value.get("name")
    if not spot.at:
        return "the saga"
    return f"{kind or 'part'} {name}" if isinstance(name, str) else f"a {kind or 'part'}"


def _text(path: tuple[str | int, ...]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)


def _near(
    error: jsonschema_rs.ValidationError, path: tuple[str | int, ...], doc: dict[str, Json]
) -> str:
    """The member or the word that was meant by an unknown one."""
    if error.kind.name == "enum" and isinstance(error.instance, str):
        options = error.kind.as_dict()["options"]
        return closest(error.instance, [o for o in options if isinstance(o, str)])
    if error.kind.name != "additionalProperties":
        return ""
    value: Json = doc
    for step in path:
        value = value[step]
    known = _members_at(path, value)
    near = [closest(name, known) for name in error.kind.as_dict()["unexpected"]]
    return "".join(near[:1])


def _members_at(path: tuple[str | int, ...], value: Json) -> list[str]:
    schema = schemas.load(SCHEMA)
    kind = cast(dict[str, Json], value).get("node") if isinstance(value, dict) else None
    names = [step for step in path if isinstance(step, str)]
    described = f"node_{kind}" if kind else _DESCRIBED.get(names[-1] if names else "", "")
    if not described and len(names) > 1:
        described = _DESCRIBED.get(names[-2], "")
    found = schema if not path else schema["$defs"].get(described, {})
    return list(found.get("properties", {}))


# --- what the schema cannot say ------------------------------------------------------------------


def _finer(spots: list[_Spot], report: Report) -> None:
    def at(spot: _Spot) -> Callable[[str], None]:
        return lambda text: report.add_at(
            "def.shape", spot.where, spot.order, f"{_label(spot)}: {text}"
        )

    for spot in spots:
        add = at(spot)
        for name, value in _durations(spot.value):
            _check_duration(name, value, add)
        match spot.value.get("node"):
            case "choose" | "parallel" as kind:
                _check_branches(kind, spot.value["branches"], add)
            case "approve" if spot.value["level"] == "A0" and not spot.value.get("needs"):
                add("A0 has no seats, so nobody could decide: write A1, A2 or A3, or needs")
            case "wait_for" if spot.value.get("peek") and "collect" in spot.value:
                add("peek does not go with collect: what it left would be collected again")
            case "child" if ("undo" in spot.value) != (spot.value.get("on_undo") == "contract"):
                add("on_undo: contract and undo go together")
            case "repeat" if (every := spot.value.get("every")) is not None:
                if not every.keys() & {"period", "months", "calendar"}:
                    add("every wants a period, or months, or a calendar")
                elif "period" in every and "months" in every:
                    add("every wants a period or months, not both")
            case "race":
                for branch in spot.value["branches"]:
                    if "when" in branch["on"] and branch["on"]["node"] != "wait_for":
                        add(f"branch {branch['name']}: the trigger of a race is never skipped")
            case _:
                pass


def _check_branches(kind: str, branches: list[dict[str, Json]], add: Callable[[str], None]) -> None:
    for number, branch in enumerate(branches, 1):
        alone = kind == "choose" and len(branches) == 1
        if "name" not in branch and not alone and len(branch["flow"]) != 1:
            add(f"branch {number} has no name and {len(branch['flow'])} nodes: give it a name")


def _durations(value: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    """Durations of a node or the document, also inside its retry, undo and the like."""
    waiting: list[Json] = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, list):
            waiting.extend(cast(list[Json], found))
            continue
        for name, inner in cast(dict[str, Json], found).items():
            if name == "after" and found is value:
                continue  # of a for_each: an expression
            if name in _DURATIONS and isinstance(inner, str):
                yield name, inner
            # The `undo` of a handler or clause is a word, that of a step an object.
            elif name in _HOLD_DURATIONS and not isinstance(inner, str):
                waiting.append(inner)


def _check_duration(name: str, text: str, add: Callable[[str], None]) -> None:
    try:
        duration_us(text)
    except DurationError as error:
        add(f"{name}: {error}")

"""Small definitions for the tests of the checks."""

from typing import Any

Json = Any
TEXT: Json = {"type": "string"}


def of(*flow: Json, **members: Json) -> Json:
    """A definition with this flow; further members replace or add to its own."""
    document: dict[str, Json] = {
        "troth": 1,
        "saga": "promise",
        "version": 1,
        "key": "input.company",
        "input": record(company=TEXT, amount={"type": "integer"}),
        "contracts": {
            "crm/create@1": external("crm", "A0", "R1"),
            "crm/create@1:undo": external("crm", "A0", "R1"),
            "bank/pay@1": external("bank", "A1", "R2"),
            "bank/pay@1:undo": external("bank", "A1", "R2"),
            "notary/sign@1": external("notary", "A2", "R3"),
        },
        "flow": list(flow),
    }
    return document | members


def record(**properties: Json) -> Json:
    """The schema of an object with exactly these fields."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def external(participant: str, a: str, r: str) -> Json:
    """A contract that takes `company` and gives an id."""
    return {
        "participant": participant,
        "command": record(company=TEXT),
        "result": record(id=TEXT),
        "external": True,
        "A": a,
        "R": r,
        "S": "S1",
    }


def step(name: str, contract: str = "crm/create@1", **members: Json) -> Json:
    """A step with its undo; `irreversible` takes the undo's place."""
    node: Json = {"node": "step", "name": name, "contract": contract}
    node["args"] = {"company": "input.company"}
    if "irreversible" not in members:
        node["undo"] = {"contract": f"{contract}:undo", "args": {"company": "input.company"}}
    return node | members


def pivot(name: str) -> Json:
    """A step after which there is only forward."""
    return step(name, "notary/sign@1", irreversible="pivot")


def approve(name: str, level: str, *flow: Json, **members: Json) -> Json:
    """An approve around a flow, or, without one, by itself."""
    node: Json = {"node": "approve", "name": name, "level": level, "within": "3d"}
    return node | ({"flow": list(flow)} if flow else {}) | members


def sleep(name: str) -> Json:
    """A day."""
    return {"node": "sleep", "name": name, "for": "1d"}


def scope(name: str, *flow: Json, **members: Json) -> Json:
    """A scope around a flow."""
    return {"node": "scope", "name": name, "flow": list(flow)} | members

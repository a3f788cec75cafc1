"""A large definition for the registration figure: all kinds of nodes, gates, undos and schemas."""

from __future__ import annotations

from typing import Any

__all__ = ["large_definition"]

Json = Any


def large_definition(nodes: int) -> Json:
    """A definition of `nodes` nodes that passes all checks: chapters, one like the other.

    Each chapter has contracts and an event of its own, so that nothing is checked only once.
    """
    document: Json = {
        "troth": 1, "saga": "large", "version": 1, "key": "input.company",
        "input": _object(company=_TEXT, amount=_NUMBER, parties=_list(_ref("Party"))),
        "starts_on": [], "events": {"told": {"version": 1, "schema": _TOLD, "key": "name"}},
        "contracts": {}, "flow": [],
        "vars": {"counted": {"schema": {"type": "integer"}, "initial": 0}},
        "schemas": {"Party": _object(name=_TEXT, share=_NUMBER)},
    }  # fmt: skip
    for number in range(1, nodes // _count(_chapter(1)) + 1):
        document["schemas"] |= {
            f"Company{number}": _object(name=_TEXT, risk=_NUMBER, tags=_list(_TEXT)),
            f"Account{number}": _object(account_id=_TEXT, balance=_NUMBER),
        }
        document["contracts"] |= _contracts(number)
        schema = _object(company=_TEXT, by=_TEXT)
        document["events"][f"signed.n{number}"] = {"version": 1, "schema": schema, "key": "company"}
        document["flow"] += _chapter(number)
    for number in range(nodes - _count(document["flow"])):
        more = {"counted": "vars.counted + 1"}
        document["flow"].append({"node": "set", "name": f"last{number}", "values": more})
    return document


def _chapter(n: int) -> list[Json]:
    checked, created = f"results.check{n}", f"results.create{n}"
    return [
        _step(f"check{n}", "registry", n, company="input.company", amount="input.amount"),
        {"node": "choose", "name": f"risky{n}", "branches": [
            {"when": f"{checked}.risk > 60 && {checked}.tags.exists(t, t == 'open')",
             "flow": [{"node": "fail", "name": f"refused{n}", "code": "too-risky",
                       "message": f"'risk of ' + {checked}.name"}]}], "else": []},
        {"node": "parallel", "name": f"provision{n}", "branches": [
            {"flow": [_step(f"create{n}", "crm", n, company=checked) | _undo("crm", n)]},
            {"flow": [_step(f"list{n}", "signers", n, company=checked)]}]},
        {"node": "for_each", "name": f"parties{n}", "items": "input.parties",
         "key": f"each.parties{n}.item.name", "max_items": 50, "width": 5, "flow": [
             _step(f"invite{n}", "invite", n, party=f"each.parties{n}.item")]},
        {"node": "repeat", "name": f"chase{n}", "max": 3, "every": {"period": "1d"},
         "while": f"vars.counted < {n} + 3", "flow": [
             {"node": "set", "name": f"count{n}", "values": {"counted": "vars.counted + 1"}},
             {"node": "emit", "name": f"told{n}", "type": "told", "key": "input.company",
              "data": f"{{'round': round.chase{n}, 'name': {checked}.name}}"}]},
        {"node": "race", "name": f"first{n}", "branches": [
            {"name": f"signed{n}", "on": {
                "node": "wait_for", "name": f"paper{n}", "events": [f"signed.n{n}"],
                "key": "input.company", "when": "event.data.by != ''"}, "flow": []},
            {"name": f"late{n}", "on": {"node": "sleep", "name": f"grace{n}", "for": "14d"},
             "flow": []}]},
        {"node": "scope", "name": f"desk{n}", "deadline": {"after": "30d"}, "flow": [
            {"node": "task", "name": f"look{n}", "roles": ["legal"], "within": "5d",
             "subject": f"{created}.account_id", "form": _object(fine={"type": "boolean"})}]},
        {"node": "approve", "name": f"legal{n}", "level": "A2", "within": "3d",
         "evidence": [f"check{n}", f"list{n}"], "for": [f"activate{n}"], "flow": [
             _step(f"activate{n}", "gated", n, account=created) | _undo("gated", n)]},
    ]  # fmt: skip


def _contracts(n: int) -> Json:
    company, account = _ref(f"Company{n}"), _ref(f"Account{n}")
    inside, outside = {"external": False}, {"external": True, "A": "A0", "R": "R1", "S": "S2"}
    gated = {"external": True, "A": "A2", "R": "R1", "S": "S2", "review": "gated-policy"}
    found: Json = {
        f"registry/do{n}@1": _contract(company, inside, company=_TEXT, amount=_NUMBER),
        f"crm/do{n}@1": _contract(account, outside, company=company),
        f"signers/do{n}@1": _contract(_list(_TEXT), inside, company=company),
        f"invite/do{n}@1": _contract({"type": "null"}, inside, party=_ref("Party")),
        f"gated/do{n}@1": _contract(account, gated, account=account),
    }
    for name, classes in (("crm", outside), ("gated", gated)):
        found[f"{name}/do{n}@1:undo"] = _contract({"type": "null"}, classes, account=account)
    return {
        name: {"participant": name.partition("/")[0], **contract}
        for name, contract in found.items()
    }


def _contract(result: Json, classes: Json, **command: Json) -> Json:
    return {"command": _object(**command), "result": result, **classes}


def _step(name: str, contract: str, n: int, **args: str) -> Json:
    return {"node": "step", "name": name, "contract": f"{contract}/do{n}@1", "args": args}


def _undo(contract: str, n: int) -> Json:
    return {"undo": {"contract": f"{contract}/do{n}@1:undo", "args": {"account": "result"}}}


def _count(value: Json) -> int:
    if isinstance(value, list):
        return sum(_count(one) for one in value)
    if not isinstance(value, dict):
        return 0
    return isinstance(value.get("node"), str) + sum(_count(one) for one in value.values())


_TEXT: Json = {"type": "string"}
_NUMBER: Json = {"type": "integer"}
_TOLD: Json = {"type": "object", "properties": {"name": _TEXT}}


def _object(**properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": [*properties],
            "additionalProperties": False}  # fmt: skip


def _list(items: Json) -> Json:
    return {"type": "array", "items": items}


def _ref(name: str) -> Json:
    return {"$ref": name}

"""Schemas of the document: each can be used, and first values fit theirs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sagas.checks.report import Report
from sagas.checks.tree import Document, Node, objects
from sagas.schema import Schema, SchemaError, SchemaSet
from sagas.schema_fit import declared

__all__ = ["check_schemas"]

Json = Any
_KEY: Schema = {"type": ["string", "integer"]}


def check_schemas(d: Document, report: Report) -> SchemaSet | None:
    """Add schemas that cannot be used and values that do not fit; None when types mean nothing."""
    try:
        schemas = SchemaSet(objects(d.doc, "schemas"))
    except SchemaError as error:
        report.add("def.schema", None, str(error), "correct the schema")
        return None
    fine = True
    for label, node, schema in _written(d):
        try:
            schemas.validator(schema)
            for problem in schemas.wrong_defaults(schema, label):
                text = "let the default fit its schema, or leave it out"
                report.add("def.schema", node, f"the default of {problem}", text)
        except SchemaError as error:
            report.add("def.schema", node, f"{label}: {error}", "correct the schema")
            fine = False
    if not fine:
        return None
    for group, member in (("params", "default"), ("vars", "initial")):
        for name, said in objects(d.doc, group).items():
            found = schemas.validator(said["schema"]).check(said[member], f"{group}.{name}")
            for problem in found:
                report.add("def.schema", None, f"{member} of {problem}")
    for type_, event in d.events.items():
        key = declared(schemas.resolve(event["schema"])).get(event["key"], {})
        problem = schemas.fits(key, _KEY)
        if problem is not None:
            report.add("def.schema", None, f"key {event['key']} of event {type_} {problem}")
    for contract in d.contracts.values():
        command = schemas.resolve(contract.doc["command"])
        if command.get("type", "object") != "object":
            text = f"command of {contract.name} is no object: it holds the arguments by name"
            report.add("def.schema", None, text, "describe an object")
    return schemas


def _written(d: Document) -> Iterator[tuple[str, Node | None, Json]]:
    """Every schema of the document, with how messages name it."""
    doc = d.doc
    for name in objects(doc, "schemas"):
        yield f"schema {name}", None, {"$ref": name}
    yield "input", None, doc["input"]
    if "result" in doc:
        yield "result", None, doc["result"]
    for name, event in d.events.items():
        yield f"event {name}", None, event["schema"]
    for name, contract in d.contracts.items():
        yield f"command of {name}", None, contract.doc["command"]
        yield f"result of {name}", None, contract.doc["result"]
    for group in ("vars", "params"):
        for name, said in objects(doc, group).items():
            yield f"{group}.{name}", None, said["schema"]
    for update in d.updates:
        yield f"schema of {update.name}", update.scope, update.doc.get("schema", {})
    for node in d.nodes:
        for member in ("takes", "result") if node.kind == "child" else ():
            if member in node.doc:
                yield f"{member} of {node.name}", node, node.doc[member]
        for member in ("edit", "form"):
            if member in node.doc:
                yield f"{member} of {node.name}", node, node.doc[member]

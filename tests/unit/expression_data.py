"""The data and schemas that the tests of expressions share."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.canonical import Json
from sagas.calendars import calendar_text
from sagas.expressions import (
    MISSING,
    Bind,
    CelTypes,
    Data,
    Expect,
    Expr,
    ExprError,
    Missing,
    TypeEnv,
    compile_expr,
)
from sagas.schema import SchemaSet

STRING: Json = {"type": "string"}
INTEGER: Json = {"type": "integer"}
NUMBER: Json = {"type": "number"}


def maybe(schema: Json) -> Json:
    return {"anyOf": [schema, {"type": "null"}]}


def list_of(schema: Json) -> Json:
    return {"type": "array", "items": schema}


def map_of(schema: Json) -> Json:
    return {"type": "object", "additionalProperties": schema}


APPLICATION: Json = {
    "$defs": {
        "Line": {
            "type": "object",
            "properties": {"sku": STRING, "qty": INTEGER, "price": NUMBER},
            "required": ["sku", "qty"],
        },
        "Address": {"type": "object", "properties": {"city": STRING}},
    },
    "type": "object",
    "properties": {
        "company": STRING,
        "days": INTEGER,
        "amount": NUMBER,
        "tags": list_of(STRING),
        "lines": list_of({"$ref": "#/$defs/Line"}),
        "note": maybe(STRING),
        "flag": maybe({"type": "boolean"}),
        "address": maybe({"$ref": "#/$defs/Address"}),
        "post-code": STRING,
        "in": STRING,
        "counts": map_of(INTEGER),
        "sums": list_of(NUMBER),
        "matrix": list_of(list_of(INTEGER)),
        "parent": {"$ref": "#"},
        "fooBar": STRING,
        "foo_bar": STRING,
        "open": {},
    },
}
VERDICT: Json = {
    "type": "object",
    "properties": {"risk": INTEGER, "ok": {"type": "boolean"}, "url": STRING},
}
NOW = datetime(2026, 1, 31, 1, 2, 3, tzinfo=UTC)
OFFICE = calendar_text(
    {
        "zone": "Europe/Berlin",
        "hours": {day: ["09:00-17:00"] for day in ("mon", "tue", "wed", "thu", "fri")},
    }
)

VALUES: dict[tuple[str, str | None], Data] = {
    ("input", None): {
        "company": "acme",
        "days": 3,
        "amount": 5,
        "tags": ["a", "b"],
        "lines": [{"sku": "x", "qty": 2, "price": 2}, {"sku": "y", "qty": 1, "price": 1.5}],
        "note": None,
        "flag": None,
        "address": None,
        "post-code": "1234",
        "in": "inside",
        "counts": {"b": 1, "a": 2},
        "sums": [],
        "matrix": [[1, 2], [3]],
        "parent": {"company": "holding"},
        "fooBar": "camel",
        "foo_bar": "snake",
        "open": {"z": 1, "y": [True]},
    },
    ("results", "check"): {"risk": 70, "ok": True, "url": "u"},
    ("events", "signed"): {
        "id": "e1",
        "type": "partner.signed",
        "source": "crm",
        "time": NOW,
        "data": {"risk": 1, "ok": False},
    },
    ("events", "answers"): [{"id": "e2", "time": NOW, "data": {"risk": 4}}],
    ("decisions", "legal"): {
        "decision": "approve",
        "by": "ann",
        "at": NOW,
        "reason": None,
        "payload": {"amount": 3},
        "expired": False,
    },
    ("vars", "count"): 4,
    ("vars", "numbers"): [3, 1, 2],
    ("vars", "lines"): [],
    ("params", "limit"): 10,
    ("meta", "now"): NOW,
    ("meta", "started_at"): NOW - timedelta(days=1),
    ("meta", "key"): "acme",
    ("round", "touches"): 2,
    ("args", None): {"days": 5},
    ("event", None): {"id": "e3", "time": NOW, "data": {"risk": 9}},
    ("error", None): {"class": "business", "code": "refused", "also": []},
    ("result", None): {"risk": 1},
    ("active", "check"): True,
    ("done", "check"): False,
    ("deadline", "signed"): NOW,
    ("calendar", "office"): OFFICE,
}


def bind(root: str, name: str | None) -> Data | Missing:
    return VALUES.get((root, name), MISSING)


def type_env() -> TypeEnv:
    schemas = SchemaSet({"application.v1": APPLICATION, "verdict.v1": VERDICT})
    verdict: Json = {"$ref": "verdict.v1"}
    return TypeEnv(
        CelTypes(schemas),
        input={"$ref": "application.v1"},
        results={"check": verdict, "crm": verdict},
        events={"signed": verdict, "answers": verdict},
        collected=frozenset({"answers"}),
        decisions={"legal": {"type": "object", "properties": {"amount": NUMBER}}, "cfo": None},
        vars={
            "count": INTEGER,
            "numbers": list_of(INTEGER),
            "lines": list_of(
                {
                    "type": "object",
                    "properties": {"sku": STRING, "qty": INTEGER},
                    "required": ["sku", "qty"],
                }
            ),
        },
        params={"limit": NUMBER},
        rounds=frozenset({"touches"}),
        nodes=frozenset({"check"}),
        timers=frozenset({"signed"}),
        calendars=frozenset({"office"}),
        event=verdict,
        args={"type": "object", "properties": {"days": INTEGER}},
        result=verdict,
        error=True,
    )


ENV = type_env()


def value_of(text: str, *, expect: Expect = "json") -> object:
    return compile_expr(text, ENV, expect=expect).evaluate(bind)


def refusal(text: str, *, expect: Expect = "json", env: TypeEnv | None = ENV) -> tuple[str, str]:
    with pytest.raises(ExprError) as caught:
        compile_expr(text, env, expect=expect)
    return caught.value.kind, caught.value.message


def failure(text: str, *, expect: Expect = "json", given: Bind = bind) -> tuple[str, str]:
    expr = compile_expr(text, ENV, expect=expect)
    with pytest.raises(ExprError) as caught:
        expr.evaluate(given)
    return caught.value.kind, caught.value.message


def outcome(expr: Expr, given: Bind) -> object:
    try:
        return expr.evaluate(given)
    except ExprError as error:
        return (error.kind, error.message)

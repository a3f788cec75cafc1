"""Expressions: what the check catches, what evaluation yields, what it refuses."""

from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
from cel_expr_python import cel
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.canonical import Json
from sagas.cel_functions import FUNCTIONS
from sagas.cel_values import WEIGHT_MAX, has_nul
from sagas.expressions import (
    EXPR_BYTES_MAX,
    ITERATIONS_MAX,
    KEY_TEXT_MAX,
    MISSING,
    RESULT_BYTES_MAX,
    Bind,
    CelTypes,
    Data,
    Expect,
    Expr,
    ExprError,
    Missing,
    TypeEnv,
    compile_expr,
    timestamp_text,
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


# --- values -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        # selections
        ("input.company", "acme"),
        ("input.lines[1].sku", "y"),
        ("input['post-code']", "1234"),
        ('input["in"]', "inside"),
        ("input.`post-code`", "1234"),
        ("results['check'].risk", 70),
        ("input.parent.company", "holding"),
        ("input.note", None),
        ("input.open.y[0]", True),
        ("params.limit", 10),
        ("events.signed.data.risk", 1),
        ("event.data.risk", 9),
        ("error.code", "refused"),
        ("result.risk", 1),
        ("round.touches", 2),
        ("meta.key", "acme"),
        ("decisions.legal.payload.amount", 3),
        # comparison and computation
        ("results.check.risk > 60", True),
        ("args.days < 1 || args.days > 30", False),
        ("input.amount + 1.5", 6.5),
        ("params.limit > 9.5", True),
        ("input['post-code'] + '!'", "1234!"),
        ("input.fooBar + input.foo_bar", "camelsnake"),
        ("'é' + input['company']", "éacme"),
        ("input.matrix[0][1] + 1", 3),
        ("vars.count == 4 ? 'four' : 'other'", "four"),
        ("input.note == null", True),
        ("input.address == null || input.address.city == 'x'", True),
        ("'a' in input.tags", True),
        ("input.lines.exists(l, l.sku == 'x' && l.qty == 2)", True),
        ("input.lines.filter(l, l.qty > 1).map(l, l.sku)", ["x"]),
        ("input.lines.all(l, l.price > 1.0)", True),
        ("vars.numbers.map(p0, p0 + vars.count)", [7, 5, 6]),
        ("size(events.answers) > 0 && events.answers[0].data.risk == 4", True),
        ("input.tags.join('-')", "a-b"),
        ("input.company.matches('^ac')", True),
        ("math.greatest(input.days, 2)", 3),
        ("active('check') && !done('check')", True),
        # objects and lists
        (
            "{'activated': true, 'portal': results.check.url}",
            {"activated": True, "portal": "u"},
        ),
        ("{'n': [1, input.days, input.days + 1], 'k': {}}", {"n": [1, 3, 4], "k": {}}),
        ("{input.company: 1}", {"acme": 1}),
        ("[input.company, 'b']", ["acme", "b"]),
        ("input.counts", {"a": 2, "b": 1}),
        # times inside JSON are text
        ("meta.now", "2026-01-31T01:02:03Z"),
        (
            "{'at': meta.now, 'next': [meta.now + duration('1h')]}",
            {"at": "2026-01-31T01:02:03Z", "next": ["2026-01-31T02:02:03Z"]},
        ),
        (
            "events.signed",
            {**cast(dict[str, Data], VALUES["events", "signed"]), "time": "2026-01-31T01:02:03Z"},
        ),
        (
            "dyn(events.signed)",
            {**cast(dict[str, Data], VALUES["events", "signed"]), "time": "2026-01-31T01:02:03Z"},
        ),
        ("events.signed.time < meta.now", False),
        ("meta.now - meta.started_at == duration('24h')", True),
        ("string(meta.now)", "2026-01-31T01:02:03Z"),
    ],
)
def test_an_expression_yields_its_value(text: str, value: object) -> None:
    """Checked against the schemas, evaluated over plain values."""
    found = value_of(text)
    assert found == value
    assert type(found) is type(value)


FUNCTION_VALUES: list[tuple[str, object]] = [
    ("put(input.counts, 'c', 3)", {"a": 2, "b": 1, "c": 3}),
    ("put(results.check, 'note', 'x')", {"risk": 70, "ok": True, "url": "u", "note": "x"}),
    ("put({}, 'at', meta.now)", {"at": "2026-01-31T01:02:03Z"}),
    ("drop(input.counts, 'a')", {"b": 1}),
    ("drop(results.check, 'missing')", {"risk": 70, "ok": True, "url": "u"}),
    ("merge(input.counts, {'a': 9, 'd': 1})", {"a": 9, "b": 1, "d": 1}),
    (
        "merge({'risk': 'low', 'x': 1}, results.check)",
        {"risk": 70, "ok": True, "url": "u", "x": 1},
    ),
    ("append(vars.numbers, 4)", [3, 1, 2, 4]),
    ("append(vars.lines, {'sku': 'a', 'qty': 1})", [{"sku": "a", "qty": 1}]),
    ("append([meta.now], meta.now)", ["2026-01-31T01:02:03Z"] * 2),
    ("append(dyn([]), null)", [None]),
    ("without([1, 2, 1], 1)", [2]),
    ("without(dyn([true, 1, 1.0, 'a']), dyn(1))", [True, "a"]),
    ("without(dyn([[1], {'a': 1}]), dyn({'a': 1.0}))", [[1]]),
    ("take(vars.numbers, 2)", [3, 1]),
    ("take(vars.numbers, 9)", [3, 1, 2]),
    ("distinct([3, 1, 3])", [3, 1]),
    ("distinct(dyn([true, 1, 1.0, {'a': 1}, {'a': 1}]))", [True, 1, {"a": 1}]),
    ("sorted(vars.numbers)", [1, 2, 3]),
    ("sorted(['b', 'a'])", ["a", "b"]),
    ("sorted([meta.now, meta.started_at])", ["2026-01-30T01:02:03Z", "2026-01-31T01:02:03Z"]),
    ("sum(vars.numbers)", 6),
    ("sum(input.lines.map(l, l.price)) * 2.0", 7.0),
    ("sum(input.sums) + 1.5", 1.5),
    ("sum([])", 0),
    ("min(vars.numbers) + max(vars.numbers)", 4),
    ("max([1.5, 2.5])", 2.5),
    ("index_by(input.lines, 'sku')['y'].qty", 1),
    (
        "index_by(input.lines, 'qty')",
        {"1": {"sku": "y", "qty": 1, "price": 1.5}, "2": {"sku": "x", "qty": 2, "price": 2.0}},
    ),
    ("add_days(deadline('signed'), args.days)", "2026-02-05T01:02:03Z"),
    ("add_days(meta.now, -31)", "2025-12-31T01:02:03Z"),
    ("add_months(meta.now, 1)", "2026-02-28T01:02:03Z"),
    ("add_months(meta.now, -11)", "2025-02-28T01:02:03Z"),
    ("add_months(meta.now, 12)", "2027-01-31T01:02:03Z"),
]


@pytest.mark.parametrize(("text", "value"), FUNCTION_VALUES)
def test_an_added_function_yields_its_value(text: str, value: object) -> None:
    """Each added function over typed and open values."""
    assert value_of(text) == value


def test_every_added_function_is_tested() -> None:
    """The table above and the questions about nodes name all of them."""
    texts = " ".join(text for text, _ in FUNCTION_VALUES)
    used = {name for name in FUNCTIONS if f"{name}(" in texts}
    assert used | {"active", "done"} == FUNCTIONS


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("take(vars.numbers, -1)", "take() wants a count of at least 0, got -1"),
        ("min(dyn([]))", "min() of an empty list"),
        ("max([[1]].map(x, dyn(x)))", "max() wants numbers, or texts, or times, and not a mixture"),
        ("sorted(dyn([1, 'a']))", "sorted() wants numbers, or texts, or times, and not a mixture"),
        ("sorted(dyn([true]))", "sorted() wants numbers, or texts, or times, and not a mixture"),
        ("sum(dyn(['a']))", "sum() wants numbers"),
        (
            "index_by(input.lines + input.lines, 'sku')",
            "index_by(): two elements have 'x' in `sku`",
        ),
        (
            "index_by(dyn([{'a': true}]), 'a')",
            "index_by() wants text or an integer in `a` of every element",
        ),
        ("add_days(meta.now, 9999999)", "date value out of range"),
        ("add_months(meta.now, 999999)", "year 85359 is out of range"),
    ],
)
def test_an_added_function_says_what_it_wants(text: str, message: str) -> None:
    """A wrong argument is an error of the expression, in a sentence."""
    kind, said = failure(text)
    assert kind == "value"
    assert message in said


@pytest.mark.parametrize(
    ("text", "expect", "value"),
    [
        ("input.days > 1", "bool", True),
        ("input.company", "string", "acme"),
        ("input.days", "int", 3),
        ("input.amount", "number", 5),
        ("input.company", "key", "acme"),
        ("input.days", "key", "3"),
        ("vars.numbers", "list", [3, 1, 2]),
        ("results.check", "object", {"risk": 70, "ok": True, "url": "u"}),
        ("{'a': meta.now}", "object", {"a": "2026-01-31T01:02:03Z"}),
        ("meta.now", "timestamp", NOW),
        ("meta.now + duration('90s')", "timestamp", NOW + timedelta(seconds=90)),
        ("duration('90s')", "duration", timedelta(seconds=90)),
        ("meta.now - meta.started_at", "duration", timedelta(days=1)),
    ],
)
def test_a_place_gets_what_it_expects(text: str, expect: Expect, value: object) -> None:
    """Times and durations stand alone where they are asked for."""
    assert value_of(text, expect=expect) == value


# --- the check ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("results.check.rik > 60", "name", "no such field `rik`; risk?"),
        ("input.lines.exists(l, l.sk == 'x')", "name", "no such field `sk`; sku?"),
        ("input.lines.map(l, {'a': l.qty, 'b': l.amout})", "name", "no such field `amout`"),
        ("has(input.nope)", "name", "no such field `nope`"),
        ("has(input.address.town)", "name", "no such field `town`"),
        ("input['post-cod']", "name", "no such field `post-cod`; post-code?"),
        ("input.parent.parent.compny", "name", "no such field `compny`; company?"),
        ("decisions.legal.payload.amont", "name", "no such field `amont`; amount?"),
        ("events.signed.date", "name", "no such field `date`; data?"),
        ("results.chek.risk", "name", "`results.chek` is not in reach; check?"),
        ("vars.x", "name", "`vars.x` is not in reach"),
        ("each.items.item", "name", "`each.items` is not in reach"),
        ("deadline('signd')", "name", "deadline('signd'): there is no such node here; signed?"),
        ("active('signed')", "name", "active('signed'): there is no such node here"),
        ("active(input.company)", "name", "active() takes the name of a node in quotes"),
        ("results", "name", "`results` needs a name after it, such as results.check"),
        ("results[input.company]", "name", "`results` needs a name after it"),
        ("[1].map(input, input)", "name", "`input` names data here"),
        ("[1].exists(vars, vars == 1)", "name", "`vars` names data here"),
        (".input.company", "name", "write `input` without the dot"),
        ("foo(1)", "name", "no such name or function `foo`"),
        ("why.code", "name", "no such name or function `why.code`"),
        ("next_open(meta.now)", "name", "next_open() needs calendars"),
        ("google.protobuf.Int32Value{value: 1}", "name", "is no value here"),
        ("index_by(input.lines, 'ski')", "name", "index_by(): no such field `ski`; sku?"),
        ("input.amount > 4", "type", "`>` does not work on double and int: write 1.0 for 1"),
        ("input.company + 1", "type", "`+` does not work on string and int"),
        ("!input.company", "type", "`!` does not work on string"),
        ("input.days in [3.0]", "type", "`in` does not work on int and list(double)"),
        ("input.counts.exists(k, k > 1)", "type", "`>` does not work on string and int"),
        ("sorted(input.lines)", "type", "sorted() does not take (list(object))"),
        ("append(vars.numbers, 'a')", "type", "append() does not take (list(int), string)"),
        ("append(vars.lines, {'sku': 'a', 'qyt': 1})", "type", "append(): wants `qty`"),
        ("append(vars.lines, {'sku': 1, 'qty': 1})", "type", "append(): sku wants string"),
        ("put(input.counts, 'c', 'x')", "type", "put() does not take (map(string, int), string"),
        ("{'a': 1, 'a': 2}", "type", "the object has the key `a` twice"),
        ("{1: 2}", "type", "a key of an object must be text, got 1"),
        ("1u", "type", "uint is not JSON: write 1 for 1u, or int(x)"),
        ("{'a': b'x'}", "type", "bytes is not JSON"),
        ("[duration('1h')]", "type", "duration is not JSON: use string(x)"),
        ("'a\\u0000b' + input.company", "type", "text with the character U+0000"),
        ("input.?company", "syntax", "unsupported syntax '.?'"),
        ("[?input.company]", "syntax", "unsupported syntax '?'"),
        ("cel.bind(x, 1, x)", "name", "no such name or function `x`"),
        ("1 +", "syntax", "mismatched input the end"),
        ("", "syntax", "the expression is empty"),
        ("'" + "x" * EXPR_BYTES_MAX + "'", "cost", f"longer than {EXPR_BYTES_MAX} bytes"),
        ("'" + "é" * (EXPR_BYTES_MAX // 2) + "'", "cost", "longer than"),
        ("+".join(["1"] * 200), "syntax", "recursion"),
    ],
)
def test_the_check_refuses(text: str, kind: str, message: str) -> None:
    """A wrong name, field or type is an error of the registration, with a hint."""
    found_kind, found = refusal(text)
    assert message in found
    assert found_kind == kind


@pytest.mark.parametrize(
    ("text", "expect", "message"),
    [
        ("input.days", "bool", "is int, bool is needed"),
        ("input.flag", "bool", "is bool or null, bool is needed"),
        ("input.note", "string", "is string or null, string is needed"),
        ("input.company", "int", "is string, int is needed"),
        ("results.check", "key", "is object, text or an integer is needed"),
        ("vars.numbers", "object", "is list, object is needed"),
        ("input.counts", "list", "is object, list is needed"),
        ("input.company", "timestamp", "is string, timestamp is needed"),
        ("meta.now", "duration", "is timestamp, duration is needed"),
        ("duration('1h')", "json", "is duration, JSON is needed"),
    ],
)
def test_the_place_of_an_expression_has_a_type(text: str, expect: Expect, message: str) -> None:
    """A guard must be a truth value, a due time a timestamp, and so on."""
    assert refusal(text, expect=expect) == ("type", message)


def test_names_that_do_not_exist_at_a_place_are_unknown() -> None:
    """`event` outside handlers, `args` outside updates, `error` outside on_failure."""
    empty = TypeEnv(CelTypes(SchemaSet({})))
    for root in ("input", "event", "args", "error", "result"):
        assert refusal(f"{root}.x", env=empty) == ("name", f"`{root}` does not exist here")


PIECES = st.sampled_from(
    [
        "input",
        "results",
        "vars",
        "x",
        "check",
        "company",
        "lines",
        "[",
        "]",
        "(",
        ")",
        "{",
        "}",
        ".",
        ",",
        ":",
        "?",
        "!",
        "-",
        "+",
        "*",
        "/",
        "==",
        "<",
        "&&",
        "||",
        "in",
        "has",
        "map",
        "exists",
        "filter",
        "''",
        "'a'",
        '"b"',
        "1",
        "0",
        "2.5",
        "1u",
        "null",
        "true",
        "b''",
        "r''",
        "dyn",
        "size",
        "sum",
        "put",
        "`a`",
        "//",
        "\n",
        "\\",
        "é",
        "\x00",
    ]
)


@given(st.lists(PIECES, max_size=12), st.booleans())
def test_no_text_breaks_the_compiler(pieces: list[str], spaced: bool) -> None:
    """Whatever is written, it compiles or is refused with a message."""
    text = (" " if spaced else "").join(pieces)
    for env in (ENV, None):
        assert compiled(text, env) != (None, "")


def compiled(text: str, env: TypeEnv | None) -> object:
    try:
        expr = compile_expr(text, env)
    except ExprError as error:
        return (None, error.message)
    return outcome(expr, bind)


# --- reads --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "reads", "guarded"),
    [
        ("input.company", [("input", None)], []),
        ("results.check.risk > vars.count", [("results", "check"), ("vars", "count")], []),
        ("results['check'].risk", [("results", "check")], []),
        ("// input\nvars.count", [("vars", "count")], []),
        ("'input.company' + input.company", [("input", None)], []),
        ("[1].exists(x, x == vars.count)", [("vars", "count")], []),
        ("dyn({'input': 1}).input", [], []),
        ("deadline('signed') > meta.now", [("deadline", "signed"), ("meta", "now")], []),
        ("has(results.crm)", [("results", "crm")], [("results", "crm")]),
        ("has(results.crm.url)", [("results", "crm")], [("results", "crm")]),
        ("has(results.crm) && results.crm.ok", [("results", "crm")], [("results", "crm")]),
        ("results.crm.ok && has(results.crm)", [("results", "crm")], [("results", "crm")]),
        ("has(results.crm) || results.crm.ok", [("results", "crm")], []),
        ("!has(results.crm) || results.crm.ok", [("results", "crm")], [("results", "crm")]),
        ("!(has(results.crm) || true) || results.crm.ok", [("results", "crm")], []),
        (
            "!(!has(results.crm) || false) && results.crm.ok",
            [("results", "crm")],
            [("results", "crm")],
        ),
        ("has(results.crm.url) ? results.crm.url : ''", [("results", "crm")], [("results", "crm")]),
        ("has(results.crm) ? '' : results.crm.url", [("results", "crm")], []),
        ("!has(results.crm) ? '' : results.crm.url", [("results", "crm")], [("results", "crm")]),
        (
            "has(results.crm) && results.check.ok",
            [("results", "crm"), ("results", "check")],
            [("results", "crm")],
        ),
        (
            "has(results.crm) && input.tags.exists(t, t == results.crm.url)",
            [("results", "crm"), ("input", None)],
            [("results", "crm")],
        ),
    ],
)
def test_reads_are_found_exactly(
    text: str, reads: list[tuple[str, str | None]], guarded: list[tuple[str, str | None]]
) -> None:
    """Names in strings, comments and macro variables are no reads; has() guards what it implies."""
    for expr in (compile_expr(text, ENV), compile_expr(text, None)):
        assert list(expr.reads) == reads
        assert expr.guarded == frozenset(guarded)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("has(results.crm)", False),
        ("has(results.check)", True),
        ("has(results.crm.url)", False),
        ("has(input.address.city)", False),
        ("has(input.parent.parent.company)", False),
        ("has(input.note)", True),
        ("has(results.crm) ? results.crm.url : 'none'", "none"),
        ("has(results.crm) && results.crm.ok", False),
        ("!has(results.crm) || results.crm.ok", True),
        ("input.lines.all(l, has(l.price))", True),
        ("has(results . check)", True),
    ],
)
def test_has_asks_along_the_whole_path(text: str, value: object) -> None:
    """has() is false when any step is missing, and true for a null that is there."""
    assert value_of(text) == value


# --- what is not there --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("results.crm.risk", "results.crm.risk has no value"),
        ("results.crm.risk > 1", "results.crm.risk has no value"),
        ("results.crm.risk > 1 || false", "results.crm.risk has no value"),
        ("!(results.crm.ok)", "results.crm.ok has no value"),
        ("results.crm.ok && true", "results.crm.ok has no value"),
        ("results.crm.ok ? 1 : 2", "results.crm.ok has no value"),
        ("input.lines.exists(l, l.qty == results.crm.risk)", "results.crm.risk has no value"),
        ("input.address.city", "input.address.city has no value"),
        ("input.address.city == 'x'", "input.address.city has no value"),
        ("input.lines[7].sku", "input.lines[7].sku has no value"),
        ("{'a': results.crm.url}", "results.crm.url has no value"),
        ("input.open.x.y", "input.open.x.y has no value"),
        ("input.note + 'a'", "`+` does not work on null and string"),
        ("index_by(input.lines, 'sku')['z'].qty", 'there is no "z" in the object'),
        ("1 / (input.days - 3)", "divide by zero"),
        ("input.days + 9223372036854775807", "integer overflow"),
        ("1.0 / 0.0", "inf is no JSON number"),
        ("[0.0 / 0.0]", "nan is no JSON number"),
        ("9007199254740992", "beyond 2^53"),
        ("{'a': input.days * 9007199254740992}", "beyond 2^53"),
    ],
)
def test_a_missing_or_impossible_value_is_never_false(text: str, message: str) -> None:
    """The expression fails and says where."""
    kind, said = failure(text)
    assert kind == "value"
    assert message in said


@pytest.mark.parametrize("text", ["true || results.crm.ok", "!(false && results.crm.ok)"])
def test_what_is_not_needed_may_be_missing(text: str) -> None:
    """The other side decides alone."""
    assert value_of(text) is True


@pytest.mark.parametrize(
    ("text", "expect", "message"),
    [
        ("input.open", "bool", "is object, bool is needed"),
        ("input.open.z", "bool", "is int, bool is needed"),
        ("input.open.y", "key", "is list, text or an integer is needed"),
        ("dyn('')", "key", f"a key has 1 to {KEY_TEXT_MAX} characters, got 0"),
        (f"'{'k' * 257}'", "key", f"a key has 1 to {KEY_TEXT_MAX} characters, got 257"),
        ("dyn(true)", "int", "is bool, int is needed"),
        ("dyn(null)", "timestamp", "is null, timestamp is needed"),
        ("dyn(duration('1h'))", "json", "a duration is not JSON: use string(x)"),
        ("dyn({dyn(1): 2})", "json", "a key of an object must be text, got 1"),
    ],
)
def test_an_open_type_is_checked_when_it_comes(text: str, expect: Expect, message: str) -> None:
    """What the schema leaves open is looked at in the value."""
    assert failure(text, expect=expect) == ("value", message)


# --- cost ---------------------------------------------------------------------------------------


def outcome(expr: Expr, given: Bind) -> object:
    try:
        return expr.evaluate(given)
    except ExprError as error:
        return (error.kind, error.message)


def with_tags(tags: list[Data]) -> Bind:
    def answer(root: str, name: str | None, /) -> Data | Missing:
        return {"tags": tags} if root == "input" else bind(root, name)

    return answer


def test_iterations_are_bounded() -> None:
    """Nested macros over a long list stop with a cost error, whatever the first side says."""
    text = "input.tags.all(a, input.tags.all(b, a + b != 'q'))"
    few, many = with_tags(["x"] * 60), with_tags(["x"] * 150)
    assert compile_expr(text, ENV).evaluate(few) is True
    assert failure(text, given=many) == ("cost", "the expression goes through too many elements")
    assert ITERATIONS_MAX == 9_999


def test_what_added_functions_read_is_bounded() -> None:
    """A function inside a macro cannot copy a long list a thousand times."""
    text = "input.tags.map(t, append(input.tags, t)).size() > 0 || true"
    many = with_tags(["x"] * 1_000)
    assert failure(text, given=many) == ("cost", "the expression goes through too many elements")
    assert WEIGHT_MAX < 1_000 * 1_000
    assert compile_expr("size(append(input.tags, 'y'))", ENV).evaluate(many) == 1_001


def test_a_result_is_bounded() -> None:
    """A short expression cannot make megabytes."""
    big = with_tags(["x" * 1_000] * 1_000)
    assert failure("input.tags.map(t, t + t)", given=big) == (
        "cost",
        f"the value is larger than {RESULT_BYTES_MAX} bytes",
    )


# --- evaluation is the same everywhere ----------------------------------------------------------

keys = st.sampled_from(["a", "b", "c-d", "in"])
json_data = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(max_size=3)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)
steps = st.lists(keys | st.integers(0, 2), max_size=3)


LIBRARY = cel.NewEnv(variables={"input": cel.Type.DYN})


@given(json_data, steps)
def test_a_selection_equals_the_library(value: Data, path: list[str | int]) -> None:
    """The short way yields what the library yields, and fails where it fails."""

    def given_value(root: str, name: str | None, /) -> Data | Missing:
        return value

    assume(not has_nul(value))
    text = "input" + "".join(f"[{step!r}]" for step in path)
    expected = LIBRARY.compile(text).eval(data={"input": value})
    short = compile_expr(text, None)
    if expected.type() == cel.Type.ERROR:
        with pytest.raises(ExprError, match="has no value"):
            short.evaluate(given_value)
        return
    found = short.evaluate(given_value)
    assert repr(normal(found)) == repr(normal(expected.plain_value()))
    through = compile_expr(f"[dyn({text})].map(x, x)", None).evaluate(given_value)
    assert repr(normal(through)) == repr([normal(found)])


def normal(value: object) -> object:
    """Objects with sorted keys: the library's order means nothing."""
    if isinstance(value, dict):
        members = cast(dict[str, object], value)
        return {key: normal(members[key]) for key in sorted(members)}
    return [normal(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("value", ["a\0b", ["a\0b"], {"a\0b": 1}, {"a": [{"b": "\0"}]}])
def test_text_that_the_library_would_cut_is_refused(value: Data) -> None:
    """It ends text at U+0000: two different texts would be equal. A selection passes it on."""

    def given_value(root: str, name: str | None, /) -> Data | Missing:
        return value

    expr = compile_expr("dyn(input) == input", None)
    with pytest.raises(ExprError, match=r"input has text with the character U\+0000"):
        expr.evaluate(given_value)
    assert compile_expr("{'a': input}", None).evaluate(given_value) == {"a": value}


def test_text_that_only_looks_so_is_no_text_with_a_nul() -> None:
    """A backslash before u0000 is text like any other."""
    assert not has_nul(["\\u0000", {"\\\\u0000": 1}])


def test_maps_are_gone_through_in_the_order_of_their_keys() -> None:
    """The library's own order differs from process to process."""
    assert value_of("input.counts.map(k, k)") == ["a", "b"]
    assert value_of("dyn({'z': 1, 'm': 2, 'a': 3, 'b': 4}).map(k, k)") == ["a", "b", "m", "z"]
    assert value_of("put(input.counts, 'aa', 1).filter(k, true)") == ["a", "aa", "b"]
    assert list(cast(dict[str, int], value_of("put({'z': 1, 'a': 2}, 'm', 3)"))) == ["a", "m", "z"]


def test_an_unchecked_expression_evaluates_alike() -> None:
    """Without an env there is no check; the value is the same where kinds are exact."""
    for text in ("results.check.risk > 60", "has(results.crm)", "{'a': [input.days + 1]}"):
        assert compile_expr(text, None).evaluate(bind) == value_of(text)


def test_a_selection_yields_the_bound_object_itself() -> None:
    """Nothing is copied on the short way."""
    assert value_of("input.lines") is cast(dict[str, Data], VALUES["input", None])["lines"]


def test_numbers_have_the_kind_of_their_schema() -> None:
    """JSON writes 5 for 5.0; a number is a double all the same, also deep inside."""
    assert value_of("input.amount / 2.0") == 2.5
    assert value_of("input.lines.map(l, l.price + 0.5)") == [2.5, 2.0]

    def whole(root: str, name: str | None, /) -> Data | Missing:
        return {"days": 3.0, "matrix": [[1.0]], "parent": {"parent": {"amount": 2}}}

    assert compile_expr("input.days + 1", ENV).evaluate(whole) == 4
    assert compile_expr("input.matrix.map(r, r[0] + 1)", ENV).evaluate(whole) == [2]
    assert compile_expr("dyn(input).parent.parent.amount + 0.5", ENV).evaluate(whole) == 2.5


# --- type of the result -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "schema"),
    [
        ("input", {"$ref": "application.v1"}),
        ("results.check", {"$ref": "verdict.v1"}),
        ("results.check.risk", INTEGER),
        ("input.note", maybe(STRING)),
        ("input.days + 1", INTEGER),
        ("input.amount", NUMBER),
        ("true", {"const": True}),
        ("input.tags", list_of(STRING)),
        ("input.tags.map(t, size(t))", list_of(INTEGER)),
        ("input.counts", map_of(INTEGER)),
        ("meta.now", {"type": "string", "format": "date-time"}),
        ("input.open.x", {}),
        (
            "{'a': results.check, 'b': 'x', 'c': [input.days, 2]}",
            {
                "type": "object",
                "properties": {
                    "a": {"$ref": "verdict.v1"},
                    "b": {"const": "x"},
                    "c": list_of(INTEGER),
                },
                "required": ["a", "b", "c"],
                "additionalProperties": False,
            },
        ),
    ],
)
def test_the_schema_of_the_result_is_known(text: str, schema: Json) -> None:
    """So that an argument can be compared with what its parameter wants."""
    assert compile_expr(text, ENV).type_schema == schema


def test_a_result_is_compared_with_what_is_wanted() -> None:
    """`amount of pay wants number, gets string`."""
    given_schema = compile_expr("{'amount': input.company}", ENV).type_schema
    wanted: Json = {"type": "object", "properties": {"amount": NUMBER}, "required": ["amount"]}
    assert ENV.types.schemas.fits(given_schema, wanted) == "amount wants number, gets string"


def test_a_path_is_told() -> None:
    """A pure selection is known as such; a computation is not."""
    path = compile_expr("results.check.risk", ENV).path
    assert path is not None
    assert (path.root, path.name, path.steps) == ("results", "check", ("risk",))
    assert compile_expr("results.check.risk + 1", ENV).path is None


def test_types_are_shared_by_the_expressions_of_a_document() -> None:
    """A hundred checks make no new messages and few environments."""
    env = type_env()
    compile_expr("input.lines[0].qty > 1", env)
    before = len(env.types.message_names())
    for number in range(100):
        compile_expr(f"input.lines[{number}].qty > 1", env)
    assert len(env.types.message_names()) == before
    assert len(env.types.envs) == 1


def test_a_moment_is_written_in_utc() -> None:
    """With a fraction only where there is one."""
    assert timestamp_text(NOW) == "2026-01-31T01:02:03Z"
    assert timestamp_text(NOW.replace(microsecond=500)) == "2026-01-31T01:02:03.000500Z"

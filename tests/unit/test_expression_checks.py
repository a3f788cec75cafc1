"""Expressions: what the check catches, what is read, what type comes out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.canonical import Json
from sagas.expressions import (
    EXPR_BYTES_MAX,
    CelTypes,
    Expect,
    ExprError,
    TypeEnv,
    compile_expr,
    timestamp_text,
)
from sagas.schema import SchemaSet
from tests.unit.expression_data import (
    ENV,
    INTEGER,
    NOW,
    NUMBER,
    STRING,
    bind,
    list_of,
    map_of,
    maybe,
    outcome,
    refusal,
    type_env,
    value_of,
)

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
        (
            "{'a': 1}[0]",
            "type",
            "[] does not work on map(string, int), int: write a field as .name",
        ),
        ("why.code", "name", "no such name or function `why.code`"),
        ("next_open(meta.now)", "name", "next_open() takes the name of a calendar in quotes"),
        ("next_open('offise', meta.now)", "name", "there is no calendar `offise` here; office?"),
        ("next_open('office', 'noon')", "type", "next_open() does not take (string, string)"),
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

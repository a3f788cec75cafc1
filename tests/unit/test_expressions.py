"""Expressions: what evaluation yields."""

from datetime import timedelta
from typing import cast

import pytest

from sagas.cel_functions import FUNCTIONS
from sagas.expressions import (
    Data,
    Expect,
)
from tests.unit.expression_data import (
    NOW,
    VALUES,
    failure,
    value_of,
)

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
        ("size(b'\\x00ab') + size('ab')", 5),
        ("string(meta.now)", "2026-01-31T01:02:03Z"),
        ("[dyn(meta.now)]", ["2026-01-31T01:02:03Z"]),
        ("{'n': [events.signed.time]}", {"n": ["2026-01-31T01:02:03Z"]}),
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
    ("without([[1, 2], [3]], [1, 2])", [[3]]),
    ("without([{'a': 1}, {'a': true}], {'a': 1})", [{"a": True}]),
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
    ("next_open('office', meta.now)", "2026-02-02T08:00:00Z"),
    ("add_open_days('office', meta.now, args.days)", "2026-02-06T01:02:03Z"),
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

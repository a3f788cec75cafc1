"""What is wrong in a flow is said with its code, file and line, and with what to write instead."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from troth import App, TrothError
from troth._load import load_app

HEAD = """
from datetime import datetime
from pydantic import BaseModel, Field
from troth import *

@event("order.placed", version=1, key="number")
class Order(BaseModel):
    number: str
    amount: int = 0
    tags: list[str] = []
    note: str | None = None

@event("order.paid", version=1, key="number")
class Paid(BaseModel):
    number: str

shop = Participant("shop")

@shop.step("check", refuses=["sold-out"])
def check(order: Order) -> Order:
    return order

@shop.effect("pay", A1, R2, S2, unknown="ask")
def pay(fx: Effect, order: Order) -> str:
    return fx.key

"""
LINES_BEFORE = HEAD.count("\n")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A user's project; what it imported and where it was found is forgotten afterwards."""
    before, path = set(sys.modules), list(sys.path)
    (tmp_path / "pyproject.toml").write_text('[tool.troth]\napp = "shopping:app"\n', "utf-8")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.path[:] = path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def said(project: Path, text: str) -> TrothError:
    """The error of a module that holds this text."""
    (project / "shopping.py").write_text(HEAD + text + "\napp = App(sagas=[flow])\n", "utf-8")
    with pytest.raises(TrothError) as raised:
        load_app("shopping:app").documents()
    return raised.value


def in_flow(*lines: str, decorator: str = '@saga("s", version=1, starts_on=Order)') -> str:
    body = "\n".join(f"    {line}" for line in lines)
    return f"{decorator}\ndef flow(order: Order) -> None:\n{body}"


# Each: the lines of a flow, the code, the line (1 is the first of the flow) and words of the error.
FLOWS: list[tuple[tuple[str, ...], str, int, str]] = [
    (("if order.amount > 1:", "    check(order)"), "TR120", 1, r"choice .* with when\("),
    (("for tag in order.tags:", "    check(order)"), "TR120", 1, r"loop .* with repeat\("),
    (("while True:", "    check(order)"), "TR120", 1, r"loop"),
    (("try:", "    check(order)", "finally:", "    pass"), "TR120", 1, r"on_failure"),
    (("x = 1", "x += 1"), "TR120", 2, r"set_\(counter=counter \+ 1\)"),
    (("def inner() -> None: ...",), "TR120", 1, "outside the flow"),
    (("import os",), "TR120", 1, "top of the file"),
    (("assert order.amount",), "TR120", 1, "fail"),
    (("raise ValueError",), "TR120", 1, r"fail\(\"code\"\)"),
    (("order.amount > 1",), "TR120", 1, "does nothing"),
    (("order.note = 'x'",), "TR120", 1, "only names"),
    (('with when("a", order.note is None):', "    pass"), "TR120", 1, "`is` cannot be asked"),
    (("x = (y := check(order))",), "TR120", 1, "line of its own"),
    (("return", "check(order)"), "TR120", 1, "return ends the flow here"),
    (
        ('with when("a", order.amount > 1):', "    return", "check(order)"),
        "TR120",
        2,
        "fulfil",
    ),
    (('with when("a", order.amount > 1):', "    return"), "TR120", 2, "return ends the flow here"),
    (("x = order.amount > 1 and order.amount < 9",), "TR121", 1, r"truth .* & \| not_\(\)"),
    (("x = not order.amount",), "TR121", 1, r"`input\.amount` .* truth"),
    (("x = 1 < order.amount < 3",), "TR121", 1, "truth"),
    (("x = f'{order.number}'",), "TR121", 1, r"f-string.* \"text\" \+ value"),
    (("x = str(order.number)",), "TR121", 1, "text"),
    (("x = [tag for tag in order.tags]",), "TR121", 1, "looped over"),
    (("a, b = order.tags",), "TR121", 1, "looped over or unpacked"),
    (("x = 'a' in order.tags",), "TR121", 1, "`in` is asked"),
    (("x = len(order.tags)",), "TR121", 1, r"size\(value\)"),
    (("x = {order.number: 1}",), "TR121", 1, "key of a dict"),
    (("x = order.amount // 2",), "TR121", 1, r"cel\("),
    (("x = order.model_dump()",), "TR208", 1, "Order has no field `model_dump`"),
    (("check(order).numbr",), "TR120", 1, "does nothing"),
    (("x = check(order).numbr",), "TR208", 1, "Order has no field `numbr`"),
    (("x = order.tags['a']",), "TR208", 1, "no item 'a'"),
    (("x = order.tags[-1]",), "TR208", 1, "no item -1"),
    (("x = order.number > 1",), "TR209", 1, "> is for two values of one kind"),
    (("x = order.number == 1",), "TR209", 1, "== is for two values of one kind"),
    (("x = order.tags < order.tags",), "TR209", 1, "< is for two numbers, texts or times"),
    (("x = order.number - 1",), "TR209", 1, "- is for two numbers"),
    (("x = order.amount & order.amount",), "TR209", 1, "& is for two truths"),
    (("not_(order.amount)",), "TR209", 1, "not_ is for truths"),
    (("check.named('Again')(order)",), "TR122", 1, "'Again' does not name a node"),
    (("check.named('in')(order)",), "TR122", 1, "word of the expression language"),
    (("sleep('a-b', '1d')",), "TR122", 1, "'a-b'"),
    (("check(order)", "check(order)"), "TR204", 2, r"`check` is used at line \d+ and again"),
    (("a = var('check', int, 0)", "check(order)"), "TR204", 2, "`check` is used"),
    (("a = var('name', str, '')",), "TR122", 1, "no var is called"),
    (("a = param('a', 1)", "b = param('a', 2)"), "TR204", 2, "two defaults"),
    (("check()",), "TR205", 1, "argument `order` is bound to nothing"),
    (("check(order, 1)",), "TR205", 1, "takes 1 arguments and is given 2"),
    (("check(order, ordr=1)",), "TR205", 1, "`ordr` is no argument"),
    (("set_(counter=1)",), "TR205", 1, r"`counter` is no var .* var\(\"counter\", int, 0\)"),
    (("a = new(Paid)",), "TR205", 1, "Paid lacks number"),
    (("a = new(Paid, numbr=1)",), "TR208", 1, "no field `numbr`"),
    (("a = var('a', int, 'x')",), "TR210", 1, "'x' is no int"),
    (("sleep('a', '3 days')",), "TR124", 1, "'3 days'"),
    (("sleep('a', '1m1h')",), "TR124", 1, "largest first"),
    (("sleep('a')",), "TR124", 1, "not both"),
    (("wait_for(Paid, order.number, within='soon')",), "TR124", 1, "within= is 'soon'"),
    (("wait_for(BaseModel, 'a', within='1d')",), "TR123", 1, "BaseModel is no event"),
    (("check(object())",), "TR124", 1, "cannot be data"),
    (("check('a\\0')",), "TR124", 1, r"U\+0000"),
    (("check(2 ** 70)",), "TR124", 1, "more than 64 bits"),
    (("when('a', order.amount > 1)", "check(order)"), "TR123", 1, r"with when\(...\):"),
    (("when('a', order.amount > 1)",), "TR123", 1, "not entered"),
    (("with otherwise('a'):", "    pass"), "TR123", 1, "no `with when"),
    (("with branch('a'):", "    pass"), "TR123", 1, "choose, race or parallel"),
    (("with choose('a'):", "    check(order)"), "TR123", 2, "between the branches"),
    (("with choose('a'):", "    with branch('b'):", "        pass"), "TR205", 2, "no guard"),
    (("with race('a'):", "    check(order)"), "TR123", 1, "no trigger"),
    (("with race('a'):", "    with branch('b', 1):", "        pass"), "TR223", 2, "no trigger"),
    (
        ("with race('a'):", "    with branch('b', check(order)):", "        pass"),
        "TR223",
        2,
        r"wait_for\(...\)",
    ),
    (("with repeat('a', max=0):", "    pass"), "TR212", 1, "max=0"),
    (
        ("with parallel('a'):", "    with branch('b', after=['c']):", "        pass"),
        "TR205",
        2,
        "names no branch above: c",
    ),
    (
        ("with when('a', order.amount > 1):", "    with on('b', Paid, 'x'):", "        pass"),
        "TR123",
        2,
        "stands in when, which is no scope",
    ),
    (("with on_failure('busines:*'):", "    pass"), "TR124", 1, "no class of failures"),
    (
        ("a = check(order)", "with refused(a, 'sold'):", "    pass"),
        "TR205",
        2,
        "does not refuse 'sold'",
    ),
    (("with refused(order, 'sold-out'):", "    pass"), "TR124", 1, "`input` is the value of none"),
    (
        ("with approve('a', level=A1, within='1d', evidence=[order]):", "    pay(order)"),
        "TR124",
        1,
        "evidence= names nodes",
    ),
    (("with parallel('a'):", "    out(1)"), "TR123", 2, "parallel has no out"),
    (("cel('', bool)",), "TR124", 1, "text of an expression"),
    (("flow(order)",), "TR123", 1, "saga s is called"),
    (("order.amount",), "TR120", 1, "does nothing"),
]


@pytest.mark.parametrize(
    ("lines", "code", "line", "words"), FLOWS, ids=[f"{c} {lines[-1]}" for lines, c, _, _ in FLOWS]
)
def test_a_wrong_line_is_named(
    project: Path, lines: tuple[str, ...], code: str, line: int, words: str
) -> None:
    error = said(project, in_flow(*lines))
    assert (error.code, error.line) == (code, LINES_BEFORE + 2 + line), str(error)
    assert error.file == str(project / "shopping.py")
    assert re.search(words, str(error), re.DOTALL), str(error)


NOTHING = '@shop.effect("a", A0, R0, S0)\ndef a(fx: Effect) -> None: ...\n'
MODULES: list[tuple[str, str, str]] = [
    ('@event("x", version=1, key="nr")\nclass X(BaseModel): number: str', "TR110", "no field `nr`"),
    (
        '@event("x", version=1, key="a")\nclass X(BaseModel): a: list[str]',
        "TR110",
        r"is list\[str\]",
    ),
    (
        '@saga("s", version=1, starts_on=Order)\ndef s(x: Order): ...',
        "TR111",
        "does not say what it gives",
    ),
    (
        '@saga("s", version=1, starts_on=Order)\ndef s(x: Order, y: int) -> None: ...',
        "TR111",
        "takes one parameter",
    ),
    ('shop.step("a")(len)', "TR111", "is not a handler"),
    ('@event("X", version=1, key="a")\nclass X(BaseModel): a: str', "TR122", "'X'"),
    ('@event("x", version=0, key="a")\nclass X(BaseModel): a: str', "TR122", "is 0"),
    ('p = Participant("Shop")', "TR122", "'Shop'"),
    ('@shop.step("a")\ndef a(order) -> None: ...', "TR111", "`order` has no type"),
    ('@shop.step("a")\ndef a(order: Order): ...', "TR111", "-> Type"),
    ('@shop.step("a")\ndef a(*orders: Order) -> None: ...', "TR111", "plain parameter"),
    ('@shop.step("a")\ndef a(order: "Ordr") -> None: ...', "TR111", "'Ordr'"),
    ('@shop.step("check")\ndef a(order: Order) -> None: ...', "TR204", "shop/check@1"),
    ('@shop.step("a", timeout="soon")\ndef a() -> None: ...', "TR124", "'soon'"),
    ('@shop.effect("a", A0, R0, S0)\ndef a(o: Order) -> None: ...', "TR111", "not an Effect"),
    ('@shop.effect("a", A0, R2, S0)\ndef a(fx: Effect) -> None: ...', "TR218", "`a` is R2"),
    ("@check.undo\ndef a(fx: Effect, o: Order) -> None: ...", "TR111", "touches nothing outside"),
    ("@pay.undo\ndef a(fx: Effect) -> None: ...", "TR111", "takes no result"),
    (
        "@pay.undo\ndef a(fx: Effect, r: str, order: Order, x: int) -> None: ...",
        "TR111",
        "`x`, which is no argument of the step",
    ),
    ("@pay.probe\ndef a(fx: Effect, o: Order) -> str | None: ...", "TR111", r"\(fx, order\)"),
    (NOTHING + "@a.probe\ndef b(fx: Effect) -> None: ...", "TR111", "-> bool"),
    (
        '@saga("s", version=1, starts_on=BaseModel)\ndef s(x: BaseModel) -> None: ...',
        "TR110",
        "needs a key",
    ),
    ('check(Order(number="a"))', "TR123", r"outside a flow.*handler\(...\)"),
    ('when("a", True)', "TR123", "outside a flow"),
]


@pytest.mark.parametrize(
    ("text", "code", "words"), MODULES, ids=[f"{c} {t}" for t, c, _ in MODULES]
)
def test_a_wrong_declaration_is_named_at_import(
    project: Path, text: str, code: str, words: str
) -> None:
    error = said(project, text + "\n" + in_flow("pass"))
    assert error.code == code, str(error)
    assert error.file == str(project / "shopping.py")
    assert LINES_BEFORE < (error.line or 0) <= LINES_BEFORE + 3, str(error)
    assert re.search(words, str(error), re.DOTALL), str(error)


def test_an_error_reads_as_a_screen(project: Path) -> None:
    error = said(project, in_flow("if order.amount > 60:", "    check(order)"))
    line = LINES_BEFORE + 3
    assert str(error) == "\n".join(
        [
            "error TR120: a choice in Python cannot be data of a saga",
            f"  shopping.py:{line}:5   s v1   | if order.amount > 60:",
            '  write  with when("NAME", a > b): and otherwise("NAME")',
        ]
    )


def test_columns_count_from_the_left_edge_of_the_file(project: Path) -> None:
    text = in_flow("with scope('a'):", "    x = order.note is None")
    error = said(project, text)
    assert (error.line, error.column) == (LINES_BEFORE + 4, 13)


def test_a_value_of_another_flow_is_refused(project: Path) -> None:
    text = "\n".join(
        [
            "kept = []",
            '@saga("first", version=1, starts_on=Order)',
            "def first(order: Order) -> None:",
            "    kept.append(check(order))",
            "first.document()",
            in_flow("pay(kept[0])"),
        ]
    )
    error = said(project, text)
    assert error.code == "TR206"
    assert "`results.check` is a value of another flow" in str(error)


def test_a_field_that_is_read_and_written_under_two_names_is_refused(project: Path) -> None:
    text = (
        '@event("x", version=1, key="a")\nclass X(BaseModel):\n'
        '    a: str = Field(validation_alias="b", serialization_alias="c")\n'
    )
    (project / "shopping.py").write_text(HEAD + text, "utf-8")
    with pytest.raises(TrothError, match="one alias"):
        load_app("shopping:app")


def test_an_application_is_found_by_name_and_in_pyproject(project: Path) -> None:
    (project / "shopping.py").write_text(HEAD + "app = App(participants=[shop])\n", "utf-8")
    (project / "deep").mkdir()
    assert isinstance(load_app("shopping:app"), App)
    assert load_app(None, project / "deep") is load_app("shopping:app")


TARGETS: list[tuple[str, str]] = [
    ("shopping", "names no application"),
    ("shoping:app", "no module `shoping`"),
    ("shopping:ap", "has no `ap`"),
    ("shopping:shop", "is no App but a Participant"),
]


@pytest.mark.parametrize(("target", "words"), TARGETS)
def test_a_target_that_is_no_application_is_named(project: Path, target: str, words: str) -> None:
    (project / "shopping.py").write_text(HEAD + "app = App(participants=[shop])\n", "utf-8")
    with pytest.raises(TrothError, match=words) as raised:
        load_app(target)
    assert raised.value.code == "TR125"


def test_a_project_without_an_application_says_where_to_name_it(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\n", "utf-8")
    with pytest.raises(TrothError, match=r"write  \[tool.troth\] app"):
        load_app(None, tmp_path)


def test_a_module_that_its_own_import_misses_is_not_called_missing_itself(project: Path) -> None:
    (project / "shopping.py").write_text("import nowhere_at_all\n", "utf-8")
    with pytest.raises(ModuleNotFoundError, match="nowhere_at_all"):
        load_app("shopping:app")


def test_names_given_twice_to_an_app_are_refused(project: Path) -> None:
    (project / "shopping.py").write_text(HEAD + "app = App(participants=[shop, shop])\n", "utf-8")
    with pytest.raises(TrothError, match="participant shop is given twice"):
        load_app("shopping:app")

"""Faults: all of them, in document order, each with its code, node, line and advice."""

from sagas.checks import Fault, check
from sagas.checks.report import FAULTS_MAX
from tests.unit.checks.documents import approve, of, sleep, step


def test_all_faults_are_told_in_the_order_of_the_document() -> None:
    """Not only the first: an author mends a definition in one go."""
    document = of(
        step("first", args={"company": "input.compny"}),
        step("second", "bank/pay@1"),
        {"node": "wait_for", "name": "third", "events": ["no.such"], "key": "1"},
        step("first"),
    )
    assert [(fault.alias, fault.node) for fault in check(document)] == [
        ("def.expr", "first"),
        ("def.no_approval", "second"),
        ("def.event", "third"),
        ("def.endless", "third"),
        ("def.name_taken", "first"),
    ]


def test_a_fault_of_the_form_ends_the_checks() -> None:
    """The other rules would only repeat it in other words."""
    document = of({"node": "sleep", "name": "pause"}, step("pay", "bank/pay@1"))
    assert {fault.alias for fault in check(document)} == {"def.shape"}


def test_a_fault_names_the_file_and_the_line_of_its_node() -> None:
    source = {"file": "partner.py", "lines": {"manager": 38, "manager/pay": 39}}
    inner = approve("manager", "A1", step("pay", "bank/pay@1", unknown="retry"))
    (fault,) = check(of(inner, source=source))
    assert (fault.file, fault.line) == ("partner.py", 39)


def test_a_node_without_a_line_has_that_of_the_part_around_it() -> None:
    source = {"file": "partner.py", "lines": {"manager": 38}}
    inner = approve("manager", "A1", step("pay", "bank/pay@1", unknown="retry"))
    (fault,) = check(of(inner, source=source))
    assert fault.line == 38


def test_a_fault_as_json_has_the_number_as_its_code() -> None:
    (fault,) = check(of(step("pay", "bank/pay@1")))
    assert isinstance(fault, Fault)
    assert fault.as_json() == {
        "code": "TR201",
        "alias": "def.no_approval",
        "node": "pay",
        "message": "A1 R2 step pay is reached without a decision",
        "do": 'put the step inside: with approve("NAME", level=A1, evidence=[...], within="3d"):',
        "line": None,
        "file": None,
    }


def test_what_is_told_has_a_bound() -> None:
    document = of(*(sleep(f"n{i}") | {"when": "input.compny"} for i in range(FAULTS_MAX + 1)))
    assert len(check(document)) == FAULTS_MAX

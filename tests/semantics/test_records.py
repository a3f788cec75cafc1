"""The records of the stories: each story has one, and none is of a story that is gone."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from domain.messages import Wake
from tests.semantics import recorded

MODULES = sorted(path.stem for path in Path(__file__).parent.glob("test_*.py"))
# They decide nothing: they look at a definition, or at the records.
SILENT = frozenset({"test_records"})
SILENT_TESTS = frozenset({
    "test_a_lock_of_another_tenant_is_another_lock",
    "test_the_plan_of_undoing_names_its_steps_in_their_order",
})  # fmt: skip


def names_of(module: str) -> set[str]:
    """The names of the stories of a module, without their parameters."""
    tree = ast.parse((Path(__file__).parent / f"{module}.py").read_text("utf-8"))
    return {
        node.name for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
        and node.name not in SILENT_TESTS
    }  # fmt: skip


@pytest.mark.parametrize("module", [m for m in MODULES if m not in SILENT])
def test_every_story_has_its_record(module: str) -> None:
    """Else: python -m tests.semantics tests/semantics/<module>.py"""
    records = recorded.read(module)
    assert {name.partition("[")[0].rpartition("::")[2] for name in records} == names_of(module)
    assert all(records.values())


STORY = "test_it_completes_at_once_when_its_condition_holds_already"


def test_a_story_that_decides_otherwise_fails() -> None:
    """Be it a field, the answer, or the state alone."""
    wanted = recorded.read("test_await")[STORY]
    for at in range(len(wanted)):
        story = recorded.compare("test_await", STORY)
        lines = next(story)
        lines += [line + "x" if n == at else line for n, line in enumerate(wanted)]
        with pytest.raises(pytest.fail.Exception, match="not what is recorded"):
            next(story)


def test_a_member_of_the_state_that_comes_later_is_no_difference_while_it_says_nothing() -> None:
    story = recorded.compare("test_await", STORY)
    lines = next(story)
    now = {"nodes": {"a": {"kind": "step", "guards": []}}, "new": {}}
    recorded.note(Wake(1), [], None, {"nodes": {"a": {"kind": "step"}}}, now)
    assert lines == ['> wake {"due_us":1}']
    story.close()

"""A plugin of pytest for `make coverage`: a test that recurses too deep must not end the tracing.

Python takes the trace function away when it cannot be called, at the bound of recursion; every
later test of that process would count as if it had run nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

_FIRST: list[Any] = [sys.gettrace()]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol() -> Iterator[Any]:
    """Give the trace function back before each test."""
    if _FIRST[0] is not None and sys.gettrace() is None:
        sys.settrace(_FIRST[0])
    return (yield)

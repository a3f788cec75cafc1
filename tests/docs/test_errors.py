"""docs/errors.md is made from the table of codes, and nobody forgot to make it anew."""

import re

from domain.errors import CODES
from tools.errors_doc import PAGE, text


def test_the_page_is_current() -> None:
    """Else: `python -m tools.errors_doc`."""
    assert PAGE.read_text("utf-8") == text()


def test_every_code_has_its_anchor() -> None:
    """Messages point at docs/errors.md#TR201."""
    anchors = re.findall(r'<a id="(TR\d+)"></a>', PAGE.read_text("utf-8"))
    assert sorted(anchors) == sorted({code.number for code in CODES.values()})

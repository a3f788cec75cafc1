"""docs/guarantees.md promises nothing that no test shows."""

import re

from tests import tidy

PAGE = "docs/guarantees.md"
PROMISES = 14


def sections() -> list[str]:
    text = (tidy.ROOT / PAGE).read_text("utf-8")
    return re.split(r"^## ", text, flags=re.MULTILINE)[1:]


def test_every_promise_says_how_it_is_kept_and_what_shows_it() -> None:
    promises = [one for one in sections() if one[0].isdecimal()]
    assert [int(one.partition(".")[0]) for one in promises] == list(range(1, PROMISES + 1))
    for promise in promises:
        assert "- **Shown by**: " in promise, promise.splitlines()[0]
        assert re.search(r"`tests/[\w/]+\.py::\w+`", promise), promise.splitlines()[0]


def test_what_is_not_promised_is_said() -> None:
    (last,) = [one for one in sections() if one.startswith("Not promised")]
    assert last.count("\n- **") >= 3


def test_every_test_exists() -> None:
    named = set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (tidy.ROOT / PAGE).read_text("utf-8")))
    missing = [
        (path, test)
        for path, test in sorted(named)
        if f"def {test}(" not in (tidy.ROOT / path).read_text("utf-8")
    ]
    assert missing == []

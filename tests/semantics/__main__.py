"""`python -m tests.semantics [PATH...]` records the stories of these modules anew, or of all."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.semantics.recorded import Recorder


def main(paths: list[str]) -> int:
    """Run the modules and write what their stories decide; 0 if every test passed."""
    recorder = Recorder()
    quiet = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:randomly"]
    code = int(pytest.main([*quiet, *(paths or [str(Path(__file__).parent)])], plugins=[recorder]))
    recorder.write()
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

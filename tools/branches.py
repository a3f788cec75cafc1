"""`python -m tools.branches` holds the share of branches that the last run with coverage took.

Branches alone, not the mean of lines and branches that a report of coverage ends with: that one
is kind to long functions without a choice in them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BRANCHES_MIN_PERCENT = 95.0


def main() -> int:
    """Print the share of each package; fail where that of both together is too low."""
    made = subprocess.run(
        [sys.executable, "-m", "coverage", "json", "-q", "-o", "-"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    taken: dict[str, int] = {}
    of: dict[str, int] = {}
    for path, file in json.loads(made.stdout)["files"].items():
        package = Path(path).parts[0]
        taken[package] = taken.get(package, 0) + file["summary"]["covered_branches"]
        of[package] = of.get(package, 0) + file["summary"]["num_branches"]
    for package in sorted(of):
        print(f"{package:8} {taken[package]:5} of {of[package]:5} branches, "
              f"{100 * taken[package] / of[package]:.1f} %")  # fmt: skip
    percent = 100 * sum(taken.values()) / max(1, sum(of.values()))
    print(f"together {percent:.1f} %, at least {BRANCHES_MIN_PERCENT} % is held")
    return 0 if percent >= BRANCHES_MIN_PERCENT else 1


if __name__ == "__main__":
    sys.exit(main())

"""What every tier shares: no settings of the machine leak in, no deadline depends on its load."""

import os
import signal

import pytest
from hypothesis import settings

pytest_plugins = ["tests.servers"]

# A time limit for each example would fail on a busy machine; pytest's timeout bounds the whole.
settings.register_profile("troth", deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "troth"))

# A shell starts what it puts into the background with Ctrl+C ignored, and every child inherits
# that: what a test starts and interrupts would not hear of it.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's TROTH_URL or TROTH_STORE_URL must not steer a test."""
    for name in list(os.environ):
        if name.startswith("TROTH_"):
            monkeypatch.delenv(name)

"""Every pattern in one application: `troth check examples.patterns.all:app`."""

from __future__ import annotations

import importlib
import pkgutil

import examples.patterns as folder
from troth import App

__all__ = ["EXAMPLES", "app"]

EXAMPLES: dict[str, App] = {
    module.name: importlib.import_module(f"{folder.__name__}.{module.name}").app
    for module in pkgutil.iter_modules(folder.__path__)
    if module.name[0].isdigit()
}
"""Each example's own application, by the name of its module."""

app = App(
    sagas=[saga for one in EXAMPLES.values() for saga in one.sagas],
    participants=[participant for one in EXAMPLES.values() for participant in one.participants],
)

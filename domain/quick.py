"""Constructors of frozen dataclasses, made once for each class to cost less than half.

A frozen dataclass sets each field by `object.__setattr__`, which looks its name up every time. Some
hundred records and events are made for one commitment, so that was a tenth of the engine's work.
"""

from __future__ import annotations

from dataclasses import fields
from functools import update_wrapper
from inspect import signature
from typing import Any, TypeVar

__all__ = ["quick"]

Class = TypeVar("Class", bound=type[Any])


def quick(cls: Class) -> Class:
    """Give a frozen dataclass, slotted or not, a constructor that does the same in less time.

    Put it above `@dataclass`. Raises TypeError for one with fields that are no plain arguments.
    """
    names = [field.name for field in fields(cls)]
    given = signature(cls.__init__).parameters
    if list(given) != ["self", *names]:
        raise TypeError(f"{cls.__name__} is more than its fields")
    slotted = "__slots__" in vars(cls)
    scope: dict[str, Any] = {}
    lines = [f"def __init__(self, {', '.join(names)}):"]
    for field in fields(cls):
        name = field.name
        if callable(field.default_factory):
            scope[f"make_{name}"] = field.default_factory
            scope[f"none_{name}"] = given[name].default
            lines.append(f"    if {name} is none_{name}: {name} = make_{name}()")
    for name in names if slotted else ():
        scope[f"set_{name}"] = getattr(cls, name).__set__
        lines.append(f"    set_{name}(self, {name})")
    if not slotted:
        # It has a dict, and nothing but `__setattr__` is in the way.
        lines.append(f"    self.__dict__.update({', '.join(f'{name}={name}' for name in names)})")
    if hasattr(cls, "__post_init__"):
        lines.append("    self.__post_init__()")
    # As dataclasses does it: nothing but names of fields of our own classes is in the text.
    exec("\n".join(lines), scope)  # noqa: S102 - as above
    slow: Any = cls.__init__
    made: Any = scope["__init__"]
    made.__defaults__ = slow.__defaults__
    update_wrapper(made, slow)
    cls.__init__ = made
    return cls

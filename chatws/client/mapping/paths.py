"""Paths of values in the arguments of a received event or ack: ``field.field`` or ``@N.field``."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

ABSENT: Final = object()
"""Result of a path that leads nowhere."""

PathReader = Callable[[Sequence[object]], object]

SYNTAX: Final = "field.field, or @N.field for a field of argument N, counted from 0"
_PATH: Final = re.compile(r"(?:@(?P<argument>\d{1,2})(?:\.|\Z))?(?P<fields>[^.{}@][^.{}]*(?:\.[^.{}]+)*)?")


class PathSyntaxError(ValueError):
    """Text that is not a path."""


def compile_path(text: str) -> PathReader:
    """Return a function that reads the value at a path, or `ABSENT`; an empty path leads nowhere.

    Raises:
        PathSyntaxError: the text is not a path.
    """
    if not text:
        return _read_nothing
    found = _PATH.fullmatch(text)
    if found is None or text.endswith("."):
        raise PathSyntaxError(f"{text!r} is not a path; write {SYNTAX}")
    argument = int(found["argument"] or 0)
    steps = found["fields"].split(".") if found["fields"] else []

    def read(args: Sequence[object]) -> object:
        value: object = args[argument] if argument < len(args) else ABSENT
        for step in steps:
            value = _step(value, step)
        return value

    return read


def _read_nothing(args: Sequence[object]) -> object:
    del args
    return ABSENT


def _step(value: object, step: str) -> object:
    if isinstance(value, dict):
        return value.get(step, ABSENT)
    if isinstance(value, list) and step.isdecimal() and int(step) < len(value):
        return value[int(step)]
    return ABSENT

"""Patterns of payloads: exact values, ``any``, ``none``, ``/regular expressions/`` and ``$names``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from chatws_loadtest.scenario_file.errors import InvalidNode
from chatws_loadtest.scenario_file.yaml_tree import Tree

ANY: Final = "any"
NONE: Final = "none"
IS: Final = "is"
"""Key of a value that is compared literally, for texts that would be a pattern."""

REFERENCE: Final = re.compile(r"\$([A-Za-z_][\w-]*(?:\.\d+)?)(\.conversation)?")
_MISSING: Final = object()

Resolve = Callable[[str], frozenset[str]]
"""Returns the values that a ``$name`` stands for: one, or those of all members of a group."""


@dataclass(frozen=True, slots=True)
class EventPattern:
    """Event that is expected: its name and the pattern of its payload."""

    name: str
    payload: object
    text: str
    """As written in the file."""


def numbered(pattern: object, number: int) -> object:
    """Replace ``{n}`` in every text of a pattern."""
    if isinstance(pattern, str):
        return pattern.replace("{n}", str(number))
    if isinstance(pattern, Mapping):
        return {key: numbered(value, number) for key, value in pattern.items()}
    if isinstance(pattern, list):
        return [numbered(value, number) for value in pattern]
    return pattern


def check_pattern(tree: Tree, names: frozenset[str]) -> None:
    """Check regular expressions and ``$names``.

    Raises:
        InvalidNode: one of them is invalid.
    """
    if (fields := tree.mapping) is not None:
        if set(fields) == {IS}:
            return
        for below in fields.values():
            check_pattern(below, names)
    elif (items := tree.items) is not None:
        for below in items:
            check_pattern(below, names)
    elif isinstance(tree.value, str):
        _check_text(tree.value, tree, names)


def mismatch(pattern: object, value: object, resolve: Resolve, path: str = "") -> str | None:
    """Return why a value does not match a pattern, in words; None if it matches."""
    if isinstance(pattern, Mapping):
        return _mapping_mismatch(pattern, value, resolve, path)
    if isinstance(pattern, str):
        return _text_mismatch(pattern, value, resolve, path)
    if isinstance(pattern, Sequence):
        return _list_mismatch(pattern, value, resolve, path)
    return None if _equal(pattern, value) else _differs(path, value, show(pattern))


def substitute(value: object, resolve: Resolve) -> object:
    """Replace each ``$name`` in a payload to send."""
    if isinstance(value, Mapping):
        if set(value) == {IS}:
            return value[IS]
        return {key: substitute(below, resolve) for key, below in value.items()}
    if isinstance(value, list):
        return [substitute(below, resolve) for below in value]
    if isinstance(value, str) and REFERENCE.fullmatch(value):
        return min(resolve(value))
    return value


def show(value: object) -> str:
    """Format a value as compact JSON."""
    return "missing" if value is _MISSING else msgspec.json.encode(value).decode()


def _check_text(text: str, tree: Tree, names: frozenset[str]) -> None:
    if (expression := _expression(text)) is not None:
        try:
            re.compile(expression)
        except re.error as problem:
            raise InvalidNode(tree.at, f"{text} is not a regular expression: {problem}") from problem
    elif text.startswith("$"):
        found = REFERENCE.fullmatch(text)
        if found is None or found[1] not in names:
            raise InvalidNode(tree.at, f"there is no person {text.removeprefix('$')!r} for {text}")


def _mapping_mismatch(pattern: Mapping[str, object], value: object, resolve: Resolve, path: str) -> str | None:
    if set(pattern) == {IS}:
        return None if _equal(pattern[IS], value) else _differs(path, value, show(pattern[IS]))
    if not isinstance(value, Mapping):
        return _differs(path, value, "an object")
    for key, below in pattern.items():
        found = mismatch(below, value.get(key, _MISSING), resolve, f"{path}.{key}" if path else key)
        if found is not None:
            return found
    return None


def _list_mismatch(pattern: Sequence[object], value: object, resolve: Resolve, path: str) -> str | None:
    if not isinstance(value, list) or len(value) != len(pattern):
        return _differs(path, value, f"a list of {len(pattern)}")
    for index, (below, item) in enumerate(zip(pattern, value, strict=True)):
        found = mismatch(below, item, resolve, f"{path}[{index}]")
        if found is not None:
            return found
    return None


def _text_mismatch(pattern: str, value: object, resolve: Resolve, path: str) -> str | None:
    if pattern == ANY:
        return f"{path or 'the payload'} is missing" if value is _MISSING else None
    if pattern == NONE:
        return None if value is _MISSING else _differs(path, value, "absent")
    if (expression := _expression(pattern)) is not None:
        matches = isinstance(value, str) and re.search(expression, value) is not None
        return None if matches else _differs(path, value, f"one that matches {pattern}")
    if REFERENCE.fullmatch(pattern):
        expected = resolve(pattern)
        if value in expected:
            return None
        return _differs(
            path, value, f"{pattern} ({show(min(expected))})" if len(expected) == 1 else f"one of {pattern}"
        )
    return None if value == pattern else _differs(path, value, show(pattern))


def _expression(text: str) -> str | None:
    return text[1:-1] if len(text) > 2 and text[0] == text[-1] == "/" else None  # noqa: PLR2004 - two slashes


def _equal(pattern: object, value: object) -> bool:
    """Compare values; True is not 1."""
    return value == pattern and isinstance(value, bool) is isinstance(pattern, bool)


def _differs(path: str, value: object, expected: str) -> str:
    return f"{path or 'the payload'} is {show(value)}, not {expected}"

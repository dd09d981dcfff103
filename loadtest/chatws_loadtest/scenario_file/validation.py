"""Conversion of a located value to its struct, with errors in words and at the right place."""

from __future__ import annotations

import re
from typing import Final, TypeVar

import msgspec

from chatws_loadtest.scenario_file.errors import InvalidNode
from chatws_loadtest.scenario_file.yaml_tree import Tree

_AT: Final = re.compile(r" - at `(.*)`$")
_UNKNOWN: Final = re.compile(r"unknown field `(.*?)`")
_MISSING: Final = re.compile(r"missing required field `(.*?)`")
_TYPE: Final = re.compile(r"Expected `(.*?)`, got `(.*?)`")
_TIMES: Final = frozenset({"wait", "drop", "freeze", "kill", "within", "for"})
_SHARES: Final = frozenset({"$.typing", "$.read", "$.history"})
_WORDS: Final = {
    "str": "a text",
    "int": "a whole number",
    "object": "a mapping",
    "array": "a list",
    "null": "nothing",
    "float": "a number",
    "bool": "true or false",
}

T = TypeVar("T")


def convert(tree: Tree, kind: type[T], label: str, words: str = "") -> T:
    """Convert a value to a struct or another type.

    Raises:
        InvalidNode: it does not have that type; ``label`` begins the reason, ``words`` lists the allowed words.
    """
    try:
        return msgspec.convert(tree.plain, kind)
    except msgspec.ValidationError as problem:
        text = str(problem)
    path = _AT.search(text)
    at = tree if path is None else tree.find(path[1])
    reason = _AT.sub("", text)
    if unknown := _UNKNOWN.search(reason):
        place = at.keys.get(unknown[1], at.at)
        raise InvalidNode(place, f"{label}: there is no key {unknown[1]!r} here")
    if missing := _MISSING.search(reason):
        raise InvalidNode(at.at, f"{label}: the key {missing[1]!r} is missing")
    if label == "load" and path is not None and path[1] in _SHARES:
        raise InvalidNode(at.at, f"load: {at.text} is not a share; write for example 25%")
    if label == "load" and path is not None and path[1] == "$.think":
        raise InvalidNode(at.at, f"load: {at.text} is not a time; write for example 2s or 2s..8s")
    if label == "load" and path is not None and "$.length" in path[1]:
        raise InvalidNode(at.at, f"load: {at.text} is not a length of 1 to 4000; write 80, or {{40: 75%, 900: 25%}}")
    is_time = (label if path is None or path[1] == "$" else path[1].rpartition(".")[2]) in _TIMES
    raise InvalidNode(at.at, f"{label}: {_describe_time(at) if is_time else _in_words(reason, at, words)}")


def _describe_time(tree: Tree) -> str:
    return f"{tree.text or 'nothing'} is not a time; write for example 300ms, 2s or 1min"


def _in_words(reason: str, tree: Tree, words: str) -> str:
    if words and "enum value" in reason:
        return f"expected {words}, not {tree.text}"
    if "matching regex" in reason:
        return f"{tree.text} is not the name of an event"
    if found := _TYPE.search(reason):
        expected = " or ".join(_WORDS.get(part.strip(), part.strip()) for part in found[1].split("|"))
        return f"expected {expected}, not {tree.text or 'nothing'}{_quote_advice(found[1], tree)}"
    return f"{reason[0].lower()}{reason[1:]} ({tree.text})"


def _quote_advice(expected: str, tree: Tree) -> str:
    is_text_wanted = "str" in expected.replace(" ", "").split("|")
    return "; put it in quotes" if is_text_wanted and isinstance(tree.value, int | float) else ""

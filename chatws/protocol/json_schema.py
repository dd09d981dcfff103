"""JSON Schemas of the payload types, for the descriptions of events and routes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

Json = dict[str, Any]

REF = "#/components/schemas/{name}"
"""Reference to a schema in a description."""


def describe_types(types: Sequence[Any]) -> tuple[list[Json], dict[str, Json]]:
    r"""Return a schema for each type, and those that they refer to by name.

    Patterns are anchored as in JavaScript, whose regular expressions JSON Schema uses: it has no ``\A`` and ``\Z``. In
    Python, ``$`` would also match before a final line feed.
    """
    found, named = msgspec.json.schema_components(types, ref_template=REF)
    return [_anchor_patterns(schema) for schema in found], _anchor_patterns(named)


def _anchor_patterns(value: Any) -> Any:  # noqa: ANN401  any part of a schema
    if isinstance(value, list | tuple):
        return [_anchor_patterns(part) for part in value]
    if not isinstance(value, dict):
        return value
    anchored = {name: _anchor_patterns(part) for name, part in value.items()}
    if isinstance(pattern := anchored.get("pattern"), str):
        anchored["pattern"] = pattern.replace(r"\A", "^").replace(r"\Z", "$")
    return anchored

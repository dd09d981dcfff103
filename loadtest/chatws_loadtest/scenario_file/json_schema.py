"""JSON schema of scenario files, for editors that validate and complete YAML."""

from __future__ import annotations

from typing import Final

import msgspec

from chatws_loadtest.scenario_file import grammar
from chatws_loadtest.scenario_file.grammar import STEPS, ExpectNothingStep, KillStep, LoadSection, PersonKind

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, object]:
    """Return the schema."""
    kinds = [*STEPS.values(), ExpectNothingStep, KillStep]
    schemas, definitions = msgspec.json.schema_components(
        [PersonKind, grammar.Duration, LoadSection, *kinds], ref_template="#/$defs/{name}"
    )
    person, duration, load, *steps, kill = schemas
    words = [name for name, kind in STEPS.items() if _is_word(kind)]
    step = {
        "type": "object",
        "minProperties": 1,
        "maxProperties": 1,
        "properties": {grammar.WAIT: duration, grammar.SERVER: {"anyOf": [{"const": "kill"}, kill]}},
        "additionalProperties": {"anyOf": [{"enum": words}, *steps]},
    }
    return {
        "$schema": DIALECT,
        "title": "chatws scenario file",
        "type": "object",
        "required": ["people", "steps"],
        "additionalProperties": False,
        "properties": {
            "people": {"type": "object", "minProperties": 1, "additionalProperties": person},
            "steps": {"type": "array", "minItems": 1, "items": step},
            "load": load,
        },
        "$defs": definitions,
    }


def _is_word(kind: type[msgspec.Struct]) -> bool:
    """Return whether a step may be written as one word: its first own field takes nothing."""
    return any(field.type is type(None) or field.name == "join" for field in msgspec.structs.fields(kind))

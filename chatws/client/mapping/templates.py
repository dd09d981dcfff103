"""Templates of sent values: JSON in whose strings placeholders such as ``{content}`` are replaced.

A string that is one placeholder keeps the type of its value; ``{{`` and ``}}`` stand for braces.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Final

from chatws.client.mapping.paths import ABSENT

TemplateWriter = Callable[[Mapping[str, object]], object]

_PART: Final = re.compile(r"\{\{|\}\}|\{(\w*)\}|[{}]")
_MAX_DEPTH: Final = 20


class TemplateSyntaxError(ValueError):
    """Value that is not a template."""


def compile_template(template: object, allowed: Collection[str]) -> TemplateWriter:
    """Return a function that fills a template in; it leaves out fields whose placeholder has no value.

    Raises:
        TemplateSyntaxError: a placeholder is not in ``allowed``, braces are unbalanced, or a value has no JSON form.
    """
    return _compile(template, allowed, 0)


def placeholders(template: object) -> Iterator[str]:
    """Yield the names of the placeholders of a valid template."""
    match template:
        case str():
            yield from (found[1] for found in _PART.finditer(template) if found[1])
        case dict():
            for value in template.values():
                yield from placeholders(value)
        case list():
            for value in template:
                yield from placeholders(value)


def _compile(template: object, allowed: Collection[str], depth: int) -> TemplateWriter:
    if depth > _MAX_DEPTH:
        raise TemplateSyntaxError(f"nested more than {_MAX_DEPTH} levels deep")
    match template:
        case str():
            return _compile_text(template, allowed)
        case dict():
            return _compile_object({key: _compile(value, allowed, depth + 1) for key, value in template.items()})
        case list():
            return _compile_list([_compile(value, allowed, depth + 1) for value in template])
        case None | bool() | int():
            return _constant(template)
        case float() if math.isfinite(template):
            return _constant(template)
    raise TemplateSyntaxError(f"{template} cannot be sent as JSON; use text, numbers, true, false, lists and tables")


def _constant(value: object) -> TemplateWriter:
    return lambda _: value


def _compile_object(fields: Mapping[str, TemplateWriter]) -> TemplateWriter:
    def write(values: Mapping[str, object]) -> object:
        filled = {key: field(values) for key, field in fields.items()}
        return {key: value for key, value in filled.items() if value is not ABSENT}

    return write


def _compile_list(items: list[TemplateWriter]) -> TemplateWriter:
    def write(values: Mapping[str, object]) -> object:
        filled = [item(values) for item in items]
        return [None if value is ABSENT else value for value in filled]

    return write


def _compile_text(text: str, allowed: Collection[str]) -> TemplateWriter:
    parts = _split(text, allowed)
    match parts:
        case []:
            return _constant("")
        case [(False, constant)]:
            return _constant(constant)
        case [(True, name)]:
            return lambda values: values.get(name, ABSENT)

    def write(values: Mapping[str, object]) -> object:
        return "".join(str(values.get(part, "")) if is_placeholder else part for is_placeholder, part in parts)

    return write


def _split(text: str, allowed: Collection[str]) -> list[tuple[bool, str]]:
    """Split a text into constants (False) and names of placeholders (True)."""
    parts: list[tuple[bool, str]] = []
    end = 0
    for found in _PART.finditer(text):
        constant, end = text[end : found.start()], found.end()
        name = found[1]
        if name is None:
            if len(found[0]) == 1:
                raise TemplateSyntaxError(f"unbalanced brace in {text!r}; a brace itself is written twice")
            constant += found[0][0]
        elif name not in allowed:
            listed = ", ".join(f"{{{known}}}" for known in allowed)
            raise TemplateSyntaxError(f"unknown placeholder {{{name}}}; allowed: {listed}")
        if constant:
            parts.append((False, constant))
        if name is not None:
            parts.append((True, name))
    if text[end:]:
        parts.append((False, text[end:]))
    return _join_constants(parts)


def _join_constants(parts: list[tuple[bool, str]]) -> list[tuple[bool, str]]:
    joined: list[tuple[bool, str]] = []
    for is_placeholder, part in parts:
        if joined and not is_placeholder and not joined[-1][0]:
            joined[-1] = (False, joined[-1][1] + part)
        else:
            joined.append((is_placeholder, part))
    return joined

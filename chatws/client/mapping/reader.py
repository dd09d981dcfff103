"""Reader of mapping files in TOML, with errors that name the line, the key and the allowed values."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

import msgspec

from chatws.client.mapping.errors import MappingError
from chatws.client.mapping.model import MappingTable, ServerMapping
from chatws.client.mapping.validation import find_problem

MAX_FILE_BYTES: Final = 64 * 1024
"""A complete mapping has 3 KB."""

_TOML_PLACE: Final = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)")
_MSGSPEC_PLACE: Final = re.compile(r" - at `(?:key in )?\$?\.?(.*?)`")
_KEY_IN_TEXT: Final = re.compile(r"(unknown|missing required) field `(\w+)`")
_WORDS: Final = {
    "Expected": "expected",
    "Invalid enum value": "unknown value",
    "str": "text",
    "int": "a number",
    "float": "a fraction",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
}
"""Words of TOML for those of msgspec."""
_WORD: Final = re.compile(rf"\b(?:{'|'.join(_WORDS)})\b(?![^']*'$)")
_HEADER: Final = re.compile(r"\s*\[\s*([\w.\s]+?)\s*\]")
_ASSIGNMENT: Final = re.compile(r"\s*([\w.]+)\s*=")


def read_mapping(path: Path) -> ServerMapping:
    """Read and check a mapping file.

    Raises:
        MappingError: it cannot be read, is not TOML, or does not describe a server.
    """
    text = _read_text(path)
    try:
        fields = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        place = _TOML_PLACE.search(str(problem))
        line = int(place[1]) if place is not None and place[1] else None
        raise MappingError(path, f"not TOML: {_TOML_PLACE.sub('', str(problem))}", line=line) from problem
    except RecursionError as problem:
        raise MappingError(path, "not a mapping file: nested too deeply") from problem
    try:
        mapping = msgspec.convert(fields, ServerMapping)
    except (msgspec.ValidationError, RecursionError) as problem:
        key, described = _describe(str(problem))
        raise MappingError(path, described, key=key, line=_find_line(text, key)) from problem
    found = find_problem(mapping)
    if found is not None:
        key, described = found
        raise MappingError(path, described, key=key, line=_find_line(text, key))
    return mapping


def mapping_schema() -> dict[str, Any]:
    """Return the JSON schema of mapping files."""
    return msgspec.json.schema(ServerMapping)


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise MappingError(path, f"not a mapping file: larger than {MAX_FILE_BYTES // 1024} KiB")
        return content.decode()
    except OSError as problem:
        raise MappingError(path, problem.strerror or str(problem)) from problem
    except UnicodeDecodeError as problem:
        raise MappingError(path, "not a mapping file: not UTF-8 text") from problem


def _describe(text: str) -> tuple[str, str]:
    """Turn msgspec's message into the dotted key and a sentence."""
    place = _MSGSPEC_PLACE.search(text)
    key = "" if place is None else re.sub(r"\[.*", "", place[1])
    found = _KEY_IN_TEXT.search(text)
    if found is None:
        allowed = _allowed_values(key)
        problem = (
            _WORD.sub(lambda found: _WORDS[found[0]], _MSGSPEC_PLACE.sub("", text))
            .replace("`", "")
            .replace(" | ", " or ")
        )
        return key, f"{problem}; allowed: {', '.join(allowed)}" if allowed else problem
    full = f"{key}.{found[2]}".removeprefix(".")
    if found[1] == "unknown":
        return full, f"unknown key; allowed: {', '.join(_keys_of(key))}"
    return full, "it is missing"


def _type_of(key: str) -> object:
    """Return the type of the value at a dotted key, without annotations and None."""
    found: object = ServerMapping
    for name in filter(None, key.split(".")):
        if not (isinstance(found, type) and issubclass(found, MappingTable)):
            return None
        found = get_type_hints(found).get(name)
        tables = [option for option in get_args(found) if isinstance(option, type) and issubclass(option, MappingTable)]
        found = tables[0] if tables else found
    return found


def _keys_of(key: str) -> tuple[str, ...]:
    table = _type_of(key)
    return table.__struct_fields__ if isinstance(table, type) and issubclass(table, MappingTable) else ()


def _allowed_values(key: str) -> tuple[str, ...]:
    found = _type_of(key)
    return tuple(map(str, get_args(found))) if get_origin(found) is Literal else ()


def _find_line(text: str, key: str) -> int | None:
    """Return the line of a key, or of the table nearest to it; None if neither is in the file."""
    best: tuple[int, int] | None = None
    table = ""
    for number, line in enumerate(text.splitlines(), start=1):
        header, assignment = _HEADER.match(line), _ASSIGNMENT.match(line)
        if header is not None:
            table = re.sub(r"\s", "", header[1])
            name = table
        elif assignment is not None:
            name = f"{table}.{assignment[1]}".removeprefix(".")
        else:
            continue
        if f"{key}.".startswith(f"{name}.") and (best is None or len(name) > best[0]):
            best = len(name), number
    return None if best is None else best[1]

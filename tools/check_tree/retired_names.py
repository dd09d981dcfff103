"""Names that the project no longer uses, read from ``retired_names.toml``, and the places that still use them."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tools.check_tree.source_tree import SOURCE_ROOTS, Violation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tools.check_tree.source_tree import PythonModule, SourceTree

TABLE = Path(__file__).with_suffix(".toml")

UNCHECKED = ("tools/check_tree/", "tests/tools/test_check_tree.py")
"""The table and the tests have to spell the old names."""

_PATH = re.compile(r"(?<![\w./-])(?:\w+[./])+\w+")
_QUOTED = re.compile(r"`(\w+)\b")


class RetiredNames(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sections of ``retired_names.toml``, described there; each maps an old name to its successor."""

    modules: dict[str, str] = {}
    identifiers: dict[str, str] = {}
    words: dict[str, str] = {}
    definitions: dict[str, dict[str, str]] = {}


def load_retired_names() -> RetiredNames:
    """Read the table.

    Raises:
        msgspec.ValidationError: it has an unknown section or a value of the wrong type.
    """
    return msgspec.convert(tomllib.loads(TABLE.read_text(encoding="utf-8")), RetiredNames)


def find_retired_names(tree: SourceTree, retired: RetiredNames) -> Iterator[Violation]:
    """Find modules with a retired path, mentions of one, and retired identifiers in code and in backticks."""
    mentioned = _without_packages(retired.modules)
    for path, text in tree.texts.items():
        if not path.startswith(UNCHECKED):
            yield from _check_path(path, retired.words)
            yield from _check_text(path, text, mentioned, retired.identifiers)
    for module in tree.modules.values():
        if not module.path.startswith(UNCHECKED):
            yield from _check_module(module, retired.modules)
            yield from _check_identifiers(module, retired)
            yield from _check_definitions(module, retired.definitions.get(module.name, {}))


def _check_path(path: str, words: Mapping[str, str]) -> Iterator[Violation]:
    for word in re.split(r"[\W_]+", path):
        if word in words:
            yield Violation(path, 1, f"{word!r} in a path; use {words[word]}")


def _check_text(path: str, text: str, modules: Mapping[str, str], names: Mapping[str, str]) -> Iterator[Violation]:
    found = [(match.start(), old) for match in _PATH.finditer(text) if (old := _retired_part(match[0], modules))]
    found += [(match.start(), match[1]) for match in _QUOTED.finditer(text) if match[1] in names]
    for start, old in found:
        line = text.count("\n", 0, start) + 1
        yield Violation(path, line, f"{old} is a retired name; use {modules.get(old) or names[old]}")


def _check_module(module: PythonModule, modules: Mapping[str, str]) -> Iterator[Violation]:
    # `a.b` that became `a.b.c` exists as a package.
    checked = _without_packages(modules) if module.is_package else modules
    old = module.name if module.name in checked else _retired_part(module.name, _without_packages(modules))
    if old:
        yield Violation(module.path, 1, f"module {old} is a retired name; use {modules[old]}")


def _check_identifiers(module: PythonModule, retired: RetiredNames) -> Iterator[Violation]:
    for name, line in module.names:
        if name in retired.identifiers:
            yield Violation(module.path, line, f"{name} is a retired name; use {retired.identifiers[name]}")
        elif not name.startswith("test_"):
            for word in retired.words.keys() & _words_of(name):
                yield Violation(module.path, line, f"{word!r} in {name}; use {retired.words[word]}")


def _check_definitions(module: PythonModule, names: Mapping[str, str]) -> Iterator[Violation]:
    for block in module.blocks:
        if not isinstance(block, ast.Module) and block.name in names:
            yield Violation(module.path, block.lineno, f"{block.name} is a retired name here; use {names[block.name]}")


def _without_packages(modules: Mapping[str, str]) -> dict[str, str]:
    """Leave out modules that became packages: their dotted names are still right."""
    return {old: new for old, new in modules.items() if not new.startswith(f"{old}.")}


def _retired_part(path: str, modules: Mapping[str, str]) -> str | None:
    """Return the retired module that a path or dotted name begins with."""
    for root in SOURCE_ROOTS:
        path = path.removeprefix(root)
    parts = path.removesuffix(".py").replace("/", ".").split(".")
    prefixes = (".".join(parts[:end]) for end in range(len(parts), 1, -1))
    return next((prefix for prefix in prefixes if prefix in modules), None)


def _words_of(identifier: str) -> set[str]:
    """Split snake_case and CamelCase into lower-case words."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", identifier)}

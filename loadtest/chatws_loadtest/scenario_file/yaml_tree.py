"""Reader of YAML that keeps the position of every value, with limits on size, depth and number of values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Final

import yaml

from chatws_loadtest.scenario_file.errors import InvalidNode, Position

MAX_BYTES: Final = 256 * 1024
MAX_VALUES: Final = 20_000
"""Values after the expansion of aliases, which multiply values."""

MAX_DEPTH: Final = 32

_INT: Final = re.compile(r"[-+]?[0-9]{1,100}")
"""Longer numbers remain texts: Python does not convert more than 4,300 digits."""

_FLOAT: Final = re.compile(r"[-+]?[0-9]+\.[0-9]+")
_WORDS: Final[dict[str, bool | None]] = {"true": True, "false": False, "null": None, "~": None, "": None}
_PATH_PART: Final = re.compile(r"\.(\w+)|\[(\d+)\]")

Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Tree:
    """Value with its position; ``text`` is its source."""

    value: Scalar | Sequence[Tree] | Mapping[str, Tree]
    at: Position
    text: str
    keys: Mapping[str, Position] = field(default_factory=dict)
    """Positions of a mapping's keys."""

    @property
    def mapping(self) -> Mapping[str, Tree] | None:
        """Fields of a mapping; None for any other value."""
        return self.value if isinstance(self.value, Mapping) else None

    @property
    def items(self) -> Sequence[Tree] | None:
        """Items of a list; None for any other value."""
        return self.value if isinstance(self.value, Sequence) and not isinstance(self.value, str) else None

    @property
    def plain(self) -> object:
        """The value without positions."""
        if (fields := self.mapping) is not None:
            return {name: tree.plain for name, tree in fields.items()}
        if (items := self.items) is not None:
            return [tree.plain for tree in items]
        return self.value

    def find(self, path: str) -> Tree:
        """Return the value at a path as msgspec writes it (``$.send[0]``), or the innermost value that exists."""
        tree = self
        for name, index in _PATH_PART.findall(path):
            below = (tree.mapping or {}).get(name) if name else (tree.items or [])[int(index)]
            if below is None:
                return tree
            tree = below
        return tree


def read_tree(source: bytes) -> Tree:
    """Read one YAML document.

    Only ``true``, ``false``, ``null``, ``~`` and decimal numbers are not strings: ``yes`` and ``12:30`` stay texts.

    Raises:
        InvalidNode: it is not YAML, exceeds a limit, or has a duplicate key.
    """
    if len(source) > MAX_BYTES:
        raise InvalidNode(Position(1, 1), f"the file has {len(source):,} bytes; at most {MAX_BYTES:,} are allowed")
    try:
        text = source.decode()
        _limit_depth(text)
        node = yaml.compose(text, yaml.SafeLoader)
    except UnicodeDecodeError as problem:
        raise InvalidNode(Position(1, 1), "the file is not UTF-8 text") from problem
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        at = Position(1, 1) if mark is None else Position(mark.line + 1, mark.column + 1)
        raise InvalidNode(at, f"not YAML: {problem.problem or problem.context}") from problem
    except yaml.YAMLError as problem:
        raise InvalidNode(Position(1, 1), f"not YAML: {' '.join(str(problem).split())}") from problem
    if node is None:
        raise InvalidNode(Position(1, 1), "the file is empty")
    return _convert(text, node, count(1), 0)


def _limit_depth(text: str) -> None:
    """Refuse deep nesting before the recursive composer sees it."""
    depth = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise InvalidNode(_position(event.start_mark), f"more than {MAX_DEPTH} levels of nesting")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _convert(text: str, node: yaml.Node, numbers: Iterator[int], depth: int) -> Tree:
    at = _position(node.start_mark)
    if next(numbers) > MAX_VALUES:
        raise InvalidNode(at, f"more than {MAX_VALUES:,} values, aliases included")
    if depth > MAX_DEPTH:
        raise InvalidNode(at, f"more than {MAX_DEPTH} levels of nesting")
    source = " ".join(text[node.start_mark.index : node.end_mark.index].split())
    if isinstance(node, yaml.SequenceNode):
        return Tree([_convert(text, item, numbers, depth + 1) for item in node.value], at, source)
    if isinstance(node, yaml.MappingNode):
        return _convert_mapping(text, node, numbers, depth)
    if node.style is not None:
        return Tree(node.value, at, source)
    return Tree(_resolve(node.value), at, source)


def _convert_mapping(text: str, node: yaml.MappingNode, numbers: Iterator[int], depth: int) -> Tree:
    fields: dict[str, Tree] = {}
    keys: dict[str, Position] = {}
    for key, value in node.value:
        at = _position(key.start_mark)
        if not isinstance(key, yaml.ScalarNode):
            raise InvalidNode(at, "a key must be a word")
        if key.value in fields:
            raise InvalidNode(at, f"the key {key.value!r} occurs twice")
        keys[key.value] = at
        fields[key.value] = _convert(text, value, numbers, depth + 1)
    source = " ".join(text[node.start_mark.index : node.end_mark.index].split())
    return Tree(fields, _position(node.start_mark), source, keys)


def _resolve(text: str) -> Scalar:
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def _position(mark: yaml.Mark) -> Position:
    return Position(mark.line + 1, mark.column + 1)

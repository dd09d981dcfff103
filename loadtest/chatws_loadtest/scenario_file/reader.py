"""Reader of scenario files: from YAML to a `Script`, with the line and column of every error."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from chatws.protocol.spec import EVENTS
from chatws_loadtest.scenario_file import grammar
from chatws_loadtest.scenario_file.errors import InvalidNode, ScenarioFileError
from chatws_loadtest.scenario_file.event_names import OWN_NAMES
from chatws_loadtest.scenario_file.grammar import (
    EVERYONE,
    NOTHING,
    RESERVED,
    SERVER,
    STEPS,
    WAIT,
    EmitStep,
    ExpectNothingStep,
    ExpectStep,
    JoinStep,
    KillStep,
    LoadSection,
    PersonStep,
    SendStep,
)
from chatws_loadtest.scenario_file.patterns import ANY, EventPattern, check_pattern, numbered
from chatws_loadtest.scenario_file.script import PersonSpec, Script, ScriptStep
from chatws_loadtest.scenario_file.validation import convert
from chatws_loadtest.scenario_file.yaml_tree import Tree, read_tree

MAX_PEOPLE: Final = 500
PERCENT: Final = 100
SECTIONS: Final = frozenset({"people", "steps", "load"})
KINDS: Final = "agent, customer, {agents: 20} or {customers: 20}"
_EVENT_NAME: Final = re.compile(grammar.EVENT_NAME)
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")

_WORDS: Final = " or ".join(grammar.PRESENCES)
"""Words of the only step that takes one of several."""

T = TypeVar("T")


def read_script(path: Path) -> Script:
    """Read a scenario file.

    Raises:
        ScenarioFileError: it cannot be read, or is invalid.
    """
    try:
        return parse_script(path.read_bytes())
    except OSError as problem:
        raise ScenarioFileError(path, problem.strerror or str(problem)) from problem
    except InvalidNode as problem:
        raise ScenarioFileError(path, problem.reason, problem.at) from problem


def parse_script(source: bytes) -> Script:
    """Parse the content of a scenario file.

    Raises:
        InvalidNode: it is invalid.
    """
    tree = read_tree(source)
    sections = tree.mapping
    if sections is None:
        raise InvalidNode(tree.at, "a scenario file has the sections `people` and `steps`")
    for name in sections:
        if name not in SECTIONS:
            raise InvalidNode(tree.keys[name], f"there is no section {name!r}; {suggest(name, SECTIONS)}")
    for name in ("people", "steps"):
        if name not in sections:
            raise InvalidNode(tree.at, f"the section `{name}` is missing")
    people, groups = _read_people(sections["people"])
    steps = _StepReader(people, groups).read(sections["steps"])
    load = _read_load(sections["load"]) if "load" in sections else LoadSection()
    return Script(people, groups, steps, load)


def suggest(name: str, known: Iterable[str]) -> str:
    """Return the end of an error line: the closest known name, or all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, 1, 0.7)
    return f"did you mean {close[0]!r}?" if close else f"there are {', '.join(names)}"


def _read_people(tree: Tree) -> tuple[dict[str, PersonSpec], dict[str, Sequence[str]]]:
    people: dict[str, PersonSpec] = {}
    groups: dict[str, Sequence[str]] = {}
    if not tree.mapping:
        raise InvalidNode(tree.at, "people: names and kinds are expected, for example `anna: agent`")
    for name, below in tree.mapping.items():
        if not _NAME.fullmatch(name):
            raise InvalidNode(tree.keys[name], f"{name!r} is not a name; use letters, digits, - and _")
        if name in RESERVED:
            raise InvalidNode(tree.keys[name], f"{name!r} is reserved and cannot be a person")
        kind: object = convert(below, grammar.PersonKind, f"people: {name}", KINDS)  # type: ignore[arg-type]
        if isinstance(kind, dict):
            [(kind, count)] = kind.items()
            groups[name] = [f"{name}.{number}" for number in range(1, count + 1)]
        is_agent = kind in {"agent", "agents"}
        people |= {member: PersonSpec(member, is_agent) for member in groups.get(name, [name])}
        if len(people) > MAX_PEOPLE:
            raise InvalidNode(tree.keys[name], f"more than {MAX_PEOPLE} people; a load profile simulates more")
    if all(person.is_agent for person in people.values()):
        raise InvalidNode(tree.at, "people: there must be a customer, because each conversation belongs to one")
    return people, groups


def _read_load(tree: Tree) -> LoadSection:
    load = convert(tree, LoadSection, "load")
    if isinstance(load.length, dict):
        total = sum(int(share.rstrip("%")) for share in load.length.values())
        if total != PERCENT:
            raise InvalidNode(tree.find("$.length").at, f"load: the shares of the lengths add up to {total}%, not 100%")
    if load.think is not None:
        low, high = grammar.bounds_s(load.think)
        if low > high:
            raise InvalidNode(tree.find("$.think").at, f"load: {load.think} ends before it begins")
    return load


class _StepReader:
    """Reader of the section ``steps``."""

    def __init__(self, people: Mapping[str, PersonSpec], groups: Mapping[str, Sequence[str]]) -> None:
        self._people = people
        self._groups = groups
        self._names = frozenset(people) | frozenset(groups)

    def read(self, tree: Tree) -> list[ScriptStep]:
        if not tree.items:
            raise InvalidNode(tree.at, "steps: a list is expected, for example `- ben: {send: Hello}`")
        return [self._read_step(number, item) for number, item in enumerate(tree.items, 1)]

    def _read_step(self, number: int, tree: Tree) -> ScriptStep:
        fields = tree.mapping
        if fields is None or len(fields) != 1:
            raise InvalidNode(tree.at, "a step is one name and what it does, for example `- ben: {send: Hello}`")
        [(subject, below)] = fields.items()
        if subject == WAIT:
            duration = convert(below, grammar.Duration, WAIT)
            return ScriptStep(number, tree.at, tree.text, (), grammar.seconds(duration))
        if subject == SERVER:
            return ScriptStep(number, tree.at, tree.text, (), convert(_as_mapping(below), KillStep, SERVER))
        people = self._find_people(subject, tree)
        body = self._read_body(below)
        return ScriptStep(number, tree.at, tree.text, people, body, self._read_patterns(below, body))

    def _find_people(self, subject: str, tree: Tree) -> Sequence[str]:
        if subject == EVERYONE:
            return list(self._people)
        if subject not in self._names:
            known = self._names | RESERVED
            raise InvalidNode(tree.keys[subject], f"there is no person {subject!r}; {suggest(subject, known)}")
        return self._groups.get(subject, (subject,))

    def _read_body(self, tree: Tree) -> PersonStep:
        below = _as_mapping(tree)
        fields = below.mapping or {}
        found = [name for name in STEPS if name in fields]
        if found == ["send", "drop"]:
            found = ["send"]
        if len(found) > 1:
            raise InvalidNode(tree.at, f"{found[0]!r} and {found[1]!r} are two steps; write one after the other")
        if not found:
            name = next(iter(fields), "")
            at = below.keys.get(name, tree.at)
            raise InvalidNode(at, f"there is no step {name!r}; {suggest(name, STEPS)}")
        kind: type[PersonStep] = STEPS[found[0]]
        if kind is ExpectStep and fields["expect"].value == NOTHING:
            kind = ExpectNothingStep
        body = convert(below, kind, found[0], _WORDS)
        self._check_references(below, body)
        return body

    def _check_references(self, tree: Tree, body: PersonStep) -> None:
        customers = {name for name, person in self._people.items() if not person.is_agent}
        key = "join" if isinstance(body, JoinStep) else "in"
        named = (tree.mapping or {}).get(key)
        if named is not None and named.value is not None and named.value not in customers:
            raise InvalidNode(named.at, f"there is no customer {named.value!r}; {suggest(str(named.value), customers)}")
        if isinstance(body, SendStep) and body.times is not None and not isinstance(body.send, str):
            raise InvalidNode(tree.keys["times"], "`times` needs a single text")
        if isinstance(body, EmitStep):
            if len(body.emit) != 1:
                raise InvalidNode(tree.at, "emit: one event is expected, for example `emit: {ping: any payload}`")
            check_pattern(tree.find("$.emit"), self._names)
            if body.ack is not msgspec.UNSET:
                check_pattern(tree.find("$.ack"), self._names)

    def _read_patterns(self, tree: Tree, body: PersonStep) -> list[EventPattern]:
        if isinstance(body, ExpectNothingStep):
            return [] if body.of is None else self._patterns_of(tree.find("$.of"))
        if not isinstance(body, ExpectStep):
            return []
        below = tree.find("$.expect")
        patterns = self._patterns_of(below)
        if body.times is None:
            return patterns
        if len(patterns) > 1:
            raise InvalidNode(below.at, "`times` needs a single event")
        [one] = patterns
        return [
            EventPattern(one.name, numbered(one.payload, number), one.text.replace("{n}", str(number)))
            for number in range(1, body.times + 1)
        ]

    def _patterns_of(self, tree: Tree) -> list[EventPattern]:
        if (items := tree.items) is not None:
            if not items:
                raise InvalidNode(tree.at, "at least one event is expected")
            return [pattern for item in items for pattern in self._patterns_of(item)]
        if (fields := tree.mapping) is None:
            _check_event_name(str(tree.value), tree)
            return [EventPattern(str(tree.value), ANY, tree.text)]
        if len(fields) != 1:
            raise InvalidNode(tree.at, "one event is expected; several are written as a list")
        [(name, payload)] = fields.items()
        _check_event_name(name, tree)
        check_pattern(payload, self._names)
        return [EventPattern(name, payload.plain, tree.text)]


def _check_event_name(name: str, tree: Tree) -> None:
    """Refuse an impossible name and a likely misspelling; other unknown events may be those of another server."""
    if not _EVENT_NAME.fullmatch(name):
        raise InvalidNode(tree.keys.get(name, tree.at), f"expect: {name} is not the name of an event")
    known = frozenset(EVENTS) | OWN_NAMES
    if name not in known and difflib.get_close_matches(name, known, 1, 0.8):
        raise InvalidNode(tree.keys.get(name, tree.at), f"there is no event {name!r}; {suggest(name, known)}")


def _as_mapping(tree: Tree) -> Tree:
    """Return a step written as one word as a mapping."""
    if isinstance(tree.value, str):
        empty = Tree(None, tree.at, "")
        return Tree({tree.value: empty}, tree.at, tree.text, {tree.value: tree.at})
    return tree

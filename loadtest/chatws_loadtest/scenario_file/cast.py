"""Cast of a run: every person of the script by name, and the values that ``$name`` stands for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from chatws_loadtest.scenario_file.patterns import REFERENCE
from chatws_loadtest.scenario_file.person import Person
from chatws_loadtest.scenario_file.script import Script


class Cast:
    """People of one run."""

    def __init__(self, script: Script, people: Mapping[str, Person]) -> None:
        self._script = script
        self._people = people

    def __iter__(self) -> Iterator[Person]:
        return iter(self._people.values())

    def __getitem__(self, name: str) -> Person:
        return self._people[name]

    def resolve(self, reference: str) -> frozenset[str]:
        """Return the user ids, or the conversations, that a ``$name`` or ``$name.conversation`` stands for."""
        found = REFERENCE.fullmatch(reference)
        assert found is not None, reference
        people = [self._people[name] for name in self._script.members(found[1])]
        return frozenset(person.own_conversation if found[2] else person.user_id for person in people)

    def conversation_of(self, person: Person, customer: str | None) -> str:
        """Return the conversation of a customer; without a name, the one that the person joined last."""
        return person.conversation if customer is None else self._people[customer].own_conversation

"""Pseudonyms of a recording: short names in place of the ids of rooms, users and messages."""

from __future__ import annotations

from typing import Final

MAX_IDS: Final = 100_000
"""Ids of one kind that are remembered, about 20 MB: minutes of the messages of a large load test."""


class Pseudonyms:
    """Numbering of ids in the order of their first use; the same id gets the same name.

    Of each kind, the latest `MAX_IDS` ids are known: an older one, such as that of a message of an hour ago, gets a new
    name. The load processes of one run share no memory: process ``first`` of ``step`` uses each ``step``-th number.
    """

    def __init__(self, *, with_ids: bool = False, first: int = 0, step: int = 1) -> None:
        """Create an empty numbering; ``with_ids`` keeps the ids themselves."""
        self._with_ids = with_ids
        self._first = first
        self._step = step
        self._names: dict[str, dict[str, str]] = {"r": {}, "u": {}, "m": {}, "k": {}}
        self._given = dict.fromkeys(self._names, 0)

    def room(self, room_id: str) -> str:
        return self._name("r", room_id)

    def user(self, user_id: str) -> str:
        return self._name("u", user_id)

    def message(self, message_id: str) -> str:
        return self._name("m", message_id)

    def key(self, client_message_id: str) -> str:
        return self._name("k", client_message_id)

    def _name(self, kind: str, real_id: str) -> str:
        if self._with_ids or not real_id:
            return real_id
        names = self._names[kind]
        name = names.get(real_id)
        if name is None:
            name = names[real_id] = f"{kind}{self._given[kind] * self._step + self._first + 1}"
            self._given[kind] += 1
            if len(names) > MAX_IDS:
                del names[next(iter(names))]
        return name

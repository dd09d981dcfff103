"""The presence parts of the users who are connected here, and how Redis comes to hold the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from chatws.bus.messages import PresenceEntry

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chatws.bus.redis.connection import Command, Reply
    from chatws.bus.redis.keys import RedisKeys

CHUNK = 500
"""Fields written by one command, so that a server with many users does not hold up the others."""

MARK = "."
"""A field that no user id can be: a hash that lost it was emptied, and must be written as a whole."""

_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(PresenceEntry)


class PresenceStore:
    """The parts, and who has changed since they were last written; without I/O."""

    def __init__(self, keys: RedisKeys, origin: str, lease_ms: int) -> None:
        self._agents = keys.agents(origin)
        self._customers = keys.customers(origin)
        self._lease_ms = lease_ms
        self._parts: dict[str, PresenceEntry] = {}
        self._changed: dict[str, str] = {}
        """Users to be written or removed, and in which hash."""

    def put(self, part: PresenceEntry) -> None:
        """Hold a part, or none for a user who is offline here."""
        user = part.user
        if part.status == "offline":
            self._parts.pop(user.user_id, None)
        else:
            self._parts[user.user_id] = part
        self._changed[user.user_id] = self._hash_of(part)

    def changes(self) -> list[Command]:
        """Return the commands that bring Redis up to date, and take them as carried out."""
        commands: list[Command] = []
        for user_id, key in self._changed.items():
            part = self._parts.get(user_id)
            commands.append(("HDEL", key, user_id) if part is None else ("HSET", key, user_id, _encode(part)))
        self._changed.clear()
        # A hash that is new because Redis was emptied must not stay for ever.
        return [*commands, *self.renewal()] if commands else []

    def everything(self) -> list[Command]:
        """Return the commands that write all parts anew, and take them as carried out."""
        self._changed.clear()
        commands: list[Command] = [("DEL", self._agents, self._customers), ("HSET", self._agents, MARK, "")]
        for key in (self._agents, self._customers):
            fields = [(user_id, part) for user_id, part in self._parts.items() if self._hash_of(part) == key]
            for start in range(0, len(fields), CHUNK):
                chunk = [each for user_id, part in fields[start : start + CHUNK] for each in (user_id, _encode(part))]
                commands.append(("HSET", key, *chunk))
        return [*commands, *self.renewal()]

    def renewal(self) -> list[Command]:
        """Return the commands that give the parts another lease."""
        return [("PEXPIRE", key, self._lease_ms) for key in (self._agents, self._customers)]

    def is_marked(self) -> Command:
        """Return the command that tells whether Redis still has what was written."""
        return ("HEXISTS", self._agents, MARK)

    def removal(self) -> Command:
        """Return the command that takes every part away."""
        return ("DEL", self._agents, self._customers)

    def _hash_of(self, part: PresenceEntry) -> str:
        return self._agents if part.user.role == "admin" else self._customers


def read_parts(replies: Iterable[Reply]) -> list[PresenceEntry]:
    """Return the parts among the values of hashes; what is none, such as the mark, is passed over."""
    found: list[PresenceEntry] = []
    for reply in replies:
        if isinstance(reply, bytes) and reply.startswith(b"{"):
            try:
                found.append(_decoder.decode(reply))
            except msgspec.DecodeError:
                continue
    return found

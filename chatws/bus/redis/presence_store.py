"""Presence entries of the locally connected users, and the commands that keep Redis in sync with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from chatws.bus.messages import PresenceEntry

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chatws.bus.redis.connection import Command, Reply
    from chatws.bus.redis.keys import RedisKeys

CHUNK = 500
"""Fields written by one command, so that a server with many users does not block the commands of others."""

MARK = "."
"""Field that cannot be a user id: a hash without it was emptied, and has to be written completely."""

_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(PresenceEntry)


class PresenceStore:
    """Presence entries, and the users changed since the last write; performs no I/O."""

    def __init__(self, keys: RedisKeys, origin: str, lease_ms: int) -> None:
        self._agents = keys.agents(origin)
        self._customers = keys.customers(origin)
        self._lease_ms = lease_ms
        self._entries: dict[str, PresenceEntry] = {}
        self._changed: dict[str, str] = {}
        """Users to write or to remove, with the hash of each."""
        self._removed: dict[str, str] = {}
        """Users removed by commands without a reply so far: after a lost connection Redis may still have them."""

    def put(self, entry: PresenceEntry) -> None:
        """Store an entry; the status ``offline`` removes the user's entry."""
        user = entry.user
        if entry.status == "offline":
            self._entries.pop(user.user_id, None)
        else:
            self._entries[user.user_id] = entry
        self._changed[user.user_id] = self._hash_of(entry)

    def take_changes(self) -> list[Command]:
        """Return the commands that write the changes, and clear the changes."""
        commands: list[Command] = []
        for user_id, key in self._changed.items():
            entry = self._entries.get(user_id)
            commands.append(("HDEL", key, user_id) if entry is None else ("HSET", key, user_id, _encode(entry)))
        self._forget_changes()
        # A hash that is created anew because Redis was emptied must expire too.
        return [*commands, *self.renewal()] if commands else []

    def take_all(self) -> list[Command]:
        """Return the commands that rewrite all entries, and clear the changes.

        The hashes are not emptied first: other servers would read the users as offline until they are filled again.
        """
        self._forget_changes()
        commands: list[Command] = [("HSET", self._agents, MARK, "")]
        for key in (self._agents, self._customers):
            entries = [(user_id, entry) for user_id, entry in self._entries.items() if self._hash_of(entry) == key]
            for start in range(0, len(entries), CHUNK):
                chunk = entries[start : start + CHUNK]
                fields = [value for user_id, entry in chunk for value in (user_id, _encode(entry))]
                commands.append(("HSET", key, *fields))
            removed = [user_id for user_id, hash_key in self._removed.items() if hash_key == key]
            commands += [("HDEL", key, *removed[start : start + CHUNK]) for start in range(0, len(removed), CHUNK)]
        return [*commands, *self.renewal()]

    def confirm(self) -> None:
        """Record that Redis has executed all commands returned so far."""
        self._removed.clear()

    def renewal(self) -> list[Command]:
        """Return the commands that renew the expiry of the entries."""
        return [("PEXPIRE", key, self._lease_ms) for key in (self._agents, self._customers)]

    def mark_query(self) -> Command:
        """Return the command that checks whether Redis still has the entries."""
        return ("HEXISTS", self._agents, MARK)

    def removal(self) -> Command:
        """Return the command that removes all entries."""
        return ("DEL", self._agents, self._customers)

    def _forget_changes(self) -> None:
        for user_id, key in self._changed.items():
            if user_id in self._entries:
                self._removed.pop(user_id, None)
            else:
                self._removed[user_id] = key
        self._changed.clear()

    def _hash_of(self, entry: PresenceEntry) -> str:
        return self._agents if entry.user.role == "admin" else self._customers


def decode_entries(replies: Iterable[Reply]) -> list[PresenceEntry]:
    """Return the valid entries among the values of hashes; other values, such as the mark, are skipped."""
    entries: list[PresenceEntry] = []
    for reply in replies:
        if isinstance(reply, bytes) and reply.startswith(b"{"):
            try:
                entries.append(_decoder.decode(reply))
            except msgspec.DecodeError:
                continue
    return entries

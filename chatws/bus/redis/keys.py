"""The names of everything a chat keeps in Redis; an installation's prefix sets it apart from others."""

from __future__ import annotations


class RedisKeys:
    """Names under one prefix."""

    def __init__(self, prefix: str) -> None:
        self.servers = f"{prefix}:servers"
        """Sorted set: each server's origin, by the time of Redis (Unix milliseconds) at which its lease runs out."""
        self._prefix = prefix

    def channel(self, name: str) -> str:
        """Name a channel."""
        return f"{self._prefix}:{name}"

    def name_of(self, channel: bytes) -> str:
        """Return what ``channel`` was called with."""
        return channel.decode(errors="replace").removeprefix(f"{self._prefix}:")

    def agents(self, origin: str) -> str:
        """Name the hash with the presence of one server's agents, user id to JSON; it expires with the lease."""
        return f"{self._prefix}:agents:{origin}"

    def customers(self, origin: str) -> str:
        """Name that of the others, who are many and are never asked for all at once."""
        return f"{self._prefix}:customers:{origin}"

"""Names of the keys and channels in Redis; the prefix separates installations."""

from __future__ import annotations


class RedisKeys:
    """Names of keys and channels under one prefix."""

    def __init__(self, prefix: str) -> None:
        self.servers = f"{prefix}:servers"
        """Sorted set of server origins by the expiry of their lease (Unix milliseconds by the clock of Redis)."""
        self._prefix = prefix

    def channel(self, name: str) -> str:
        """Return the Redis channel of a bus channel."""
        return f"{self._prefix}:{name}"

    def name_of(self, channel: bytes) -> str:
        """Return the bus channel of a Redis channel."""
        return channel.decode(errors="replace").removeprefix(f"{self._prefix}:")

    def agents(self, origin: str) -> str:
        """Return the hash of one server's agents, user id to JSON presence entry; it expires with the lease."""
        return f"{self._prefix}:agents:{origin}"

    def customers(self, origin: str) -> str:
        """Return the hash of one server's other users, which is large and never read as a whole."""
        return f"{self._prefix}:customers:{origin}"

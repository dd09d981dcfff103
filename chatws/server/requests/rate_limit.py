"""Rate limits as token buckets, per connection or user and per client address."""

from __future__ import annotations

from chatws.engine import block_of
from chatws.protocol.errors import ChatError, ErrorCode
from chatws.protocol.spec import Limit
from chatws.server.requests.bounded_table import MAX_KEYS, BoundedTable
from chatws.settings import Settings


class TokenBucket:
    """Token bucket that starts full."""

    __slots__ = ("_capacity", "_per_s", "_tokens", "_updated_at")

    def __init__(self, per_s: float, burst: int, now: float) -> None:
        self._per_s = per_s
        self._capacity = float(max(burst, 1))
        self._tokens = self._capacity
        self._updated_at = now

    def take(self, now: float) -> float:
        """Take a token and return 0.0, or return the seconds until one is available."""
        tokens = self._tokens + (now - self._updated_at) * self._per_s - 1.0  # not `wait_s`: every request does this
        if tokens < 0.0:
            return self.wait_s(now)
        self._tokens = min(self._capacity - 1.0, tokens)
        self._updated_at = now
        return 0.0

    def give_back(self) -> None:
        """Undo a `take`."""
        self._tokens = min(self._capacity, self._tokens + 1.0)

    def is_full(self, now: float) -> bool:
        """Return whether the bucket is as full as a new one."""
        self.wait_s(now)
        return self._tokens >= self._capacity

    def wait_s(self, now: float) -> float:
        """Return the seconds until a token is available; 0.0 if one is."""
        self._tokens = min(self._capacity, self._tokens + (now - self._updated_at) * self._per_s)
        self._updated_at = now
        return 0.0 if self._tokens >= 1.0 else (1.0 - self._tokens) / self._per_s


class RateLimiter:
    """Rate limits of one connection or, over REST, of one user."""

    __slots__ = ("_join", "_send", "_total")

    def __init__(self, settings: Settings, now: float) -> None:
        self._total = TokenBucket(settings.total_per_s, settings.total_burst, now)
        self._send = TokenBucket(settings.send_per_s, settings.send_burst, now)
        self._join = TokenBucket(settings.join_per_s, settings.join_burst, now)

    def check_total(self, now: float) -> None:
        """Count a request against the total limit.

        Raises:
            ChatError: ``rate_limited`` with ``retryAfterMs``.
        """
        if wait_s := self._total.take(now):
            raise_if_limited(wait_s)

    def check(self, limit: Limit, now: float) -> None:
        """Count a request against the limit of its kind.

        Typing counts against the total only; `ConversationTyping` limits its broadcasts.

        Raises:
            ChatError: ``rate_limited`` with ``retryAfterMs``.
        """
        bucket = self._send if limit is Limit.SEND else self._join if limit is Limit.JOIN else None
        if bucket is not None and (wait_s := bucket.take(now)):
            raise_if_limited(wait_s)


def raise_if_limited(wait_s: float) -> None:
    """Raise ``rate_limited`` with the time to wait, unless it is 0.

    Raises:
        ChatError: ``rate_limited`` with ``retryAfterMs``.
    """
    if wait_s:
        raise ChatError(ErrorCode.RATE_LIMITED, retry_after_ms=int(wait_s * 1000) + 1)


class AddressRateLimiter:
    """Token bucket for each address block (`block_of`); a rate of 0 disables the limit."""

    def __init__(self, per_s: float, burst: int, max_addresses: int = MAX_KEYS) -> None:
        self._per_s = per_s
        self._burst = burst
        self._buckets: BoundedTable[TokenBucket] = BoundedTable(
            lambda now: TokenBucket(per_s, burst, now), TokenBucket.is_full, max_addresses
        )

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, address: str, now: float) -> None:
        """Count a request.

        Raises:
            ChatError: ``rate_limited``.
        """
        raise_if_limited(self.count(address, now))

    def count(self, address: str, now: float) -> float:
        """Count an event; return the seconds by which it exceeds the rate, or 0.0."""
        return self._buckets.get(block_of(address), now).take(now) if self._per_s else 0.0

    def check(self, address: str, now: float) -> None:
        """Reject an address whose bucket is empty, without counting.

        Raises:
            ChatError: ``rate_limited``.
        """
        bucket = self._buckets.find(block_of(address))
        if bucket is not None:
            raise_if_limited(bucket.wait_s(now))

    def give_back(self, address: str) -> None:
        """Undo one count."""
        bucket = self._buckets.find(block_of(address))
        if bucket is not None:
            bucket.give_back()

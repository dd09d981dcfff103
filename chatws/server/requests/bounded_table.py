"""Table of values by key, of a bounded size, whose values no client can drive out with keys of its own."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Final, Generic, TypeVar

T = TypeVar("T")

MAX_KEYS: Final = 10_000
SHARED: Final = 1_024
"""Values that all further keys share once the table is full."""

SWEEP_INTERVAL_S: Final = 1.0
"""Least time between two searches of a full table for values that can be dropped."""


class BoundedTable(Generic[T]):
    """Values created on first use and kept until they are idle, which means that a new one would be equal.

    When the table is full of values in use, further keys share values. A key's share cannot be predicted. Dropping the
    least recently used value instead would let a client that changes its address forget its failures.
    """

    def __init__(self, make: Callable[[float], T], is_idle: Callable[[T, float], bool], max_keys: int) -> None:
        self._make = make
        self._is_idle = is_idle
        self._max_keys = max_keys
        self._values: dict[str, T] = {}
        self._shared: dict[int, T] = {}
        self._seed = secrets.token_hex(8)
        self._swept_at = float("-inf")

    def __len__(self) -> int:
        return len(self._values) + len(self._shared)

    def find(self, key: str) -> T | None:
        """Return the value of a key; None if it has none."""
        value = self._values.get(key)
        return self._shared.get(self._share_of(key)) if value is None and self._shared else value

    def get(self, key: str, now: float) -> T:
        """Return the value of a key, created if necessary."""
        value = self._values.get(key)
        if value is None and len(self._values) >= self._max_keys:
            self._sweep(now)
        if value is None and len(self._values) >= self._max_keys:
            return self._get_shared(key, now)
        if value is None:
            value = self._values[key] = self._make(now)
        return value

    def _get_shared(self, key: str, now: float) -> T:
        share = self._share_of(key)
        value = self._shared.get(share)
        if value is None:
            value = self._shared[share] = self._make(now)
        return value

    def _share_of(self, key: str) -> int:
        return hash((self._seed, key)) % SHARED

    def _sweep(self, now: float) -> None:
        """Drop idle values, at most once per interval: a search of the whole table takes milliseconds."""
        if now - self._swept_at < SWEEP_INTERVAL_S:
            return
        self._swept_at = now
        self._values = {key: value for key, value in self._values.items() if not self._is_idle(value, now)}
        self._shared = {key: value for key, value in self._shared.items() if not self._is_idle(value, now)}

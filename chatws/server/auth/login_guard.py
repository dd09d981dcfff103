"""Protection of passwords against guessing: limits of failed log-ins per address and per account."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from chatws.engine import block_of
from chatws.server.requests.bounded_table import MAX_KEYS, BoundedTable
from chatws.server.requests.rate_limit import AddressRateLimiter, raise_if_limited

FREE_FAILURES: Final = 5
"""Failed log-ins of an account without a delay."""

FIRST_DELAY_S: Final = 2.0
MAX_DELAY_S: Final = 900.0
FORGET_AFTER_S: Final = 3600.0
"""Time without a failure after which the failures of an account are forgotten."""

MAX_KNOWN_ADDRESSES: Final = 16
"""Addresses remembered for each account, the latest first."""


@dataclass(slots=True)
class AccountFailures:
    """Failed log-ins of one account, and addresses from which it logged in."""

    count: int = 0
    last_at: float = 0.0
    known_addresses: dict[str, None] = field(default_factory=dict)

    def wait_s(self, now: float) -> float:
        """Return the time until the next attempt is allowed; it doubles with each failure."""
        if self.count < FREE_FAILURES or now - self.last_at >= FORGET_AFTER_S:
            return 0.0
        delay_s = min(MAX_DELAY_S, FIRST_DELAY_S * 2.0 ** min(self.count - FREE_FAILURES, 30))
        return max(0.0, self.last_at + delay_s - now)

    def is_idle(self, now: float) -> bool:
        """Return whether there is nothing to remember."""
        return not self.known_addresses and (not self.count or now - self.last_at >= FORGET_AFTER_S)


class LoginGuard:
    """Failed log-ins since this server started.

    An attempt counts as failed until `succeeded` is called, so that parallel guesses do not all pass. Accounts that do
    not exist are treated in the same way, so that the responses do not reveal which do.
    """

    def __init__(self, addresses: AddressRateLimiter, *, is_on: bool) -> None:
        self._addresses = addresses
        self._is_on = is_on
        self._accounts: BoundedTable[AccountFailures] = BoundedTable(
            lambda _: AccountFailures(), AccountFailures.is_idle, MAX_KEYS
        )

    def attempt(self, email: str, address: str, now: float) -> None:
        """Count an attempt; the delay of an account does not apply to addresses from which it logged in before.

        Raises:
            ChatError: ``rate_limited``.
        """
        self._addresses.take(address, now)
        if not self._is_on:
            return
        account = self._accounts.get(_key_of(email), now)
        if block_of(address) not in account.known_addresses:
            raise_if_limited(account.wait_s(now))
        if now - account.last_at >= FORGET_AFTER_S:
            account.count = 0
        account.count += 1
        account.last_at = now

    def succeeded(self, email: str, address: str, now: float) -> None:
        """Forget the failures of an account, and remember the address."""
        self._addresses.give_back(address)
        if not self._is_on:
            return
        account, block = self._accounts.get(_key_of(email), now), block_of(address)
        account.count = 0
        account.known_addresses.pop(block, None)
        account.known_addresses[block] = None
        if len(account.known_addresses) > MAX_KNOWN_ADDRESSES:
            del account.known_addresses[next(iter(account.known_addresses))]


def _key_of(email: str) -> str:
    return email.strip().lower()

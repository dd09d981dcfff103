"""Events that wait to be sent to the webhook, as the sender of one server sees them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

from chatws.store.queries import deliveries
from chatws.store.queries.deliveries import ClaimedRuns, Delivery, DeliveryKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

__all__ = ["ClaimedRuns", "Delivery", "DeliveryKey", "WebhookOutbox"]

T = TypeVar("T")


class TransactionRunner(Protocol):
    """Database that runs each query in one transaction."""

    async def write(self, change: Callable[[Connection], T]) -> T:
        """Run a change, durable when it returns."""
        ...

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Run a query."""
        ...


class WebhookOutbox:
    """Stored events, in order per conversation, each claimed by one server at a time.

    A claim ends at the time given with it, so that other servers take over from one that was killed. The clocks of the
    servers may differ by less than the margin that the sender leaves. Any method can raise ``Unavailable``.
    """

    def __init__(self, database: TransactionRunner, clock_ms: Callable[[], int]) -> None:
        self._database = database
        self._clock_ms = clock_ms

    async def recover(self) -> None:
        """End the claims of an earlier process, on SQLite, whose database no other server has open."""
        await self._database.write(partial(deliveries.release_all, now_ms=self._clock_ms()))

    async def claim(self, conversation_limit: int, lease_ms: int) -> ClaimedRuns:
        """Claim the first events of up to ``conversation_limit`` conversations for this time."""
        now_ms = self._clock_ms()
        return await self._database.write(
            partial(
                deliveries.claim,
                conversation_limit=conversation_limit,
                now_ms=now_ms,
                lease_until_ms=now_ms + lease_ms,
            )
        )

    async def complete(self, key: DeliveryKey, *, ends_run: bool) -> None:
        """Delete an event that was sent; at the end of a run, make the next one due."""
        await self._database.write(partial(deliveries.complete, key=key, now_ms=self._clock_ms(), ends_run=ends_run))

    async def postpone(self, key: DeliveryKey, delay_ms: int) -> None:
        """Count a failed attempt; the event and those behind it wait for this time."""
        await self._database.write(partial(deliveries.postpone, key=key, until_ms=self._clock_ms() + delay_ms))

    async def release(self, conversation_id: str) -> None:
        """End the claim of a conversation whose events were not all sent."""
        await self._database.write(
            partial(deliveries.release, conversation_id=conversation_id, now_ms=self._clock_ms())
        )

    async def expire(self, max_age_ms: int) -> int:
        """Delete events older than ``max_age_ms``, a limited number at once; 0 means that none is left."""
        return await self._database.write(partial(deliveries.expire, before_ms=self._clock_ms() - max_age_ms))

    async def oldest_age_ms(self) -> int:
        """Return the age of the oldest event, 0 if there is none."""
        created_at_ms = await self._database.read(deliveries.oldest)
        return 0 if created_at_ms is None else max(0, self._clock_ms() - created_at_ms)

"""Sender of the stored events: several conversations at a time, the events of each in order."""

from __future__ import annotations

import asyncio
import functools
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec

from chatws.logging import RateLimitedLogger
from chatws.server.clock import Clock
from chatws.server.metrics import Metrics
from chatws.server.webhooks.endpoint import Attempt, WebhookEndpoint
from chatws.store.interface import StoreError
from chatws.store.outbox import Delivery, WebhookOutbox

_log = logging.getLogger("chatws.webhooks")

MAX_CONVERSATIONS = 16
"""Conversations whose events are sent at the same time; each has one request, and at most 20 events in memory."""

POLL_S = 1.0
"""Interval of looks at the database, for retries and for the events of other servers."""

FIRST_RETRY_S = 1.0
MAX_RETRY_S = 300.0

EXPIRY_PERIOD_S = 60.0
MEASURE_PERIOD_S = 5.0

CLOSE_S = 2.0
"""Time for which a stopping server waits for the requests under way."""


class SenderOptions(NamedTuple):
    """Time limit of a request, age at which an event is given up, and time until another server takes over.

    The requests of a claim may begin within the first half of ``takeover_s``. Its second half lies between the end of
    the last request and the end of the claim; the servers' clocks must differ by less.
    """

    timeout_s: float
    max_age_s: float
    takeover_s: float


class WebhookSender:
    """Owner of the tasks that send events; a failure of the store or of the receiver ends none of them.

    An event is deleted after the receiver has accepted it, so it is sent again if the server is killed in between.
    """

    def __init__(
        self,
        outbox: WebhookOutbox,
        endpoint: WebhookEndpoint,
        options: SenderOptions,
        *,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._outbox = outbox
        self._endpoint = endpoint
        self._options = options
        self._lease_ms = round((options.takeover_s + options.timeout_s) * 1000)
        self._clock = clock
        self._metrics = metrics
        self._logger = RateLimitedLogger(_log, clock.monotonic)
        self._woken = asyncio.Event()
        self._runs: dict[asyncio.Task[bool], str] = {}
        """Conversations whose events are being sent, by task."""
        self._sending: asyncio.Task[None] | None = None
        """Task that claims events, once started."""
        self._is_recovered = False
        self._is_more_due = False
        """Whether the last claim left events that are due."""
        self._periodic: list[asyncio.Task[None]] = []
        self._is_closing = False

    def start(self) -> None:
        """Start sending; called when the store is open."""
        self._sending = asyncio.create_task(self._send_due())
        # Expiry waits first, so that events stored before a long stop of the server are attempted.
        expiry = self._repeat(self._expire_old, min(EXPIRY_PERIOD_S, self._options.max_age_s))
        self._periodic = [
            asyncio.create_task(loop) for loop in (expiry, self._repeat(self._measure_age, MEASURE_PERIOD_S))
        ]

    def wake(self) -> None:
        """Look for new events at once."""
        self._woken.set()

    async def close(self) -> None:
        """Finish the requests under way, or cancel them; end their claims, so that another server can go on at once."""
        self._is_closing = True
        self._woken.set()
        await _cancel(self._periodic)
        if self._sending is not None:
            await asyncio.wait([self._sending, *self._runs], timeout=CLOSE_S)
            await _cancel([self._sending])
        conversation_ids = list(self._runs.values())
        await _cancel(list(self._runs))
        with suppress(StoreError):
            for conversation_id in conversation_ids:
                await self._outbox.release(conversation_id)
        await self._endpoint.close()

    async def _send_due(self) -> None:
        while not self._is_closing:
            self._woken.clear()
            if not await self._try(self._start_runs):
                await asyncio.sleep(POLL_S)
            elif self._is_more_due and len(self._runs) < MAX_CONVERSATIONS:
                continue
            else:
                with suppress(TimeoutError):
                    async with asyncio.timeout(POLL_S):
                        await self._woken.wait()

    async def _start_runs(self) -> None:
        """Claim events for the free places; first end the claims of an earlier process."""
        if not self._is_recovered:
            await self._outbox.recover()
            self._is_recovered = True
        free = MAX_CONVERSATIONS - len(self._runs)
        if free == 0:
            return
        claimed_at = self._clock.monotonic()
        claimed = await self._outbox.claim(free, self._lease_ms)
        for run in claimed.runs:
            work = functools.partial(self._send_run, run, claimed_at + self._options.takeover_s / 2)
            task = asyncio.create_task(self._try(work))
            self._runs[task] = run[0].key.conversation_id
            task.add_done_callback(self._end_run)
        self._is_more_due = not claimed.is_complete

    def _end_run(self, task: asyncio.Task[bool]) -> None:
        del self._runs[task]
        self._woken.set()

    async def _send_run(self, run: list[Delivery], ends_at: float) -> None:
        """Send events in order until one fails, or until the end of the time in which requests may begin."""
        for delivery in run:
            if self._is_closing or self._clock.monotonic() > ends_at:
                await self._outbox.release(delivery.key.conversation_id)
                return
            attempt = await self._attempt(delivery)
            if attempt.outcome != "delivered":
                delay_s = retry_delay_s(delivery.attempts, attempt.retry_after_s)
                await self._outbox.postpone(delivery.key, round(delay_s * 1000))
                return
            # If the store fails here, the claim ends by itself, and the event is sent again.
            await self._outbox.complete(delivery.key, ends_run=delivery is run[-1])

    async def _attempt(self, delivery: Delivery) -> Attempt:
        body = msgspec.json.encode(delivery.body)
        attempt = await self._endpoint.post(delivery.event_id, body, unix_s=self._clock.now_ms() // 1000)
        self._metrics.webhook_attempts[attempt.outcome].inc()
        if attempt.outcome != "delivered":
            self._logger.write(
                logging.WARNING,
                "webhook_failed",
                outcome=attempt.outcome,
                conversationId=delivery.key.conversation_id,
                eventId=delivery.event_id,
                attempts=delivery.attempts + 1,
                detail=attempt.detail,
            )
        return attempt

    async def _expire_old(self) -> None:
        while count := await self._outbox.expire(round(self._options.max_age_s * 1000)):
            self._metrics.webhook_given_up.inc(count)
            _log.error("webhook_given_up", extra={"keys": {"events": count}})

    async def _measure_age(self) -> None:
        self._metrics.webhook_oldest.set(await self._outbox.oldest_age_ms() / 1000)

    async def _repeat(self, work: Callable[[], Awaitable[None]], period_s: float) -> None:
        while True:
            await asyncio.sleep(period_s)
            await self._try(work)

    async def _try(self, work: Callable[[], Awaitable[None]]) -> bool:
        """Run work and log its failure; return whether it succeeded."""
        try:
            await work()
        except StoreError as problem:
            self._logger.write(logging.WARNING, "webhook_store_failed", error=str(problem))
            return False
        except Exception as problem:  # noqa: BLE001  a bug must not end the sender
            self._logger.write(logging.ERROR, "webhook_crashed", problem=problem)
            return False
        return True


async def _cancel(tasks: Sequence[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def retry_delay_s(earlier_failures: int, retry_after_s: int) -> float:
    """Return a random delay up to a bound that doubles with each failure, or the delay that the receiver asks for."""
    bound_s = min(MAX_RETRY_S, FIRST_RETRY_S * 2.0 ** min(earlier_failures, 16))
    return max(random.uniform(bound_s / 2, bound_s), min(float(retry_after_s), MAX_RETRY_S))

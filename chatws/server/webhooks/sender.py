"""Sender of the stored events: several conversations at a time, the events of each in order."""

from __future__ import annotations

import asyncio
import logging
import random
from contextlib import suppress
from typing import NamedTuple

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

RUN_S = 10.0
"""Time after a claim in which its requests may begin."""

LEASE_MARGIN_S = 10.0
"""Time between the end of the last request and the end of the claim; the servers' clocks must differ by less."""

EXPIRY_PERIOD_S = 60.0
MEASURE_PERIOD_S = 5.0

CLOSE_S = 2.0
"""Time for which a stopping server waits for the requests under way."""


class SenderOptions(NamedTuple):
    """Time limit of a request, and age at which an event is given up."""

    timeout_s: float
    max_age_s: float


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
        self._lease_ms = round((RUN_S + options.timeout_s + LEASE_MARGIN_S) * 1000)
        self._clock = clock
        self._metrics = metrics
        self._logger = RateLimitedLogger(_log, clock.monotonic)
        self._woken = asyncio.Event()
        self._runs: dict[asyncio.Task[None], str] = {}
        """Conversations whose events are being sent, by task."""
        self._loops: list[asyncio.Task[None]] = []
        self._is_closing = False

    def start(self) -> None:
        """Start sending; called when the store is open."""
        loops = (self._send_due(), self._expire_old(), self._measure_age())
        self._loops = [asyncio.create_task(loop) for loop in loops]

    def wake(self) -> None:
        """Look for new events at once."""
        self._woken.set()

    async def close(self) -> None:
        """Finish the requests under way, or cancel them; end their claims, so that another server can go on at once."""
        self._is_closing = True
        await _cancel(self._loops)
        if self._runs:
            await asyncio.wait(self._runs, timeout=CLOSE_S)
        conversation_ids = list(self._runs.values())
        await _cancel(list(self._runs))
        with suppress(StoreError):
            for conversation_id in conversation_ids:
                await self._outbox.release(conversation_id)
        await self._endpoint.close()

    async def _send_due(self) -> None:
        is_recovered = False
        while True:
            self._woken.clear()
            try:
                if not is_recovered:
                    await self._outbox.recover()
                    is_recovered = True
                is_complete = await self._start_runs()
            except StoreError as problem:
                self._logger.write(logging.WARNING, "webhook_store_failed", error=str(problem))
                await asyncio.sleep(POLL_S)
                continue
            if not is_complete and len(self._runs) < MAX_CONVERSATIONS:
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await self._woken.wait()

    async def _start_runs(self) -> bool:
        """Claim events for the free places; return whether no other event is due."""
        free = MAX_CONVERSATIONS - len(self._runs)
        if free == 0:
            return False
        claimed_at = self._clock.monotonic()
        claimed = await self._outbox.claim(free, self._lease_ms)
        for run in claimed.runs:
            task = asyncio.create_task(self._send_run(run, claimed_at + RUN_S))
            self._runs[task] = run[0].key.conversation_id
            task.add_done_callback(self._end_run)
        return claimed.is_complete

    def _end_run(self, task: asyncio.Task[None]) -> None:
        del self._runs[task]
        self._woken.set()

    async def _send_run(self, run: list[Delivery], ends_at: float) -> None:
        """Send events in order until one fails, or until the end of the time in which requests may begin."""
        conversation_id = run[0].key.conversation_id
        try:
            for delivery in run:
                if self._is_closing or self._clock.monotonic() > ends_at:
                    await self._outbox.release(conversation_id)
                    return
                attempt = await self._attempt(delivery)
                if attempt.outcome != "delivered":
                    await self._outbox.postpone(delivery.key, round(_retry_delay_s(delivery, attempt) * 1000))
                    return
                await self._outbox.complete(delivery.key, ends_run=delivery is run[-1])
        except StoreError as problem:
            # The claim ends by itself; an event that was sent is then sent again.
            self._logger.write(logging.WARNING, "webhook_store_failed", error=str(problem))
        except Exception as problem:  # noqa: BLE001  a bug must not end the sender
            self._logger.write(logging.ERROR, "webhook_crashed", problem=problem)

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
        """Delete events that are too old.

        It waits first, so that events stored before a long stop of the server are attempted.
        """
        while True:
            await asyncio.sleep(min(EXPIRY_PERIOD_S, self._options.max_age_s))
            with suppress(StoreError):
                while count := await self._outbox.expire(round(self._options.max_age_s * 1000)):
                    self._metrics.webhook_given_up.inc(count)
                    _log.error("webhook_given_up", extra={"keys": {"events": count}})

    async def _measure_age(self) -> None:
        while True:
            with suppress(StoreError):
                self._metrics.webhook_oldest.set(await self._outbox.oldest_age_ms() / 1000)
            await asyncio.sleep(MEASURE_PERIOD_S)


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _retry_delay_s(delivery: Delivery, attempt: Attempt) -> float:
    """Return a random delay up to a bound that doubles with each failure, or the delay that the receiver asks for."""
    bound_s = min(MAX_RETRY_S, FIRST_RETRY_S * 2.0 ** min(delivery.attempts, 16))
    return max(random.uniform(bound_s / 2, bound_s), min(float(attempt.retry_after_s), MAX_RETRY_S))

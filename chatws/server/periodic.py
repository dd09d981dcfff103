"""Background tasks of the server: periodic work, reconciliation, and work after notifications and absences."""

from __future__ import annotations

import asyncio
import functools
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from chatws.logging import RateLimitedLogger
from chatws.protocol.entities import Conversation
from chatws.protocol.ids import format_timestamp
from chatws.server.bot.dispatcher import BOT
from chatws.server.cluster.presence_resync import refresh_remote_presence, resync_presence
from chatws.server.cluster.reconciliation import Reconciler
from chatws.server.connections import lifecycle
from chatws.server.connections.registry import Connection
from chatws.server.services import Services
from chatws.store.interface import ConversationFilter, StoreError

_log = logging.getLogger("chatws.periodic")

POSITION_SLOTS = 30
"""Number of groups of connections; each group receives ``positions`` at its own time in a period."""

REVOCATION_POLL_S = 0.5
"""Bounds the time until a log-out on another server, or ``chatws user disable``, takes effect: less than a second."""

LAG_PROBE_S = 0.5
"""Length of the timer whose delay is measured."""

RESUME_WITHIN_MS = 600_000
"""Questions older than this stay unanswered when a server starts."""

PRESENCE_PERIOD_S = 30.0
"""Period of the refresh of remote presence: the bus may lose notifications when thousands disconnect at once."""

LOOK_UP_DELAY_S = 0.05
"""Time in which unknown users are collected, so that those of one conversation are looked up by one query."""

RETRY_S = 1.0
"""Delay before work that failed is repeated."""


class PeriodicTasks:
    """Owner of the background tasks; a failure ends none of them."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._logger = RateLimitedLogger(_log, services.clock.monotonic)
        self._reconciler = Reconciler(services)
        self._tasks: set[asyncio.Task[None]] = set()
        self._resync_task: asyncio.Task[None] | None = None
        """Latest resync, running or finished."""
        self._unknown_users: set[str] = set()
        """Users whom another server has reported for the first time; looked up together."""

    def start(self) -> None:
        """Start the tasks that run until `close`."""
        settings = self._services.settings
        slot_s = max(settings.positions_ms / 1000 / POSITION_SLOTS, 0.01)
        slots = iter(range(1 << 62))
        self._every(slot_s, lambda: self._send_positions(next(slots) % POSITION_SLOTS))
        self._every(max(settings.sweep_ms / 1000, 0.01), self._reconciler.run)
        self._every(REVOCATION_POLL_S, self._check_revocations)
        self._every(PRESENCE_PERIOD_S, lambda: refresh_remote_presence(self._services, is_complete=False))
        self._spawn(self._measure_lag())
        self._spawn(self._compare_late_subscriptions())
        self._spawn(self._requeue_absent())
        self._spawn(self._find_absent_agents())
        self._spawn(self._resume_bot())

    async def close(self) -> None:
        """Cancel every task."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def resync(self) -> None:
        """Compare with the database and the other servers now, after an outage of the bus."""
        if self._resync_task is not None:
            self._resync_task.cancel()
        self._resync_task = asyncio.create_task(self._resync())
        self._track(self._resync_task)

    def close_revoked(self, user_id: str) -> None:
        """Check a user whose credentials another server has voided, before the next poll."""
        self._spawn(self._close_revoked(user_id))

    def look_up_user(self, user_id: str) -> None:
        """Look up a user whom another server has reported for the first time on all servers."""
        self._unknown_users.add(user_id)
        if len(self._unknown_users) == 1:
            self._spawn(self._look_up_users())

    def take_over_work(self) -> None:
        """Take over from an ended server: requeue its absent agents' conversations, resume its bot's replies."""
        self._spawn(self._find_absent_agents())
        self._spawn(self._resume_bot_of_ended_server())

    async def _compare_late_subscriptions(self) -> None:
        while True:
            late = await self._services.hub.wait_late_subscriptions()
            await self._try(functools.partial(self._reconciler.compare, late))

    async def _requeue_absent(self) -> None:
        while True:
            self._spawn(self._requeue_all(await self._services.absences.wait_due()))

    async def _requeue_all(self, user_id: str) -> None:
        filter_ = ConversationFilter(status="assigned", assignee_id=user_id, limit=100)
        while not (online := await self._services.presence.is_online_anywhere(user_id)):
            if online is None:
                await asyncio.sleep(RETRY_S)  # unknown during an outage of the bus; an online agent keeps the work
                continue
            try:
                conversations, _ = await self._services.store.conversations(filter_)
                for conversation in conversations:
                    await self._services.conversations.requeue(conversation)
            except StoreError as problem:
                _log.warning("requeue_failed", extra={"keys": {"error": str(problem)}})
                await asyncio.sleep(RETRY_S)
                continue
            if not conversations:
                return

    async def _find_absent_agents(self) -> None:
        """Start the timers of assigned agents who are not online, counted from the start of this server."""
        cursor: str | None = None
        while True:
            filter_ = ConversationFilter(status="assigned", cursor=cursor, limit=100)
            try:
                conversations, cursor = await self._services.store.conversations(filter_)
            except StoreError as problem:
                _log.warning("requeue_failed", extra={"keys": {"error": str(problem)}})
                await asyncio.sleep(RETRY_S)
                continue
            for conversation in conversations:
                assignee = conversation.assignee
                if assignee is not None and not self._services.presence.is_online(assignee.user_id):
                    self._services.absences.user_offline(assignee)
            if cursor is None:
                return

    async def _resume_bot(self) -> None:
        """Resume the bot's replies to recent questions that were unanswered when a server stopped."""
        oldest = format_timestamp(self._services.clock.now_ms() - RESUME_WITHIN_MS)
        cursor: str | None = None
        while True:
            try:
                filter_ = ConversationFilter(status="bot", cursor=cursor, limit=100)
                conversations, cursor = await self._services.store.conversations(filter_)
            except StoreError as problem:
                _log.warning("resume_failed", extra={"keys": {"error": str(problem)}})
                return
            for conversation in conversations:
                if conversation.updated_at < oldest:
                    return
                if not self._is_being_answered(conversation):
                    self._services.bot.resume(conversation)
            if cursor is None:
                return

    async def _resume_bot_of_ended_server(self) -> None:
        """Resume the bot's replies after a random delay; if several servers resume one, it is stored once."""
        await asyncio.sleep(self._services.settings.presence_grace_ms / 1000 * random.uniform(1.0, 1.5))
        await self._resume_bot()

    def _is_being_answered(self, conversation: Conversation) -> bool:
        hosted = self._services.hub.get(conversation.conversation_id)
        return hosted is not None and BOT.user_id in hosted.typing.users()

    async def _send_positions(self, slot: int) -> None:
        for connection in self._services.registry.all():
            if connection.joined and connection.slot % POSITION_SLOTS == slot:
                connection.socket.emit("positions", self._heads(connection))

    def _heads(self, connection: Connection) -> dict[str, int]:
        hosted = map(self._services.hub.get, connection.joined)
        return {entry.conversation.conversation_id: entry.delivered for entry in hosted if entry is not None}

    async def _check_revocations(self) -> None:
        registry = self._services.registry
        if registry:
            erased = await self._services.store.erased_lately()
            connected = [user_id for user_id in erased if registry.is_connected(user_id)]
            await lifecycle.close_revoked(self._services, [*registry.agents(), *connected])

    async def _close_revoked(self, user_id: str) -> None:
        try:
            await lifecycle.close_revoked(self._services, [user_id])
        except StoreError:
            lifecycle.revoke(self._services, user_id)  # the other server has committed the revocation

    async def _resync(self) -> None:
        await self._try(self._reconciler.run)
        await resync_presence(self._services)

    async def _look_up_users(self) -> None:
        await asyncio.sleep(LOOK_UP_DELAY_S)
        user_ids, self._unknown_users = self._unknown_users, set()
        await self._services.presence.look_up(user_ids)

    async def _measure_lag(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            await asyncio.sleep(LAG_PROBE_S)
            self._services.metrics.loop_lag.observe(max(0.0, loop.time() - began - LAG_PROBE_S))

    def _every(self, period_s: float, work: Callable[[], Awaitable[None]]) -> None:
        self._spawn(self._repeat(period_s, work))

    async def _repeat(self, period_s: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(period_s)
            await self._try(work)

    async def _try(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except StoreError as problem:
            self._logger.write(logging.WARNING, "periodic_task_failed", "store", error=str(problem))
        except Exception as problem:  # noqa: BLE001  a bug must not end the polls for revocations
            self._logger.write(logging.ERROR, "periodic_task_failed", "bug", problem=problem)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._track(asyncio.create_task(work))

    def _track(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

"""What the server does by the clock: heads for clients, the sweep, revocations, absent agents, its own lag."""

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
from chatws.server.cluster.presence_resync import correct_presence, make_amends
from chatws.server.cluster.reconciliation import Reconciler
from chatws.server.connections import lifecycle
from chatws.server.connections.registry import Connection
from chatws.server.services import Services
from chatws.store.interface import ConversationFilter, StoreError

_log = logging.getLogger("chatws.background")

POSITION_SLOTS = 30
"""Connections get their heads in turn, a part of them at a time."""

REVOCATION_POLL_S = 0.5
"""A log-out on another server, or ``chatws user disable``, takes effect within a second."""

LAG_PROBE_S = 0.5

RESUME_WITHIN_MS = 600_000
"""Questions older than this stay unanswered when a server starts."""

PRESENCE_ROUND_S = 30.0
"""How often users of other servers are asked about: when thousands leave at once, the bus may lose some of it."""

STRANGERS_WAIT_S = 0.05
"""Members of a conversation introduce themselves together."""

RETRY_S = 1.0
"""Before work that the store has refused is tried again."""


class PeriodicTasks:
    """The tasks; each goes on after a failure."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._lines = RateLimitedLogger(_log, services.clock.monotonic)
        self._sweep = Reconciler(services)
        self._tasks: set[asyncio.Task[None]] = set()
        self._amends: asyncio.Task[None] | None = None
        """Set while, or after, what the bus may have lost is made good."""
        self._strangers: set[str] = set()
        """Users of whom another server has told for the first time; asked about together."""

    def start(self) -> None:
        """Begin."""
        settings = self._services.settings
        slot_s = max(settings.positions_ms / 1000 / POSITION_SLOTS, 0.01)
        slots = iter(range(1 << 62))
        self._every(slot_s, lambda: self._send_positions(next(slots) % POSITION_SLOTS))
        self._every(max(settings.sweep_ms / 1000, 0.01), self._sweep.run)
        self._every(REVOCATION_POLL_S, self._check_revocations)
        self._every(PRESENCE_ROUND_S, lambda: correct_presence(self._services, is_complete=False))
        self._spawn(self._watch_lag())
        self._spawn(self._compare_late())
        self._spawn(self._requeue_absent())
        self._spawn(self._find_absent_agents())
        self._spawn(self._resume_bot())

    async def close(self) -> None:
        """End every task."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def make_good(self) -> None:
        """The bus is back: compare with the database at once, and with the other servers."""
        if self._amends is not None:
            self._amends.cancel()
        self._amends = asyncio.create_task(self._make_good())
        self._own(self._amends)

    def close_barred(self, user_id: str) -> None:
        """Another server has voided a user's credentials: look, and do not wait for the next round."""
        self._spawn(self._close_barred(user_id))

    def ask_about(self, user_id: str) -> None:
        """Another server has told of a user who was not known: ask the others, too."""
        self._strangers.add(user_id)
        if len(self._strangers) == 1:
            self._spawn(self._ask_about_strangers())

    def take_over_work(self) -> None:
        """Another server is gone: its agents may be, and questions to the bot that it was answering."""
        self._spawn(self._find_absent_agents())
        self._spawn(self._resume_bot_of_another())

    async def _compare_late(self) -> None:
        while True:
            late = await self._services.hub.wait_late()
            await self._try(functools.partial(self._sweep.compare, late))

    async def _requeue_absent(self) -> None:
        while True:
            self._spawn(self._requeue_all(await self._services.absences.wait_due()))

    async def _requeue_all(self, user_id: str) -> None:
        wanted = ConversationFilter(status="assigned", assignee_id=user_id, limit=100)
        while not (online := await self._services.presence.is_online_anywhere(user_id)):
            if online is None:
                await asyncio.sleep(RETRY_S)  # nobody knows while the bus is away, and an agent at work keeps the work
                continue
            try:
                conversations, _ = await self._services.store.conversations(wanted)
                for conversation in conversations:
                    await self._services.conversations.requeue(conversation)
            except StoreError as problem:
                _log.warning("requeue_failed", extra={"keys": {"error": str(problem)}})
                await asyncio.sleep(RETRY_S)
                continue
            if not conversations:
                return

    async def _find_absent_agents(self) -> None:
        """Agents who were assigned when the server stopped and do not come back count as gone since its start."""
        cursor: str | None = None
        while True:
            wanted = ConversationFilter(status="assigned", cursor=cursor, limit=100)
            try:
                conversations, cursor = await self._services.store.conversations(wanted)
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
        """Have the bot answer what it had not when the server stopped; after a while nobody waits for it any more."""
        oldest = format_timestamp(self._services.clock.now_ms() - RESUME_WITHIN_MS)
        cursor: str | None = None
        while True:
            try:
                wanted = ConversationFilter(status="bot", cursor=cursor, limit=100)
                conversations, cursor = await self._services.store.conversations(wanted)
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

    async def _resume_bot_of_another(self) -> None:
        """Leave other servers the time to answer what they were asked; where several resume, one answer is stored."""
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
        return {one.conversation.conversation_id: one.delivered for one in hosted if one is not None}

    async def _check_revocations(self) -> None:
        registry = self._services.registry
        if registry:
            erased = [
                user_id for user_id in await self._services.store.erased_lately() if registry.is_connected(user_id)
            ]
            await lifecycle.close_barred(self._services, [*registry.agents(), *erased])

    async def _close_barred(self, user_id: str) -> None:
        try:
            await lifecycle.close_barred(self._services, [user_id])
        except StoreError:
            lifecycle.revoke(self._services, user_id)  # the other server has committed it

    async def _make_good(self) -> None:
        await self._try(self._sweep.run)
        await make_amends(self._services)

    async def _ask_about_strangers(self) -> None:
        await asyncio.sleep(STRANGERS_WAIT_S)
        asked, self._strangers = self._strangers, set()
        await self._services.presence.ask_about(asked)

    async def _watch_lag(self) -> None:
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
            self._lines.write(logging.WARNING, "background_failed", "store", error=str(problem))
        except Exception as problem:  # noqa: BLE001  log-outs are looked for here: no bug may end that for good
            self._lines.write(logging.ERROR, "background_failed", "bug", problem=problem)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._own(asyncio.create_task(work))

    def _own(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

"""Users, clocks that can block the writer, and helpers of the store tests."""

from __future__ import annotations

import asyncio
import resource
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import asyncpg

from chatws.protocol.entities import User
from chatws.store import Draft, Store, Stored

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatws.protocol.entities import Message

ANN = User(user_id="ann", user_name="Ann", role="customer")
BEN = User(user_id="ben", user_name="Ben", role="customer")
AGENT = User(user_id="agent", user_name="Agnes", role="admin")
BOT = User(user_id="bot", user_name="Bot", role="bot")
START_MS = 1_700_000_000_000
POLL_S = 0.002


class StoreClock:
    """Manual clock; while paused, it blocks the thread that reads it."""

    def __init__(self) -> None:
        self.now_ms = START_MS
        self.reads = 0
        self._running = threading.Event()
        self._running.set()
        self._reader_blocked = threading.Event()

    def __call__(self) -> int:
        self.reads += 1
        self._reader_blocked.set()
        assert self._running.wait(60)
        return self.now_ms

    async def pause(self) -> None:
        """Block the next reader."""
        self._reader_blocked.clear()
        self._running.clear()

    async def resume(self) -> None:
        """Unblock the readers."""
        self._running.set()

    async def wait_until_blocked(self) -> None:
        """Wait until a reader is blocked."""
        assert await asyncio.to_thread(self._reader_blocked.wait, 60)


class LockingClock(StoreClock):
    """Clock that blocks the writer with a table lock: its reader is the event loop, which must not block."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self._lock_connection: Any = None  # while paused

    async def pause(self) -> None:
        self._lock_connection = await asyncpg.connect(self._url)
        await self._lock_connection.execute("BEGIN; LOCK TABLE messages IN SHARE MODE")

    async def resume(self) -> None:
        await self._lock_connection.close()

    async def wait_until_blocked(self) -> None:
        query = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'messages'::regclass)"
        while not await self._lock_connection.fetchval(query):  # noqa: ASYNC110  nothing announces the lock
            await asyncio.sleep(POLL_S)


class SingleBatch:
    """Context in which all jobs passed to the store are committed in one batch."""

    def __init__(self, store: Store, clock: StoreClock, conversation_id: str) -> None:
        self._store = store
        self._clock = clock
        self._conversation_id = conversation_id
        self._first: asyncio.Task[Stored] | None = None

    async def __aenter__(self) -> None:
        await self._clock.pause()
        first = Draft(self._conversation_id, BEN, "this append blocks the writer")
        self._first = asyncio.create_task(self._store.append(first))
        await self._clock.wait_until_blocked()
        self._clock.reads = 0

    async def __aexit__(self, *_: object) -> None:
        await asyncio.sleep(0)  # lets the tasks created inside queue their drafts
        await self._clock.resume()
        assert self._first is not None
        await self._first


async def new_conversation(store: Store, conversation_id: str = "room") -> str:
    """Create a conversation of Ann and return its id."""
    await store.create_conversation(conversation_id, ANN, "queued")
    return conversation_id


async def all_messages(store: Store, conversation_id: str) -> list[Message]:
    """Read all messages of a conversation, page by page."""
    found: list[Message] = []
    while True:
        page = await store.page_after(conversation_id, found[-1].seq if found else 0, 300)
        found += page.messages
        if not page.has_more:
            return found


@contextmanager
def file_size_limited(max_bytes: int) -> Iterator[None]:
    """Make the kernel reject writes beyond this file size, like a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (max_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

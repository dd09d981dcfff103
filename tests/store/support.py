"""What the store's tests share: people, a clock, and a way to hold the writer between two batches."""

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


class Clock:
    """Time stands still until the test moves it; a closed gate stops the thread that reads it."""

    def __init__(self) -> None:
        self.now_ms = START_MS
        self.readings = 0
        self._gate = threading.Event()
        self._gate.set()
        self._somebody_waits = threading.Event()

    def __call__(self) -> int:
        self.readings += 1
        self._somebody_waits.set()
        assert self._gate.wait(60)
        return self.now_ms

    async def shut(self) -> None:
        """Make the next reader wait."""
        self._somebody_waits.clear()
        self._gate.clear()

    async def open(self) -> None:
        """Let the readers go on."""
        self._gate.set()

    async def reader_waits(self) -> None:
        """Return when a reader stands at the gate."""
        assert await asyncio.to_thread(self._somebody_waits.wait, 60)


class PostgresClock(Clock):
    """Holds the writer by a lock on its table: the reader of this clock is the event loop, which must not wait."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self._holder: Any = None  # a connection, while shut

    async def shut(self) -> None:
        self._holder = await asyncpg.connect(self._url)
        await self._holder.execute("BEGIN; LOCK TABLE messages IN SHARE MODE")

    async def open(self) -> None:
        await self._holder.close()

    async def reader_waits(self) -> None:
        waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'messages'::regclass)"
        while not await self._holder.fetchval(waits):
            pass


class OneBatch:
    """Everything handed to the store inside this context is committed in one batch."""

    def __init__(self, store: Store, clock: Clock, conversation_id: str) -> None:
        self._store = store
        self._clock = clock
        self._conversation_id = conversation_id
        self._first: asyncio.Task[Stored] | None = None

    async def __aenter__(self) -> None:
        await self._clock.shut()
        first = Draft(self._conversation_id, BEN, "I hold the writer")
        self._first = asyncio.create_task(self._store.append(first))
        await self._clock.reader_waits()
        self._clock.readings = 0

    async def __aexit__(self, *_: object) -> None:
        await asyncio.sleep(0)  # lets the tasks made inside hand over their drafts
        await self._clock.open()
        assert self._first is not None
        await self._first


async def new_conversation(store: Store, conversation_id: str = "room") -> str:
    """Make a conversation of Ann's and return its id."""
    await store.create_conversation(conversation_id, ANN, "queued")
    return conversation_id


async def all_messages(store: Store, conversation_id: str) -> list[Message]:
    """Read a whole conversation, page by page."""
    found: list[Message] = []
    while True:
        page = await store.page_after(conversation_id, found[-1].seq if found else 0, 300)
        found += page.messages
        if not page.has_more:
            return found


@contextmanager
def file_size_limited(max_bytes: int) -> Iterator[None]:
    """Let the kernel refuse every write beyond this size, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (max_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

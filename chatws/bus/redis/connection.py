"""One connection to Redis, by the ``redis`` package: answers in the order of the questions, one end at the first fault.

Of the package it is the connection that is used: it logs in, writes and reads the protocol. Its clients send a command
and wait for the reply; here many are under way, and a Redis that hangs is noticed by a clock of our own.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

from redis.exceptions import RedisError, ResponseError

from chatws.bus.errors import BusUnavailable

if TYPE_CHECKING:
    from redis.asyncio.connection import AbstractConnection

    from chatws.bus.redis.url import RedisEndpoint

MAX_UNANSWERED = 1_000
"""Questions (of any number of commands) that may be under way; a Redis that is behind further than that is away."""

Reply = bytes | int | ResponseError | list["Reply"] | None
Command = tuple[bytes | str | int, ...]
Hear = Callable[[Reply], None]

_NO_REDIS = (RedisError, OSError, ValueError, RecursionError, MemoryError)
"""What the library raises when the connection ends, or when something else than Redis talks."""


class _Question:
    """Commands sent together, and the replies that have come so far."""

    __slots__ = ("answer", "missing", "replies", "sent_at")

    def __init__(self, missing: int, sent_at: float) -> None:
        self.missing = missing
        self.sent_at = sent_at
        self.replies: list[Reply] = []
        self.answer: asyncio.Future[list[Reply]] = asyncio.get_running_loop().create_future()


class RedisConnection:
    """An open connection that is watched: without an answer for ``timeout_s`` it is lost.

    It owns a task that reads and one that writes; ``close`` ends both.
    """

    def __init__(self, connection: AbstractConnection, timeout_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._connection = connection
        self._timeout_s = timeout_s
        self._questions: deque[_Question] = deque()
        self._unsent: list[Command] = []
        self._wake = asyncio.Event()
        """Set when there is something to send."""
        self._hear: Hear | None = None
        """Set once the link only listens: then it has no questions and every reply goes there."""
        self._heard_at = self._loop.time()
        self.lost: asyncio.Future[str] = self._loop.create_future()
        """Done, with the reason, when the connection has ended."""
        self._watch_at = 0.0
        self._watch = self._plan_watch()
        self._tasks = [asyncio.create_task(self._run(self._read)), asyncio.create_task(self._run(self._write))]

    async def ask(self, *commands: Command) -> list[Reply]:
        """Send commands and return their replies, among them refusals.

        Raises:
            Away: the link was lost before all had come.
        """
        if self.lost.done():
            raise BusUnavailable(self.lost.result())
        if len(self._questions) >= MAX_UNANSWERED:
            raise BusUnavailable("too much is unanswered")
        question = _Question(len(commands), self._loop.time())
        self._questions.append(question)
        self.send(*commands)
        return await question.answer

    async def demand(self, *commands: Command) -> list[Reply]:
        """Like ``ask``, but a refusal ends it.

        Raises:
            Away: one was refused, or as above.
        """
        replies = await self.ask(*commands)
        for reply in replies:
            if isinstance(reply, ResponseError):
                raise BusUnavailable(f"it refused: {words_of(reply)}")
        return replies

    def send(self, *commands: Command) -> None:
        """Send commands whose replies nobody waits for; only while listening, or from ``ask``."""
        self._unsent += commands
        self._wake.set()

    def listen(self, hear: Hear) -> None:
        """Hand every reply to ``hear`` from now on."""
        assert not self._questions, "a link that listens has no questions"
        self._hear = hear

    def lose(self, reason: str) -> None:
        """End the connection."""
        if self.lost.done():
            return
        self.lost.set_result(reason)
        self._watch.cancel()
        # The library only closes: that waits until a Redis that hangs has taken what was written.
        if (writer := self._connection._writer) is not None:  # noqa: SLF001  nothing public leads to the transport
            writer.transport.abort()
        for task in self._tasks:
            task.cancel()
        for question in self._questions:
            if not question.answer.done():
                question.answer.set_exception(BusUnavailable(reason))
                question.answer.exception()  # whoever asked may have given up
        self._questions.clear()
        self._unsent.clear()

    async def close(self, reason: str) -> None:
        """End the connection, and wait until nothing of it runs; raises what a fault of our own ended it with."""
        self.lose(reason)
        for ending in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(ending, Exception):
                raise ending

    async def _run(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except _NO_REDIS as problem:
            self.lose(words_of(problem))
        finally:
            self.lose("it failed")

    async def _read(self) -> None:
        while True:
            try:
                reply: Reply = await self._connection.read_response(disable_decoding=True, disconnect_on_error=False)
            except ResponseError as refusal:
                reply = refusal
            self._heard_at = self._loop.time()
            if self._hear is not None:
                self._hear(reply)
            else:
                self._answer(reply)

    async def _write(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            commands, self._unsent = self._unsent, []
            await self._connection.send_packed_command(self._connection.pack_commands(commands))

    def _answer(self, reply: Reply) -> None:
        if not self._questions:
            self.lose("it answered what nobody had asked")
            return
        question = self._questions[0]
        question.replies.append(reply)
        question.missing -= 1
        if not question.missing:
            self._questions.popleft()
            if not question.answer.done():
                question.answer.set_result(question.replies)

    def _plan_watch(self) -> asyncio.TimerHandle:
        self._watch_at = self._loop.time() + self._timeout_s / 2
        return self._loop.call_at(self._watch_at, self._look)

    def _look(self) -> None:
        now = self._loop.time()
        # A loop that stood still has not read what may have come meanwhile: it looks again after it has.
        stood_still = now - self._watch_at > self._timeout_s / 4
        if not stood_still and now - self._waiting_since(now) > self._timeout_s:
            self.lose(f"no answer for {self._timeout_s:g} s")
            return
        if self._hear is not None:
            self.send(("PING",))
        self._watch = self._plan_watch()

    def _waiting_since(self, now: float) -> float:
        if self._hear is not None:
            return self._heard_at  # it is pinged at every look, so it is never silent for long
        return self._questions[0].sent_at if self._questions else now


@contextlib.asynccontextmanager
async def open_connection(address: RedisEndpoint, timeout_s: float) -> AsyncIterator[RedisConnection]:
    """Connect, log in and choose the database; leaving ends it.

    Raises:
        Away: that was not possible within twice ``timeout_s``.
    """
    connection = address.connection()
    try:
        await _connect(connection, 2 * timeout_s)
        link = RedisConnection(connection, timeout_s)
        try:
            yield link
        finally:
            await link.close("not connected")
    finally:
        await connection.disconnect(nowait=True)


async def _connect(connection: AbstractConnection, timeout_s: float) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            await connection.connect()
    except TimeoutError:
        raise BusUnavailable("no connection in time") from None
    except _NO_REDIS as problem:
        raise BusUnavailable(words_of(problem)) from None


def words_of(problem: BaseException) -> str:
    """Say what happened; of a refusal also Redis's code, which the library keeps apart."""
    code = problem.status_code if isinstance(problem, RedisError) else None
    return f"{code} {problem}" if code else str(problem) or type(problem).__name__

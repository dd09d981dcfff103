"""Pipelined connection to Redis: replies in the order of the requests; the first error fails all requests in flight.

Of the ``redis`` package only the connection class is used: it authenticates, writes, and parses the protocol. The
docstring of ``chatws.bus.redis`` gives the reasons.
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

MAX_IN_FLIGHT = 1_000
"""Maximum number of requests (of any number of commands) in flight; beyond it Redis counts as unavailable."""

Reply = bytes | int | ResponseError | list["Reply"] | None
Command = tuple[bytes | str | int, ...]
ReplyHandler = Callable[[Reply], None]

_CONNECTION_ERRORS = (RedisError, OSError, ValueError, RecursionError, MemoryError)
"""Errors of the library when the connection ends, or when the peer does not use the Redis protocol."""


class _PendingRequest:
    """Commands sent together, and the replies received so far."""

    __slots__ = ("missing", "replies", "result", "sent_at")

    def __init__(self, missing: int, sent_at: float) -> None:
        self.missing = missing
        self.sent_at = sent_at
        self.replies: list[Reply] = []
        self.result: asyncio.Future[list[Reply]] = asyncio.get_running_loop().create_future()


class RedisConnection:
    """Open connection that fails when a reply is overdue by ``timeout_s``.

    It owns a reader task and a writer task; ``close`` ends both.
    """

    def __init__(self, connection: AbstractConnection, timeout_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._connection = connection
        self._timeout_s = timeout_s
        self._in_flight: deque[_PendingRequest] = deque()
        self._unsent: list[Command] = []
        self._wake = asyncio.Event()
        """Set when there are commands to send."""
        self._reply_handler: ReplyHandler | None = None
        """Set on a connection used for subscriptions only: it has no requests, and every reply goes to the handler."""
        self._last_reply_at = self._loop.time()
        self.lost: asyncio.Future[str] = self._loop.create_future()
        """Resolved with the reason when the connection has ended."""
        self._check_at = 0.0
        self._timeout_check = self._schedule_timeout_check()
        self._tasks = [asyncio.create_task(self._run(self._read)), asyncio.create_task(self._run(self._write))]

    async def request(self, *commands: Command) -> list[Reply]:
        """Send commands and return their replies, including error replies.

        Raises:
            BusUnavailable: the connection was lost before all replies arrived, or too many requests are in flight.
        """
        if self.lost.done():
            raise BusUnavailable(self.lost.result())
        if len(self._in_flight) >= MAX_IN_FLIGHT:
            raise BusUnavailable("too many requests in flight")
        pending = _PendingRequest(len(commands), self._loop.time())
        self._in_flight.append(pending)
        self.send(*commands)
        return await pending.result

    async def request_checked(self, *commands: Command) -> list[Reply]:
        """Send commands and return their replies; an error reply is raised.

        Raises:
            BusUnavailable: Redis rejected a command, or as in ``request``.
        """
        replies = await self.request(*commands)
        for reply in replies:
            if isinstance(reply, ResponseError):
                raise BusUnavailable(f"rejected: {describe_error(reply)}")
        return replies

    def send(self, *commands: Command) -> None:
        """Send commands without waiting for replies; used by ``request`` and on a subscription connection."""
        self._unsent += commands
        self._wake.set()

    def handle_replies(self, handler: ReplyHandler) -> None:
        """Pass every reply to ``handler`` from now on; the connection then serves subscriptions only."""
        assert not self._in_flight, "a subscription connection has no requests"
        self._reply_handler = handler

    def fail(self, reason: str) -> None:
        """End the connection and fail all requests in flight."""
        if self.lost.done():
            return
        self.lost.set_result(reason)
        self._timeout_check.cancel()
        self._abort_transport()
        for task in self._tasks:
            task.cancel()
        for pending in self._in_flight:
            if not pending.result.done():
                pending.result.set_exception(BusUnavailable(reason))
                pending.result.exception()  # marked as retrieved: the caller may have been cancelled
        self._in_flight.clear()
        self._unsent.clear()

    async def close(self, reason: str) -> None:
        """End the connection and wait for its tasks; raises an unexpected exception of a task."""
        self.fail(reason)
        for result in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result

    def _abort_transport(self) -> None:
        # The public disconnect() only closes, and so waits until a hung Redis has read the unsent bytes. The transport
        # has no public attribute; a test fails if this one disappears.
        if (writer := self._connection._writer) is not None:  # noqa: SLF001  see above
            writer.transport.abort()

    async def _run(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except _CONNECTION_ERRORS as error:
            self.fail(describe_error(error))
        finally:
            self.fail("internal error")

    async def _read(self) -> None:
        while True:
            try:
                reply: Reply = await self._connection.read_response(disable_decoding=True, disconnect_on_error=False)
            except ResponseError as error:
                reply = error
            self._last_reply_at = self._loop.time()
            if self._reply_handler is not None:
                self._reply_handler(reply)
            else:
                self._add_reply(reply)

    async def _write(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            commands, self._unsent = self._unsent, []
            await self._connection.send_packed_command(self._connection.pack_commands(commands))

    def _add_reply(self, reply: Reply) -> None:
        if not self._in_flight:
            self.fail("reply without a request")
            return
        pending = self._in_flight[0]
        pending.replies.append(reply)
        pending.missing -= 1
        if not pending.missing:
            self._in_flight.popleft()
            if not pending.result.done():
                pending.result.set_result(pending.replies)

    def _schedule_timeout_check(self) -> asyncio.TimerHandle:
        self._check_at = self._loop.time() + self._timeout_s / 2
        return self._loop.call_at(self._check_at, self._check_timeout)

    def _check_timeout(self) -> None:
        now = self._loop.time()
        # After the event loop was blocked, replies may wait unread: check again once they have been read.
        loop_was_blocked = now - self._check_at > self._timeout_s / 4
        if not loop_was_blocked and now - self._waiting_since(now) > self._timeout_s:
            self.fail(f"no reply for {self._timeout_s:g} s")
            return
        if self._reply_handler is not None:
            self.send(("PING",))
        self._timeout_check = self._schedule_timeout_check()

    def _waiting_since(self, now: float) -> float:
        if self._reply_handler is not None:
            return self._last_reply_at  # every check sends a PING, so replies arrive regularly
        return self._in_flight[0].sent_at if self._in_flight else now


@contextlib.asynccontextmanager
async def open_connection(endpoint: RedisEndpoint, timeout_s: float) -> AsyncIterator[RedisConnection]:
    """Connect, authenticate and select the database; leaving the context closes the connection.

    Raises:
        BusUnavailable: connecting failed or took longer than twice ``timeout_s``.
    """
    connection = endpoint.connection()
    try:
        await _connect(connection, 2 * timeout_s)
        opened = RedisConnection(connection, timeout_s)
        try:
            yield opened
        finally:
            await opened.close("not connected")
    finally:
        await connection.disconnect(nowait=True)


async def _connect(connection: AbstractConnection, timeout_s: float) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            await connection.connect()
    except TimeoutError:
        raise BusUnavailable("connecting timed out") from None
    except _CONNECTION_ERRORS as error:
        raise BusUnavailable(describe_error(error)) from None


def describe_error(error: BaseException) -> str:
    """Return the text of an error, with the Redis error code, which the library stores separately."""
    code = error.status_code if isinstance(error, RedisError) else None
    return f"{code} {error}" if code else str(error) or type(error).__name__

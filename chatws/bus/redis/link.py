"""One connection to Redis: answers in the order of the questions, and an end as a whole at the first fault."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import cast

from chatws.bus.errors import Away
from chatws.bus.redis.address import Address
from chatws.bus.redis.resp import Command, ProtocolError, Refusal, Reply, ReplyReader, encode

MAX_UNANSWERED = 1_000
"""Questions (of any number of commands) that may be under way; a Redis that is behind further than that is away."""

CLIENT_NAME = "chatws"

Hear = Callable[[Reply], None]


class _Question:
    """Commands sent together, and the replies that have come so far."""

    __slots__ = ("answer", "missing", "replies", "sent_at")

    def __init__(self, missing: int, sent_at: float) -> None:
        self.missing = missing
        self.sent_at = sent_at
        self.replies: list[Reply] = []
        self.answer: asyncio.Future[list[Reply]] = asyncio.get_running_loop().create_future()


class Link(asyncio.Protocol):
    """A connection that is watched: without an answer for ``timeout_s`` it is lost."""

    def __init__(self, timeout_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._timeout_s = timeout_s
        self._reader = ReplyReader()
        self._questions: deque[_Question] = deque()
        self._transport: asyncio.Transport | None = None
        self._hear: Hear | None = None
        """Set once the link only listens: then it has no questions and every reply goes there."""
        self._heard_at = self._loop.time()
        self._watch_at = 0.0
        self._watch: asyncio.TimerHandle | None = None
        self.lost: asyncio.Future[str] = self._loop.create_future()
        """Done, with the reason, when the connection has ended."""

    async def ask(self, *commands: Command) -> list[Reply]:
        """Send commands and return their replies, among them refusals.

        Raises:
            Away: the link was lost before all had come.
        """
        if self.lost.done():
            raise Away(self.lost.result())
        if len(self._questions) >= MAX_UNANSWERED:
            raise Away("too much is unanswered")
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
            if isinstance(reply, Refusal):
                raise Away(f"it refused: {reply}")
        return replies

    def send(self, *commands: Command) -> None:
        """Send commands whose replies nobody waits for; only while listening, or from ``ask``."""
        if self._transport is not None and not self.lost.done():
            self._transport.write(encode(*commands))

    def listen(self, hear: Hear) -> None:
        """Hand every reply to ``hear`` from now on."""
        assert not self._questions, "a link that listens has no questions"
        self._hear = hear

    def lose(self, reason: str) -> None:
        """End the connection."""
        if self.lost.done():
            return
        self.lost.set_result(reason)
        if self._watch is not None:
            self._watch.cancel()
        if self._transport is not None:
            self._transport.abort()
        for question in self._questions:
            if not question.answer.done():
                question.answer.set_exception(Away(reason))
                question.answer.exception()  # whoever asked may have given up
        self._questions.clear()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to watch."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's transports are not of asyncio's classes
        if self.lost.done():  # given up while it was being made
            self._transport.abort()
            return
        self._plan_watch()

    def data_received(self, data: bytes) -> None:
        """Hand on what is complete."""
        self._heard_at = self._loop.time()
        try:
            replies = self._reader.feed(data)
        except ProtocolError as problem:
            self.lose(f"it does not speak Redis's protocol: {problem}")
            return
        for reply in replies:
            if self._hear is not None:
                self._hear(reply)
            else:
                self._answer(reply)

    def connection_lost(self, exc: Exception | None) -> None:
        """Redis or the network ended it."""
        self.lose(str(exc) if exc else "it closed the connection")

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

    def _plan_watch(self) -> None:
        self._watch_at = self._loop.time() + self._timeout_s / 2
        self._watch = self._loop.call_at(self._watch_at, self._look)

    def _look(self) -> None:
        now = self._loop.time()
        # A loop that stood still has not read what may have come meanwhile: it looks again after it has.
        stood_still = now - self._watch_at > self._timeout_s / 4
        if not stood_still and now - self._waiting_since(now) > self._timeout_s:
            self.lose(f"no answer for {self._timeout_s:g} s")
            return
        if self._hear is not None:
            self.send(("PING",))
        self._plan_watch()

    def _waiting_since(self, now: float) -> float:
        if self._hear is not None:
            return self._heard_at  # it is pinged at every look, so it is never silent for long
        return self._questions[0].sent_at if self._questions else now


async def open_link(address: Address, timeout_s: float) -> Link:
    """Connect, log in and choose the database.

    Raises:
        Away: that was not possible within twice ``timeout_s``.
    """
    link = Link(timeout_s)
    try:
        async with asyncio.timeout(2 * timeout_s):
            await _connect(address, link)
            await _enter(link, address)
    except TimeoutError:
        link.lose("no connection in time")
        raise Away("no connection in time") from None
    except OSError as problem:
        link.lose("no connection")
        raise Away(f"no connection: {problem}") from None
    except BaseException:
        link.lose("given up")
        raise
    return link


async def _connect(address: Address, link: Link) -> None:
    loop = asyncio.get_running_loop()
    if address.path:
        await loop.create_unix_connection(lambda: link, address.path)
    else:
        await loop.create_connection(lambda: link, address.host, address.port, ssl=address.tls)


async def _enter(link: Link, address: Address) -> None:
    greeting: list[Command] = []
    if address.password:
        user = (address.username,) if address.username else ()
        greeting.append(("AUTH", *user, address.password))
    if address.database:
        greeting.append(("SELECT", address.database))
    if greeting:
        await link.demand(*greeting)
    await link.ask(("CLIENT", "SETNAME", CLIENT_NAME))  # for `CLIENT LIST`; an ACL may refuse it

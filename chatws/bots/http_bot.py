"""One remote service that answers over HTTP: asks it, and turns everything that can go wrong into a `BotError`."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TypeVar

import aiohttp
import msgspec
from aiohttp import hdrs

from chatws.bots.interface import BotError, FailureReason
from chatws.bots.sse import EventStream, ServerSentEvent, TooLong

MAX_REQUESTS = 100
"""Answers under way at once; the next question waits, within its own time."""

MAX_BODY_BYTES = 256 * 1024
MAX_DETAIL_CHARS = 200
CONNECT_TIMEOUT_S = 10.0

EVENTS = "text/event-stream"
JSON = "application/json"

T = TypeVar("T")


class HttpBotClient:
    """The service at one address. How long an answer may take is the caller's business."""

    def __init__(self, url: str, key: str | None) -> None:
        self._url = url.rstrip("/")
        self._key = key
        self._session: aiohttp.ClientSession | None = None
        """Made with the first question: it needs the running loop."""

    @asynccontextmanager
    async def post(self, path: str, body: object) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send JSON and give the response to read, if the status says that it is one.

        Raises:
            BotError: it cannot be reached, refuses, or (while it is read) breaks off.
        """
        try:
            request = self._open().post(self._url + path, data=msgspec.json.encode(body), allow_redirects=False)
            async with request as response:
                if response.status >= HTTPStatus.MULTIPLE_CHOICES:
                    raise await self._refusal(response)
                yield response
        except (aiohttp.ClientConnectorError, aiohttp.InvalidURL) as problem:
            raise self.error(str(problem), FailureReason.UNREACHABLE) from problem
        except TimeoutError as problem:
            raise self.error("no connection in time", FailureReason.TIMEOUT) from problem
        except (aiohttp.ClientError, ConnectionError) as problem:
            raise self.error(repr(problem), FailureReason.CUT) from problem

    async def events(self, response: aiohttp.ClientResponse) -> AsyncGenerator[ServerSentEvent]:
        """Read the response as an event stream; ends when the other side ends it, in whatever state.

        Raises:
            BotError: an event has no end.
        """
        stream = EventStream()
        async for chunk in response.content.iter_any():
            try:
                events = stream.feed(chunk)
            except TooLong:
                raise self.error("an endless event", FailureReason.UNREADABLE) from None
            for event in events:
                yield event

    async def read(self, response: aiohttp.ClientResponse) -> bytes:
        """Read a whole body.

        Raises:
            BotError: it is too long.
        """
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise self.error("an endless body", FailureReason.UNREADABLE)
        return bytes(body)

    def decode(self, text: bytes | str, kind: type[T]) -> T:
        """Read JSON of the remote.

        Raises:
            BotError: it is something else.
        """
        try:
            return msgspec.json.decode(text, type=kind, strict=False)
        except (msgspec.DecodeError, RecursionError, UnicodeError) as problem:
            raise self.error(str(problem), FailureReason.UNREADABLE) from None

    def error(self, detail: str, trouble: FailureReason) -> BotError:
        """Make an error whose detail may be logged: short, and without the key, whatever the remote repeats of it."""
        shown = detail.replace(self._key, "***") if self._key else detail
        return BotError(shown[:MAX_DETAIL_CHARS], trouble)

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            headers = {
                hdrs.ACCEPT: f"{EVENTS}, {JSON}",
                hdrs.ACCEPT_ENCODING: "identity",
                hdrs.CONTENT_TYPE: JSON,
                hdrs.USER_AGENT: "chatws",
            }
            if self._key:
                headers[hdrs.AUTHORIZATION] = f"Bearer {self._key}"
            self._session = aiohttp.ClientSession(
                headers=headers,
                connector=aiohttp.TCPConnector(limit=MAX_REQUESTS),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S),
            )
        return self._session

    async def _refusal(self, response: aiohttp.ClientResponse) -> BotError:
        detail = f"HTTP {response.status}"
        if (wait := response.headers.get(hdrs.RETRY_AFTER)) is not None:
            detail += f", retry after {wait}"
        with contextlib.suppress(BotError, aiohttp.ClientError):
            detail += f": {(await self.read(response)).decode(errors='replace')}"
        return self.error(detail, trouble_of_status(response.status))


def trouble_of_status(status: int) -> FailureReason:
    """Name what an HTTP status that is not a success means."""
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return FailureReason.RATE_LIMITED
    if status in {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.GATEWAY_TIMEOUT}:
        return FailureReason.TIMEOUT
    return FailureReason.FAILED if status >= HTTPStatus.INTERNAL_SERVER_ERROR else FailureReason.REFUSED

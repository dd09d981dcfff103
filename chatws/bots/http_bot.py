"""HTTP client of a bot service; every failure becomes a `BotError`."""

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
from chatws.bots.internal_addresses import ExternalResolver, InternalAddresses
from chatws.bots.sse import EventStream, EventTooLong, ServerSentEvent

MAX_REQUESTS = 100
"""Maximum number of concurrent requests; further ones wait, within their own timeout."""

MAX_BODY_BYTES = 256 * 1024
MAX_DETAIL_CHARS = 200
CONNECT_TIMEOUT_S = 10.0

EVENTS = "text/event-stream"
JSON = "application/json"

T = TypeVar("T")


class HttpBotClient:
    """Client of the service at one URL. The caller enforces the timeout of a reply."""

    def __init__(self, url: str, key: str | None, refused: InternalAddresses | None = None) -> None:
        """Create a client that does not connect to ``refused`` addresses."""
        self._url = url.rstrip("/")
        self._key = key
        self._refused = refused
        self._session: aiohttp.ClientSession | None = None
        """Created for the first request, because it needs the running event loop."""

    @asynccontextmanager
    async def post(self, path: str, body: object) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send JSON and return the open response of a successful request.

        Raises:
            BotError: the service is unreachable, returns an error status, or closes the connection during the response.
        """
        try:
            request = self._get_session().post(self._url + path, data=msgspec.json.encode(body), allow_redirects=False)
            async with request as response:
                if response.status >= HTTPStatus.MULTIPLE_CHOICES:
                    raise await self._status_error(response)
                yield response
        except (aiohttp.ClientConnectorError, aiohttp.InvalidURL) as error:
            raise self.error(str(error), FailureReason.UNREACHABLE) from error
        except TimeoutError as error:
            raise self.error("connecting timed out", FailureReason.TIMEOUT) from error
        except (aiohttp.ClientError, ConnectionError) as error:
            raise self.error(repr(error), FailureReason.CUT) from error

    async def events(self, response: aiohttp.ClientResponse) -> AsyncGenerator[ServerSentEvent]:
        """Read the response as an event stream until the service ends it; an incomplete event at the end is discarded.

        Raises:
            BotError: an event exceeds the size limit.
        """
        stream = EventStream()
        async for chunk in response.content.iter_any():
            try:
                events = stream.feed(chunk)
            except EventTooLong:
                raise self.error("event too long", FailureReason.UNREADABLE) from None
            for event in events:
                yield event

    async def read(self, response: aiohttp.ClientResponse) -> bytes:
        """Read the whole body.

        Raises:
            BotError: the body exceeds the size limit.
        """
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise self.error("body too long", FailureReason.UNREADABLE)
        return bytes(body)

    def decode(self, text: bytes | str, kind: type[T]) -> T:
        """Decode JSON of the service.

        Raises:
            BotError: the JSON is malformed or has another structure.
        """
        try:
            return msgspec.json.decode(text, type=kind, strict=False)
        except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
            raise self.error(str(error), FailureReason.UNREADABLE) from None

    def error(self, detail: str, reason: FailureReason) -> BotError:
        """Return an error with a detail that is safe to log: truncated, and with the key masked."""
        masked = detail.replace(self._key, "***") if self._key else detail
        return BotError(masked[:MAX_DETAIL_CHARS], reason)

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    def _get_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            headers = {
                hdrs.ACCEPT: f"{EVENTS}, {JSON}",
                hdrs.ACCEPT_ENCODING: "identity",
                hdrs.CONTENT_TYPE: JSON,
                hdrs.USER_AGENT: "chatws",
            }
            if self._key:
                headers[hdrs.AUTHORIZATION] = f"Bearer {self._key}"
            resolver = None if self._refused is None else ExternalResolver(self._refused)
            self._session = aiohttp.ClientSession(
                headers=headers,
                connector=aiohttp.TCPConnector(limit=MAX_REQUESTS, resolver=resolver),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S),
            )
        return self._session

    async def _status_error(self, response: aiohttp.ClientResponse) -> BotError:
        detail = f"HTTP {response.status}"
        if (retry_after := response.headers.get(hdrs.RETRY_AFTER)) is not None:
            detail += f", retry after {retry_after}"
        with contextlib.suppress(BotError, aiohttp.ClientError):
            detail += f": {(await self.read(response)).decode(errors='replace')}"
        return self.error(detail, failure_of_status(response.status))


def failure_of_status(status: int) -> FailureReason:
    """Return the failure reason of an HTTP error status."""
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return FailureReason.RATE_LIMITED
    if status in {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.GATEWAY_TIMEOUT}:
        return FailureReason.TIMEOUT
    return FailureReason.FAILED if status >= HTTPStatus.INTERNAL_SERVER_ERROR else FailureReason.REFUSED

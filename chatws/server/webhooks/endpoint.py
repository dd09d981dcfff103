"""HTTP client of the webhook's receiver; every failure becomes an outcome."""

from __future__ import annotations

from http import HTTPStatus
from typing import NamedTuple

import aiohttp
from aiohttp import hdrs

from chatws.bots.internal_addresses import ExternalResolver, InternalAddresses
from chatws.protocol.webhook_signature import WebhookSigner
from chatws.server.metrics import AttemptOutcome
from chatws.settings import mask_password

MAX_RESPONSE_BYTES = 64 * 1024
"""Part of a response that is read, and ignored, so that the connection can be used again."""

MAX_DETAIL_CHARS = 200


class Attempt(NamedTuple):
    """Outcome of one request; ``retry_after_s`` is the delay that the receiver asks for."""

    outcome: AttemptOutcome
    detail: str = ""
    retry_after_s: int = 0


class WebhookEndpoint:
    """Receiver at one URL. A response with a status from 200 to 299 accepts an event; redirects are not followed."""

    def __init__(
        self, url: str, signer: WebhookSigner, *, timeout_s: float, refused: InternalAddresses | None = None
    ) -> None:
        """Create a client that does not connect to ``refused`` addresses."""
        self._url = url
        self._signer = signer
        self._timeout_s = timeout_s
        self._refused = refused
        self._session: aiohttp.ClientSession | None = None
        """Created for the first request, because it needs the running event loop."""

    async def post(self, event_id: str, body: bytes, *, unix_s: int) -> Attempt:
        """Send an event; the request and its response take at most the time limit."""
        headers = self._signer.headers(event_id, unix_s, body)
        try:
            async with self._get_session().post(
                self._url, data=body, headers=headers, allow_redirects=False
            ) as response:
                await response.content.read(MAX_RESPONSE_BYTES)
                return _judge(response)
        except TimeoutError:
            return Attempt("timeout")
        except (aiohttp.ClientError, OSError, ValueError) as error:  # a URL that is no URL is a ValueError
            return Attempt("unreachable", mask_password(str(error))[:MAX_DETAIL_CHARS])

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    def _get_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            resolver = None if self._refused is None else ExternalResolver(self._refused)
            self._session = aiohttp.ClientSession(
                headers={
                    hdrs.ACCEPT_ENCODING: "identity",
                    hdrs.CONTENT_TYPE: "application/json",
                    hdrs.USER_AGENT: "chatws",
                },
                auto_decompress=False,
                connector=aiohttp.TCPConnector(resolver=resolver),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=self._timeout_s),
            )
        return self._session


def _judge(response: aiohttp.ClientResponse) -> Attempt:
    if HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES:
        return Attempt("delivered")
    retry_after = response.headers.get(hdrs.RETRY_AFTER, "")
    retry_after_s = int(retry_after) if retry_after.isascii() and retry_after.isdigit() else 0
    return Attempt("rejected", f"HTTP {response.status}", retry_after_s)

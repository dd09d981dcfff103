"""Receiver of the webhook of the server under test, to which the server already posts when the checks begin."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from aiohttp import web

from chatws.exit_codes import ExitCode
from chatws.protocol.webhook_signature import (
    ID_HEADER,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    BadSecret,
    BadSignature,
    WebhookSigner,
)
from chatws_loadtest.check.errors import CheckFailed
from chatws_loadtest.errors import CommandExit

SECRET_VARIABLE: Final = "CHATWS_WEBHOOK_SECRET"
ACCEPTED: Final = 204
REFUSED: Final = 500
UNVERIFIED: Final = 401


class WatchedRequest(NamedTuple):
    """Genuine request with a watched text, and the status of its answer."""

    event_id: str
    timestamp: str
    text: str
    status: int


class WebhookOptions(NamedTuple):
    """URL to which the server under test posts, on this machine, and the secret with which it signs."""

    url: str
    signer: WebhookSigner


class CheckReceiver:
    """HTTP server that accepts every genuine request, and records those whose body contains a watched text."""

    def __init__(self, options: WebhookOptions) -> None:
        self.url = options.url
        self.requests: list[WatchedRequest] = []
        self._signer = options.signer
        self._watched: Sequence[str] = ()
        self._refused_once: set[str] = set()
        # The reason why a request was not genuine. Such a request blocks its conversation: no later event arrives.
        self._problem: str | None = None
        self._changed = asyncio.Condition()

    @classmethod
    @asynccontextmanager
    async def open(cls, options: WebhookOptions) -> AsyncIterator[CheckReceiver]:
        """Listen at the host, port and path of the URL until the end of the block.

        Raises:
            CommandExit: the address cannot be opened.
        """
        receiver, parts = cls(options), urlsplit(options.url)
        app = web.Application()
        app.router.add_post(parts.path or "/", receiver._receive)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            try:
                await web.TCPSite(runner, parts.hostname, parts.port or 80).start()
            except OSError as problem:
                line = f"--webhook-url {options.url} cannot be opened on this machine: {problem.strerror}"
                raise CommandExit(line, ExitCode.USAGE) from problem
            yield receiver
        finally:
            await runner.cleanup()

    def watch(self, texts: Sequence[str], *, refused_once: str) -> None:
        """Record the requests with these texts; answer the first one with ``refused_once`` with an error."""
        self._watched, self._refused_once = texts, {refused_once}

    async def wait_accepted(self, texts: Sequence[str], timeout_s: float) -> None:
        """Wait until a request with each of the texts was accepted.

        Raises:
            CheckFailed: a request is not genuine, or one did not arrive in time.
        """
        try:
            async with asyncio.timeout(timeout_s), self._changed:
                await self._changed.wait_for(lambda: self._problem or self.accepted.issuperset(texts))
        except TimeoutError:
            missing = len(set(texts) - self.accepted)
            reason = f"{missing} of {len(texts)} messages did not arrive at {self.url} within {timeout_s:g} s"
            raise CheckFailed(reason) from None
        if self._problem is not None:
            raise CheckFailed(self._problem)

    @property
    def accepted(self) -> set[str]:
        """Watched texts of the requests that were accepted."""
        return {request.text for request in self.requests if request.status == ACCEPTED}

    async def _receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        problem = self._judge(request, body)
        self._problem = self._problem or problem
        status = UNVERIFIED if problem else self._record(request, body)
        async with self._changed:
            self._changed.notify_all()
        return web.Response(status=status)

    def _record(self, request: web.Request, body: bytes) -> int:
        """Record a genuine request if it has a watched text, and return the status of the answer."""
        # The text is looked for in the whole body, because other servers have other fields.
        text = next((text for text in self._watched if text.encode() in body), None)
        if text is None:
            return ACCEPTED
        status = REFUSED if text in self._refused_once else ACCEPTED
        self._refused_once.discard(text)
        headers = request.headers
        self.requests.append(WatchedRequest(headers[ID_HEADER], headers[TIMESTAMP_HEADER], text, status))
        return status

    def _judge(self, request: web.Request, body: bytes) -> str | None:
        """Return the reason why a request is not genuine."""
        event_id, timestamp, signature = (
            request.headers.get(name, "") for name in (ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER)
        )
        try:
            self._signer.verify(event_id, timestamp, signature, body, now_s=time.time())
        except BadSignature as problem:
            return str(problem)
        return None if event_id else f"the header {ID_HEADER} is missing"


def find_webhook(url: str | None, secret_file: Path | None) -> WebhookOptions | None:
    """Return the options of the receiver, None without a URL; the secret is that of the file, else of the variable.

    Raises:
        CommandExit: the URL or the secret cannot be used.
    """
    if url is None:
        return None
    _check_receiver_url(url)
    secret = os.environ.get(SECRET_VARIABLE, "") if secret_file is None else _read_secret(secret_file)
    if not secret:
        raise CommandExit(
            f"--webhook-url needs the secret of the webhook; give --webhook-secret-file or set {SECRET_VARIABLE}",
            ExitCode.USAGE,
        )
    try:
        return WebhookOptions(url, WebhookSigner.parse(secret))
    except BadSecret as problem:
        raise CommandExit(f"the secret of the webhook cannot be used: {problem}", ExitCode.USAGE) from problem


def _check_receiver_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme == "http" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable:
        line = f"--webhook-url {url}: not an http URL of this machine; use for example http://127.0.0.1:8080/hook"
        raise CommandExit(line, ExitCode.USAGE)


def _read_secret(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as problem:
        raise CommandExit(f"--webhook-secret-file {path}: {problem.strerror}", ExitCode.USAGE) from problem
    except UnicodeDecodeError as problem:
        raise CommandExit(f"--webhook-secret-file {path} is not UTF-8 text", ExitCode.USAGE) from problem

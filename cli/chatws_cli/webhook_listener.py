"""Receiver of ``chatws webhook listen``: verifies requests and describes them."""

from __future__ import annotations

import asyncio
import json
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from chatws.exit_codes import ExitCode
from chatws.protocol.webhook_signature import (
    ID_HEADER,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    BadSignature,
    WebhookSigner,
)
from chatws_cli.errors import CommandError
from chatws_cli.exit_signals import handle_exit_signals, restore_exit_signals
from chatws_cli.output import watch_stdout_reader
from chatws_cli.presentation.sanitize import clean_line, excerpt

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_BODY_BYTES = 256 * 1024
MAX_KNOWN_IDS = 10_000
"""Ids that are remembered to mark repeated events."""

CONTENT_COLUMNS = 80
HOST = "127.0.0.1"


class WebhookRecord(msgspec.Struct, frozen=True):
    """Received request; ``problem`` is the reason why it is not accepted, ``repeated`` marks a known id."""

    id: str
    verified: bool
    problem: str | None
    repeated: bool
    body: Any


class WebhookListener:
    """HTTP server on loopback that passes every request to ``show``.

    A verified event is answered with ``status``, any other request with 401. It ends after ``count`` requests.
    """

    def __init__(
        self, signer: WebhookSigner, show: Callable[[WebhookRecord], None], *, status: int, count: int | None
    ) -> None:
        self._signer = signer
        self._show = show
        self._status = status
        self._left = count
        self._known_ids: OrderedDict[str, None] = OrderedDict()
        self._has_bad_request = False
        self._end: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def run(self, port: int, announce: Callable[[str], None]) -> int:
        """Listen until a signal, the end of standard output or the last request, and return the exit code.

        Raises:
            CommandError: the port cannot be opened.
        """
        loop = asyncio.get_running_loop()
        handle_exit_signals(loop, self._finish)
        watch_stdout_reader(loop, lambda: self._finish(ExitCode.BROKEN_PIPE))
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.router.add_post("/{path:.*}", self._receive)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, HOST, port).start()
            announce(f"http://{HOST}:{runner.addresses[0][1]}/")
            return await self._end
        except OSError as problem:
            advice = f"try --port {port + 1}, or --port 0 for any free port"
            raise CommandError(f"port {port} cannot be opened", problem.strerror or "", advice) from problem
        finally:
            await runner.cleanup()
            restore_exit_signals(loop)

    async def _receive(self, request: web.Request) -> web.Response:
        record = self._judge(request, await request.read())
        self._show(record)
        self._has_bad_request |= not record.verified
        if self._left is not None:
            self._left -= 1
            if self._left <= 0:
                self._finish(ExitCode.FAILED if self._has_bad_request else ExitCode.DONE)
        return web.Response(status=self._status if record.verified else 401)

    def _judge(self, request: web.Request, raw: bytes) -> WebhookRecord:
        event_id, timestamp, signature = (
            request.headers.get(name, "") for name in (ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER)
        )
        problem = None
        try:
            self._signer.verify(event_id, timestamp, signature, raw, now_s=time.time())
        except BadSignature as error:
            problem = str(error)
        try:
            body = json.loads(raw)
        except (ValueError, RecursionError):
            body, problem = None, problem or "the body is not JSON"
        repeated = problem is None and self._is_known(event_id)
        return WebhookRecord(event_id, problem is None, problem, repeated, body)

    def _is_known(self, event_id: str) -> bool:
        if event_id in self._known_ids:
            return True
        self._known_ids[event_id] = None
        if len(self._known_ids) > MAX_KNOWN_IDS:
            self._known_ids.popitem(last=False)
        return False

    def _finish(self, code: int) -> None:
        if not self._end.done():
            self._end.set_result(code)


def describe(record: WebhookRecord) -> str:
    """Return a request as one line."""
    if not record.verified:
        return f"NOT VERIFIED  {record.problem}  {clean_line(record.id)}".rstrip()
    parts = [_text(record.body, "timestamp"), _text(record.body, "type"), _text(record.body, "data", "conversationId")]
    if _text(record.body, "type") == "message.created":
        parts.append(f"#{_text(record.body, 'data', 'seq')} {_text(record.body, 'data', 'sender', 'userName')}:")
        parts.append(excerpt(_text(record.body, "data", "content"), CONTENT_COLUMNS))
    else:
        parts.append(f"{_text(record.body, 'data', 'previousStatus')} -> {_text(record.body, 'data', 'status')}")
        parts += [f"{name}" for name in (_text(record.body, "data", "assignee", "userName"),) if name]
        parts += [f"({reason})" for reason in (_text(record.body, "data", "reason"),) if reason]
    if record.repeated:
        parts.append("[repeated]")
    return "  ".join(parts)


def _text(body: object, *path: str) -> str:
    """Return the value at a path of JSON objects as one line, empty if there is none."""
    for name in path:
        body = body.get(name) if isinstance(body, dict) else None
    return "" if body is None else clean_line(str(body))

"""Receiver of a webhook on a real socket, which a test can make fail, hang or disappear."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple, Self

from aiohttp import web

from tests.support.peer import TIMEOUT_S


class ReceivedWebhook(NamedTuple):
    """Request to a `WebhookReceiver`, and the status with which it was answered."""

    headers: Mapping[str, str]
    raw: bytes
    status: int

    @property
    def event_id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def body(self) -> Any:
        return json.loads(self.raw)

    @property
    def conversation_id(self) -> str:
        return str(self.body["data"]["conversationId"])

    def is_signed_with(self, secret: str) -> bool:
        """Verify the signature independently of the server's own code."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        signed = f"{self.event_id}.{self.headers['webhook-timestamp']}.".encode() + self.raw
        digest = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        return f"v1,{digest}" in self.headers["webhook-signature"].split()


class WebhookReceiver:
    """HTTP server on loopback; answers with ``status``, or hangs while ``may_answer`` is cleared.

    ``failing`` maps a conversation to the status of its answers.
    """

    def __init__(self) -> None:
        self.received: list[ReceivedWebhook] = []
        self.status = 204
        self.failing: dict[str, int] = {}
        self.headers: dict[str, str] = {}
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.open_requests = 0
        self.max_open_requests = 0
        self.port = 0
        self._changed = asyncio.Condition()
        self._runner: web.AppRunner | None = None  # while it listens

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def accepted(self) -> list[ReceivedWebhook]:
        """Events that were answered with success."""
        return [event for event in self.received if event.status < 300]

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.vanish()

    async def listen(self) -> None:
        """Listen, again on the same port after `vanish`."""
        app = web.Application()
        app.router.add_post("/hook", self._receive)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.port = self._runner.addresses[0][1]

    async def vanish(self) -> None:
        """Close all sockets."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def wait_for(self, count: int) -> list[ReceivedWebhook]:
        """Wait until this number of events was accepted, and return them."""
        async with asyncio.timeout(TIMEOUT_S), self._changed:
            await self._changed.wait_for(lambda: len(self.accepted) >= count)
        return self.accepted

    async def wait_for_requests(self, count: int) -> None:
        """Wait until this number of requests is open."""
        async with asyncio.timeout(TIMEOUT_S), self._changed:
            await self._changed.wait_for(lambda: self.open_requests >= count)

    async def wait_for_failures(self, count: int) -> None:
        """Wait until this number of requests was answered with an error."""
        async with asyncio.timeout(TIMEOUT_S), self._changed:
            await self._changed.wait_for(lambda: len(self.received) - len(self.accepted) >= count)

    async def _receive(self, request: web.Request) -> web.Response:
        raw = await request.read()
        await self._count(1)
        try:
            await self.may_answer.wait()
            if request.transport is None or request.transport.is_closing():
                return web.Response()  # the server has given up, or was killed
            status = self.failing.get(json.loads(raw)["data"]["conversationId"], self.status)
            self.received.append(ReceivedWebhook(request.headers.copy(), raw, status))
            return web.Response(status=status, headers=self.headers)
        finally:
            await self._count(-1)

    async def _count(self, change: int) -> None:
        self.open_requests += change
        self.max_open_requests = max(self.max_open_requests, self.open_requests)
        async with self._changed:
            self._changed.notify_all()


def sequences(events: list[ReceivedWebhook]) -> dict[str, list[int]]:
    """Return the sequence numbers of the messages of each conversation, in the order of arrival."""
    found: defaultdict[str, list[int]] = defaultdict(list)
    for event in events:
        if event.body["type"] == "message.created":
            found[event.conversation_id].append(event.body["data"]["seq"])
    return dict(found)

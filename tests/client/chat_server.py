"""Small chat server on python-socketio with injectable faults; its state survives a kill."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import socketio
from aiohttp import web

from tests.support.ports import reserve_port

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable

NOW = "2025-10-28T09:30:00.000Z"
TIMERS = {"typingResendMs": 2000, "typingExpireMs": 3000, "presenceGraceMs": 5000, "positionsMs": 30000}
PAGE = 5
"""Messages per page: small, so that a few messages already need several."""

Json = Any


def make_user(user_id: str) -> dict[str, str]:
    role = "admin" if user_id.startswith("agent") else "customer"
    return {"userId": user_id, "userName": user_id.title(), "role": role}


class ChatServer:
    """Server that stores messages with seq and clientMessageId; its public attributes inject faults."""

    def __init__(self) -> None:
        self.port = 0
        self.epoch = "epoch-1"
        self.messages: dict[str, list[dict[str, Json]]] = {}
        self.acks_to_drop = 0
        """Number of next messages that are stored but not acknowledged."""
        self.broadcasts_to_drop = 0
        """Number of next messages that are stored but not broadcast."""
        self.send_refusals: list[dict[str, Json]] = []
        """Replies to the next messages, which are not stored."""
        self.connect_errors: list[dict[str, Json]] = []
        """CONNECT_ERRORs for the next connections, as ``{message, data}``."""
        self.typing: list[str] = []
        self.auths: list[dict[str, str]] = []
        self.socket_ids: list[str] = []
        """Ids of the sockets that sent `auths`."""
        self.commands: list[tuple[str, Json]] = []
        """Every event received."""
        self._received = asyncio.Condition()
        self._runner: web.AppRunner | None = None
        self._reservation: socket.socket | None = None  # reserves the port from the first start on
        self._sio: socketio.AsyncServer | None = None
        self._sids: set[str] = set()
        self.emptied = asyncio.Event()
        """Set when the last connection has closed."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self, tls: ssl.SSLContext | None = None) -> None:
        """Listen, always on the same port."""
        self._sio = socketio.AsyncServer(async_mode="aiohttp", logger=False, ping_interval=25, ping_timeout=20)
        self._sio.on("connect", self._connect)
        self._sio.on("disconnect", self._disconnect)
        self._sio.on("*", self._receive)
        app = web.Application()
        self._sio.attach(app)
        self._runner = web.AppRunner(app, shutdown_timeout=0.01, handler_cancellation=True)
        await self._runner.setup()
        if self._reservation is None:
            self._reservation = reserve_port()
            self.port = self._reservation.getsockname()[1]
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True, ssl_context=tls)
        await site.start()

    async def kill(self) -> None:
        """Stop abruptly, as ``kill -9`` does: every connection is cut."""
        assert self._runner is not None
        self.cut()
        runner, self._runner, self._sio = self._runner, None, None
        self._sids.clear()
        await runner.cleanup()

    async def stop(self) -> None:
        if self._runner is not None:
            await self.kill()
        if self._reservation is not None:
            self._reservation.close()

    def cut(self) -> None:
        """Cut every connection; the server keeps running."""
        assert self._runner is not None
        assert self._runner.server is not None
        for connection in list(self._runner.server.connections):
            if connection.transport is not None:
                connection.transport.abort()

    async def wait_for(self, name: str, count: int = 1) -> list[Json]:
        """Wait for ``count`` events of a name and return their payloads."""
        async with self._received, asyncio.timeout(30):
            await self._received.wait_for(lambda: len(self.of(name)) >= count)
        return self.of(name)

    def of(self, name: str) -> list[Json]:
        """Return the payloads of all events of a name."""
        return [payload for command, payload in self.commands if command == name]

    async def emit_to_all(self, name: str, payload: Json) -> None:
        """Send an event to every connection."""
        assert self._sio is not None
        await self._sio.emit(name, payload)

    async def log_out_all(self) -> None:
        """Send DISCONNECT to every connection, with the reason."""
        assert self._sio is not None
        await self._sio.emit("error", {"message": "Logged out.", "code": "unauthorized"})
        for sid in list(self._sids):
            await self._sio.disconnect(sid)

    async def post(self, conversation_id: str, content: str, sender: str = "agent-1", client_id: str = "") -> Json:
        """Store a message and broadcast it to the room."""
        stored = self.messages.setdefault(conversation_id, [])
        seq = len(stored) + 1
        message = {
            "conversationId": conversation_id,
            "content": content,
            "sender": make_user(sender),
            "timestamp": NOW,
            "messageId": f"{conversation_id}-m{seq}",
            "seq": seq,
        }
        if client_id:
            message["clientMessageId"] = client_id
        stored.append(message)
        if self.broadcasts_to_drop:
            self.broadcasts_to_drop -= 1
        elif self._sio is not None:
            await self._sio.emit("message_received", message, room=conversation_id)
        return message

    async def _connect(self, sid: str, _environ: Json, auth: dict[str, str]) -> None:
        assert self._sio is not None
        self.auths.append(auth)
        self.socket_ids.append(sid)
        if self.connect_errors:
            refusal = self.connect_errors.pop(0)
            raise socketio.exceptions.ConnectionRefusedError(refusal["message"], refusal["data"])
        self._sids.add(sid)
        user = make_user(auth.get("sessionId") or "agent-" + auth.get("token", ""))
        identity = {**user, "expiresAt": NOW, "serverTime": NOW, "epoch": self.epoch, "timers": TIMERS}
        # The event has to follow the reply to CONNECT, which python-socketio sends when this handler returns.
        self._sio.start_background_task(self._sio.emit, "authenticated", identity, to=sid)

    def _disconnect(self, sid: str, _reason: str) -> None:
        self._sids.discard(sid)
        if not self._sids:
            self.emptied.set()

    async def _receive(self, name: str, sid: str, payload: Json = None) -> Json:
        async with self._received:
            self.commands.append((name, payload))
            self._received.notify_all()
        handler: Callable[[str, Json], Json] | None = getattr(self, f"_on_{name}", None)
        return {"success": True} if handler is None else await handler(sid, payload)

    async def _on_send_message(self, _sid: str, payload: Json) -> Json:
        if self.send_refusals:
            return self.send_refusals.pop(0)
        conversation_id, client_id = payload["conversationId"], payload["clientMessageId"]
        stored = self.messages.get(conversation_id, [])
        earlier = next((message for message in stored if message.get("clientMessageId") == client_id), None)
        message = earlier or await self.post(conversation_id, payload["content"], "ann", client_id)
        if self.acks_to_drop:
            self.acks_to_drop -= 1
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
        ack = {key: message[key] for key in ("messageId", "seq", "timestamp")}
        return {"success": True, **ack, **({"duplicate": True} if earlier else {})}

    async def _on_join_conversation(self, sid: str, payload: Json) -> Json:
        assert self._sio is not None
        request: dict[str, Json] = {"conversationId": payload} if isinstance(payload, str) else payload
        conversation_id = request["conversationId"]
        if conversation_id == "forbidden":
            return refusal("forbidden", retryable=False)
        await self._sio.enter_room(sid, conversation_id)
        stored = self.messages.setdefault(conversation_id, [])
        after = request.get("afterSeq")
        recovered = request.get("epoch", self.epoch) == self.epoch and (after or 0) <= len(stored)
        missed = stored[after:] if after is not None and recovered else []
        return {
            "success": True,
            "conversation": self.conversation(conversation_id),
            "epoch": self.epoch,
            "recovered": recovered,
            "messages": missed[:PAGE],
            "hasMore": len(missed) > PAGE,
            "readMarks": [],
            "typing": self.typing,
            "presence": [],
        }

    async def _on_history(self, _sid: str, payload: Json) -> Json:
        stored = self.messages.get(payload["conversationId"], [])
        after = payload.get("afterSeq", max(0, len(stored) - PAGE))
        page = stored[after : after + min(PAGE, payload["limit"])]
        return {
            "success": True,
            "messages": page,
            "hasMoreBefore": after > 0,
            "hasMoreAfter": after + len(page) < len(stored),
            "headSeq": len(stored),
        }

    async def _on_claim_conversation(self, _sid: str, payload: Json) -> Json:
        conversation = self.conversation(payload["conversationId"])
        if payload["version"] != conversation["version"]:
            return {**refusal("conflict", retryable=False), "conversation": conversation}
        return {"success": True, "conversation": conversation}

    async def _on_refresh_token(self, _sid: str, payload: Json) -> Json:
        user = make_user("agent-" + payload["token"])
        return {"success": True, **user, "expiresAt": NOW}

    async def _on_mark_read(self, _sid: str, payload: Json) -> Json:
        return {"success": True, "seq": payload["seq"]}

    async def _on_subscribe_inbox(self, _sid: str, _payload: Json) -> Json:
        return {"success": True, "conversations": [self.conversation(id_) for id_ in self.messages], "presence": []}

    def conversation(self, conversation_id: str) -> dict[str, Json]:
        stored = self.messages.setdefault(conversation_id, [])
        return {
            "conversationId": conversation_id,
            "status": "queued",
            "version": 1,
            "customer": make_user("ann"),
            "assignee": None,
            "createdAt": NOW,
            "updatedAt": NOW,
            "headSeq": len(stored),
            "lastMessage": stored[-1] if stored else None,
        }


def refusal(code: str, *, retryable: bool, retry_after_ms: int | None = None) -> dict[str, Json]:
    error: dict[str, Json] = {"code": code, "message": code, "retryable": retryable}
    if retry_after_ms is not None:
        error["retryAfterMs"] = retry_after_ms
    return {"success": False, "error": error}

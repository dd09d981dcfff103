"""A server that knows the guide's events and nothing else, on python-socketio; what it does wrong can be chosen."""

from __future__ import annotations

from typing import Any

import socketio
from aiohttp import web

Json = Any


class GuideOnlyServer:
    """No seq, no ids, no history: ``authenticated``, rooms, messages with an ack, typing."""

    def __init__(self) -> None:
        self.port = 0
        self._sio = socketio.AsyncServer(async_mode="aiohttp", logger=False)
        self._users: dict[str, dict[str, str]] = {}
        self._runner: web.AppRunner | None = None
        for name in (
            "connect",
            "join_conversation",
            "leave_conversation",
            "send_message",
            "typing_start",
            "typing_stop",
        ):
            self._sio.on(name, getattr(self, f"_{name}"))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        app = web.Application()
        self._sio.attach(app)
        self._runner = web.AppRunner(app, shutdown_timeout=0.01, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        assert self._runner is not None
        for sid in self._users:
            await self._sio.disconnect(sid)
        await self._runner.cleanup()

    async def _connect(self, sid: str, _environ: Json, auth: Json) -> None:
        role = "admin" if "token" in auth else "customer"
        user_id = str(auth.get("token") or auth.get("sessionId"))
        self._users[sid] = {"userId": user_id, "userName": user_id.title(), "role": role}
        await self._sio.emit("authenticated", self._users[sid], to=sid)

    async def _join_conversation(self, sid: str, conversation_id: str) -> None:
        await self._sio.enter_room(sid, f"conversation:{conversation_id}")
        await self._sio.emit("joined_conversation", {"conversationId": conversation_id}, to=sid)

    async def _leave_conversation(self, sid: str, conversation_id: str) -> None:
        await self._sio.leave_room(sid, f"conversation:{conversation_id}")
        await self._sio.emit("left_conversation", {"conversationId": conversation_id}, to=sid)

    async def _send_message(self, sid: str, message: Json) -> Json:
        broadcast = {**message, "sender": self._users[sid], "timestamp": "2025-10-28T09:30:00.000Z"}
        await self._sio.emit("message_received", broadcast, room=f"conversation:{message['conversationId']}")
        return {"success": True}

    async def _typing_start(self, sid: str, conversation_id: str) -> None:
        await self._tell_typing(sid, conversation_id, is_typing=True)

    async def _typing_stop(self, sid: str, conversation_id: str) -> None:
        await self._tell_typing(sid, conversation_id, is_typing=False)

    async def _tell_typing(self, sid: str, conversation_id: str, *, is_typing: bool) -> None:
        user = self._users[sid]
        payload = {"userId": user["userId"], "userName": user["userName"], "isTyping": is_typing}
        await self._sio.emit("typing_indicator", payload, room=f"conversation:{conversation_id}", skip_sid=sid)

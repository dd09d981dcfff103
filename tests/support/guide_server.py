"""Server of the guide's events only, on python-socketio; subclasses replace single methods to inject faults."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import socketio
from aiohttp import web

Json = Any
TYPING_S = 3.0


class GuideOnlyServer:
    """Server without seq, message ids and history: ``authenticated``, rooms, messages with an ack, typing, presence."""

    def __init__(self) -> None:
        self.port = 0
        self.users: dict[str, dict[str, str]] = {}
        """User of each connection."""
        self._sio = socketio.AsyncServer(async_mode="aiohttp", logger=False)
        self._rooms: dict[str, set[str]] = {}
        self._typing: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._runner: web.AppRunner | None = None
        for name in ("connect", "disconnect"):
            self._sio.on(name, getattr(self, f"_{name}"))
        for name in ("join_conversation", "leave_conversation", "send_message", "typing_start", "typing_stop"):
            self._sio.on(name, getattr(self, name))

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
        for timer in self._typing.values():
            timer.cancel()
        for sid in list(self.users):
            await self._sio.disconnect(sid)
        await self._runner.cleanup()

    def admit(self) -> None:
        """Accept a connection.

        Raises:
            socketio.exceptions.ConnectionRefusedError: it is refused.
        """

    async def join_conversation(self, sid: str, conversation_id: str) -> None:
        await self.enter(sid, conversation_id)
        await self._sio.emit("joined_conversation", {"conversationId": conversation_id}, to=sid)
        await self.send_presence(sid, conversation_id, "online")

    async def leave_conversation(self, sid: str, conversation_id: str) -> None:
        self._rooms[sid].discard(conversation_id)
        await self._sio.leave_room(sid, room_of(conversation_id))
        await self._sio.emit("left_conversation", {"conversationId": conversation_id}, to=sid)

    async def send_message(self, sid: str, request: Json) -> Json:
        message = {
            "conversationId": request["conversationId"],
            "content": request["content"],
            "sender": self.users[sid],
            "timestamp": now(),
        }
        await self.deliver(sid, message)
        return {"success": True}

    async def typing_start(self, sid: str, conversation_id: str) -> None:
        self._stop_timer(sid, conversation_id)
        self._typing[sid, conversation_id] = asyncio.create_task(self._expire(sid, conversation_id))
        await self.send_typing(sid, conversation_id, is_typing=True)

    async def typing_stop(self, sid: str, conversation_id: str) -> None:
        self._stop_timer(sid, conversation_id)
        await self.send_typing(sid, conversation_id, is_typing=False)

    async def enter(self, sid: str, conversation_id: str) -> None:
        """Add a connection to the room of a conversation."""
        self._rooms[sid].add(conversation_id)
        await self._sio.enter_room(sid, room_of(conversation_id))

    async def deliver(self, sid: str, message: Json) -> None:
        """Send a message to the members of its conversation; ``sid`` is its sender's connection."""
        del sid  # subclasses use it
        await self._sio.emit("message_received", message, room=room_of(message["conversationId"]))

    async def send_typing(self, sid: str, conversation_id: str, *, is_typing: bool) -> None:
        user = self.typist(sid)
        payload = {"userId": user["userId"], "userName": user["userName"], "isTyping": is_typing}
        await self._sio.emit("typing_indicator", payload, room=room_of(conversation_id), skip_sid=sid)

    async def send_presence(self, sid: str, conversation_id: str, status: str) -> None:
        payload = {"userId": self.present_user_id(sid), "status": status, "timestamp": now()}
        await self._sio.emit("presence_update", payload, room=room_of(conversation_id), skip_sid=sid)

    def typist(self, sid: str) -> dict[str, str]:
        """Return the user that is named in a typing indicator."""
        return self.users[sid]

    def present_user_id(self, sid: str) -> str:
        """Return the user id that is named in a presence update."""
        return self.users[sid]["userId"]

    async def _connect(self, sid: str, _environ: Json, auth: Json) -> None:
        self.admit()
        role = "admin" if "token" in auth else "customer"
        user_id = str(auth.get("token") or auth.get("sessionId"))
        self.users[sid] = {"userId": user_id, "userName": user_id.title(), "role": role}
        self._rooms[sid] = set()
        await self._sio.emit("authenticated", self.users[sid], to=sid)

    async def _disconnect(self, sid: str, _reason: str) -> None:
        user_id = self.users[sid]["userId"]
        for conversation_id in self._rooms.pop(sid):
            self._stop_timer(sid, conversation_id)
            others = [other for other, rooms in self._rooms.items() if conversation_id in rooms]
            if all(self.users[other]["userId"] != user_id for other in others):
                await self.send_presence(sid, conversation_id, "offline")
        del self.users[sid]

    def _stop_timer(self, sid: str, conversation_id: str) -> None:
        if (timer := self._typing.pop((sid, conversation_id), None)) is not None:
            timer.cancel()

    async def _expire(self, sid: str, conversation_id: str) -> None:
        await asyncio.sleep(TYPING_S)
        del self._typing[sid, conversation_id]
        await self.send_typing(sid, conversation_id, is_typing=False)


def room_of(conversation_id: str) -> str:
    """Return the name of a conversation's room."""
    return f"conversation:{conversation_id}"


def now() -> str:
    """Return the current time as the guide's clients expect it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

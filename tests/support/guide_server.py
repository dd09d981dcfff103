"""Server of the guide's events only, on python-socketio, with configurable faults."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import socketio
from aiohttp import web

Json = Any
TYPING_S = 3.0
MAX_HOLD_S = 1.0
"""A message held back for reordering is sent after this time if its sender sends no other."""


@dataclass(frozen=True, slots=True)
class ServerFaults:
    """Faults of the server; ``*_every`` is the number of messages of which one is affected, 0 for none."""

    slow_s: float = 0.0
    """Delay of every broadcast and ack."""
    busy_s: float = 0.0
    """Time that each message takes, one after another: at a higher rate, messages wait longer and longer."""
    drop_every: int = 0
    double_every: int = 0
    swap_every: int = 0
    """The message is held back until its sender's next one has been broadcast."""
    stalled_after_reconnect: bool = False
    """A join after a reconnect is confirmed, but the client is not added to the room."""
    acks: bool = True
    max_connections: int | None = None
    """Connections beyond this number are refused."""
    reply: Json = None
    """Ack in place of the guide's."""
    silent: bool = False
    """Neither typing nor presence is sent."""


class GuideOnlyServer:
    """Server without seq, message ids and history: ``authenticated``, rooms, messages with an ack, typing."""

    def __init__(self, faults: ServerFaults | None = None) -> None:
        self.port = 0
        self._faults = faults or ServerFaults()
        self._sio = socketio.AsyncServer(async_mode="aiohttp", logger=False)
        self._users: dict[str, dict[str, str]] = {}
        self._seen: set[tuple[str, str]] = set()
        self._held: dict[str, Json] = {}
        self._expiring: dict[str, asyncio.Task[None]] = {}
        self._messages = 0
        self._releasing: asyncio.Future[None] | None = None
        self._runner: web.AppRunner | None = None
        self._working = asyncio.Lock()
        commands = ("join_conversation", "leave_conversation", "send_message", "typing_start", "typing_stop")
        for name in ("connect", "disconnect", *commands):
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
        for sid in list(self._expiring):
            self._cancel_expiry(sid)
        for sid in self._users:
            await self._sio.disconnect(sid)
        await self._runner.cleanup()

    async def _connect(self, sid: str, _environ: Json, auth: Json) -> None:
        if self._faults.max_connections is not None and len(self._users) >= self._faults.max_connections:
            raise socketio.exceptions.ConnectionRefusedError("the server is full")
        role = "admin" if "token" in auth else "customer"
        user_id = str(auth.get("token") or auth.get("sessionId"))
        self._users[sid] = {"userId": user_id, "userName": user_id.title(), "role": role}
        await self._sio.emit("authenticated", self._users[sid], to=sid)

    async def _disconnect(self, sid: str) -> None:
        self._cancel_expiry(sid)
        for room in self._sio.rooms(sid):
            _, prefix, conversation_id = room.rpartition("conversation:")
            if prefix:
                await self._announce(sid, conversation_id, "offline")

    async def _join_conversation(self, sid: str, conversation_id: str) -> None:
        member = (conversation_id, self._users[sid]["userId"])
        if member not in self._seen or not self._faults.stalled_after_reconnect:
            await self._sio.enter_room(sid, f"conversation:{conversation_id}")
        self._seen.add(member)
        await self._sio.emit("joined_conversation", {"conversationId": conversation_id}, to=sid)
        await self._announce(sid, conversation_id, "online")

    async def _leave_conversation(self, sid: str, conversation_id: str) -> None:
        await self._sio.leave_room(sid, f"conversation:{conversation_id}")
        await self._sio.emit("left_conversation", {"conversationId": conversation_id}, to=sid)

    async def _send_message(self, sid: str, message: Json) -> Json:
        broadcast = {**message, "sender": self._users[sid], "timestamp": now()}
        self._messages += 1
        number, faults = self._messages, self._faults
        if faults.slow_s:
            await asyncio.sleep(faults.slow_s)
        if faults.busy_s:
            async with self._working:
                await asyncio.sleep(faults.busy_s)
        if not _is_affected(number, faults.drop_every):
            if _is_affected(number, faults.swap_every) and sid not in self._held:
                self._held[sid] = broadcast
                asyncio.get_running_loop().call_later(MAX_HOLD_S, self._release, sid)
            else:
                await self._broadcast(broadcast)
                if _is_affected(number, faults.double_every):
                    await self._broadcast(broadcast)
                if sid in self._held:
                    await self._broadcast(self._held.pop(sid))
        if not faults.acks:
            await asyncio.Event().wait()
        return self._faults.reply or {"success": True}

    async def _typing_start(self, sid: str, conversation_id: str) -> None:
        self._cancel_expiry(sid)
        self._expiring[sid] = asyncio.create_task(self._expire_typing(sid, conversation_id))
        await self._broadcast_typing(sid, conversation_id, is_typing=True)

    async def _typing_stop(self, sid: str, conversation_id: str) -> None:
        self._cancel_expiry(sid)
        await self._broadcast_typing(sid, conversation_id, is_typing=False)

    async def _expire_typing(self, sid: str, conversation_id: str) -> None:
        await asyncio.sleep(TYPING_S)
        await self._broadcast_typing(sid, conversation_id, is_typing=False)

    def _cancel_expiry(self, sid: str) -> None:
        if (expiring := self._expiring.pop(sid, None)) is not None:
            expiring.cancel()

    async def _announce(self, sid: str, conversation_id: str, status: str) -> None:
        if self._faults.silent:
            return
        payload = {"userId": self._users[sid]["userId"], "status": status, "timestamp": now()}
        await self._sio.emit("presence_update", payload, room=f"conversation:{conversation_id}", skip_sid=sid)

    def _release(self, sid: str) -> None:
        if sid in self._held:
            self._releasing = asyncio.ensure_future(self._broadcast(self._held.pop(sid)))

    async def _broadcast(self, broadcast: Json) -> None:
        room = f"conversation:{broadcast['conversationId']}"
        await self._sio.emit("message_received", broadcast, room=room)

    async def _broadcast_typing(self, sid: str, conversation_id: str, *, is_typing: bool) -> None:
        if self._faults.silent:
            return
        user = self._users[sid]
        payload = {"userId": user["userId"], "userName": user["userName"], "isTyping": is_typing}
        await self._sio.emit("typing_indicator", payload, room=f"conversation:{conversation_id}", skip_sid=sid)


def now() -> str:
    """Return the current time in the guide's form."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _is_affected(number: int, every: int) -> bool:
    return every > 0 and number % every == 0

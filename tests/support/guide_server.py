"""A server that knows the guide's events and nothing else, on python-socketio; what it does wrong can be chosen."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import socketio
from aiohttp import web

Json = Any
HELD_S = 1.0
"""What is held back for a message that never comes is lost to nobody."""


@dataclass(frozen=True, slots=True)
class Faults:
    """What the server does wrong; ``every`` is how many messages come to one that suffers."""

    slow_s: float = 0.0
    """Messages are broadcast and acked so much later."""
    drop_every: int = 0
    double_every: int = 0
    swap_every: int = 0
    """Such a message is held back until its sender's next one has gone out."""
    deaf_after_reconnect: bool = False
    """Who connects again is told that it has joined, and is not in the room."""
    acks: bool = True


class GuideOnlyServer:
    """No seq, no ids, no history: ``authenticated``, rooms, messages with an ack, typing."""

    def __init__(self, faults: Faults | None = None) -> None:
        self.port = 0
        self._faults = faults or Faults()
        self._sio = socketio.AsyncServer(async_mode="aiohttp", logger=False)
        self._users: dict[str, dict[str, str]] = {}
        self._seen: set[tuple[str, str]] = set()
        self._held: dict[str, Json] = {}
        self._messages = 0
        self._releasing: asyncio.Future[None] | None = None
        self._runner: web.AppRunner | None = None
        names = ("connect", "join_conversation", "leave_conversation", "send_message", "typing_start", "typing_stop")
        for name in names:
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
        member = (conversation_id, self._users[sid]["userId"])
        if member not in self._seen or not self._faults.deaf_after_reconnect:
            await self._sio.enter_room(sid, f"conversation:{conversation_id}")
        self._seen.add(member)
        await self._sio.emit("joined_conversation", {"conversationId": conversation_id}, to=sid)

    async def _leave_conversation(self, sid: str, conversation_id: str) -> None:
        await self._sio.leave_room(sid, f"conversation:{conversation_id}")
        await self._sio.emit("left_conversation", {"conversationId": conversation_id}, to=sid)

    async def _send_message(self, sid: str, message: Json) -> Json:
        broadcast = {**message, "sender": self._users[sid], "timestamp": "2025-10-28T09:30:00.000Z"}
        self._messages += 1
        number, faults = self._messages, self._faults
        if faults.slow_s:
            await asyncio.sleep(faults.slow_s)
        if not _is_hit(number, faults.drop_every):
            if _is_hit(number, faults.swap_every) and sid not in self._held:
                self._held[sid] = broadcast
                asyncio.get_running_loop().call_later(HELD_S, self._release, sid)
            else:
                await self._tell(broadcast)
                if _is_hit(number, faults.double_every):
                    await self._tell(broadcast)
                if sid in self._held:
                    await self._tell(self._held.pop(sid))
        if not faults.acks:
            await asyncio.Event().wait()
        return {"success": True}

    async def _typing_start(self, sid: str, conversation_id: str) -> None:
        await self._tell_typing(sid, conversation_id, is_typing=True)

    async def _typing_stop(self, sid: str, conversation_id: str) -> None:
        await self._tell_typing(sid, conversation_id, is_typing=False)

    def _release(self, sid: str) -> None:
        if sid in self._held:
            self._releasing = asyncio.ensure_future(self._tell(self._held.pop(sid)))

    async def _tell(self, broadcast: Json) -> None:
        room = f"conversation:{broadcast['conversationId']}"
        await self._sio.emit("message_received", broadcast, room=room)

    async def _tell_typing(self, sid: str, conversation_id: str, *, is_typing: bool) -> None:
        user = self._users[sid]
        payload = {"userId": user["userId"], "userName": user["userName"], "isTyping": is_typing}
        await self._sio.emit("typing_indicator", payload, room=f"conversation:{conversation_id}", skip_sid=sid)


def _is_hit(number: int, every: int) -> bool:
    return every > 0 and number % every == 0

"""Chat server on python-socketio, aiohttp and uvloop, in memory, without authentication, limits and database."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import socketio
import uvloop
from aiohttp import web

from chatws_loadtest.server_process import HOST

Payload = dict[str, Any]


class StockChat:
    """Handlers of the events that the load sends."""

    def __init__(self, server: socketio.AsyncServer) -> None:
        self._server = server
        self._users: dict[str, Payload] = {}
        self._heads: Counter[str] = Counter()
        server.on("connect", self.connect)
        server.on("disconnect", self.disconnect)
        server.on("join_conversation", self.join_conversation)
        server.on("send_message", self.send_message)

    async def connect(self, sid: str, _environ: Payload, auth: Payload) -> None:
        role = "admin" if "token" in auth else "customer"
        user = self._users[sid] = {"userId": sid, "userName": "Bench", "role": role}
        await self._server.emit("authenticated", user, to=sid)

    def disconnect(self, sid: str, _reason: str) -> None:
        self._users.pop(sid, None)

    async def join_conversation(self, sid: str, conversation_id: str) -> Payload:
        await self._server.enter_room(sid, f"conversation:{conversation_id}")
        await self._server.emit("joined_conversation", {"conversationId": conversation_id}, to=sid)
        return {"success": True}

    async def send_message(self, sid: str, sent: Payload) -> Payload:
        conversation_id = sent["conversationId"]
        self._heads[conversation_id] += 1
        stored = {
            "messageId": str(uuid.uuid4()),
            "seq": self._heads[conversation_id],
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }
        message = {**sent, "sender": self._users[sid], **stored}
        await self._server.emit("message_received", message, room=f"conversation:{conversation_id}")
        return {"success": True, **stored}


async def serve() -> None:
    """Listen on a free port, print it, and serve until the process is ended."""
    server = socketio.AsyncServer(async_mode="aiohttp")
    StockChat(server)
    application = web.Application()
    server.attach(application)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, HOST, 0).start()
    print(f"listening on http://{HOST}:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve())

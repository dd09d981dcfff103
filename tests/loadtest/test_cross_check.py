"""Ledger fed by python-socketio's client: its counts do not depend on our client."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import socketio

from chatws_loadtest.ledger import Balance, Ledger

if TYPE_CHECKING:
    from tests.support.server import ServerProcess

PAIRS, MESSAGES = 3, 10
Json = Any


class SocketIOMember:
    """Member of a room on python-socketio's client, used as its documentation shows."""

    def __init__(self, ledger: Ledger, room: int, member: int, conversation_id: str) -> None:
        self._ledger = ledger
        self._room = room
        self._member = member
        self._conversation_id = conversation_id
        self._ready = asyncio.Event()
        self.client = socketio.AsyncClient(reconnection=False)
        self.client.on("authenticated", self._on_authenticated)
        self.client.on("message_received", self._on_message)

    async def enter(self, url: str, auth: dict[str, str]) -> None:
        await self.client.connect(url, auth=auth, transports=["websocket"], wait_timeout=30)
        await self._ready.wait()
        joined = await self.client.call("join_conversation", self._conversation_id)
        self._ledger.enter(self._room, self._member, joined["conversation"]["headSeq"], time.perf_counter())

    async def send_message(self) -> None:
        now_s = time.perf_counter()
        number = self._ledger.send(self._room, self._member, now_s, now_s)
        message = {"conversationId": self._conversation_id, "content": f"{self._member} {number}"}
        ack = await self.client.call("send_message", message)
        self._ledger.ack(number, ack["seq"], time.perf_counter())

    async def _on_authenticated(self, _identity: Json) -> None:
        self._ready.set()

    async def _on_message(self, message: Json) -> None:
        sender, number = map(int, message["content"].split())
        self._ledger.receive(
            self._room, self._member, sender=sender, number=number, seq=message["seq"], now_s=time.perf_counter()
        )


async def test_socketio_client_has_a_clean_balance(shared_server: ServerProcess) -> None:
    ledger = Ledger()
    members: list[SocketIOMember] = []
    for room in range(PAIRS):
        ledger.open_room(room, 2)
        session = shared_server.new_session()
        auths = ({"sessionId": session["sessionId"]}, {"token": shared_server.sign_token(f"cross-check-{room}")})
        for index, auth in enumerate(auths):
            members.append(SocketIOMember(ledger, room, index, session["conversationId"]))
            await members[-1].enter(shared_server.url, auth)
    for _ in range(MESSAGES):
        await asyncio.gather(*(member.send_message() for member in members))
    async with asyncio.timeout(30):
        while not ledger.is_settled:  # noqa: ASYNC110 - the ledger has no event to wait for
            await asyncio.sleep(0)
    for member in members:
        await member.client.disconnect()
    total = PAIRS * 2 * MESSAGES
    assert ledger.balance() == Balance(sent=total, acked=total, delivered=total)
    assert {metric: len(samples) for metric, samples in ledger.samples.take().items()} == {
        "send_lag": total,
        "ack": total,
        "message": total,
    }

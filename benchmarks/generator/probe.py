"""Bare WebSocket client beside each generator: the server's ack latency at that time, without the generator's delay."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Self

from benchmarks.common.client import BenchmarkConnection, connect
from benchmarks.common.schedule import clock_s
from chatws.protocol.commands import SendMessage
from chatws_loadtest.server_process import HOST

if TYPE_CHECKING:
    import msgspec

    from chatws_loadtest.ipc import RoomAssignment

INTERVAL_S: Final = 0.02


class AckProbe:
    """Connection that sends fifty messages per second in its own conversation, within the context."""

    def __init__(self, port: int, room: RoomAssignment) -> None:
        self.acks_us: list[int] = []
        self._port = port
        self._room = room
        self._connection: BenchmarkConnection | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._connection = await connect(HOST, self._port, self._room.members[0], lambda _name, _raw: None)
        await self._connection.request("join_conversation", self._room.conversation_id)
        self._task = asyncio.create_task(self._send(self._connection))
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        assert self._connection is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._connection.close()

    async def _send(self, connection: BenchmarkConnection) -> None:
        message = SendMessage(conversation_id=self._room.conversation_id, content="." * 80)
        scheduled_s = clock_s()
        while True:
            scheduled_s += INTERVAL_S
            await asyncio.sleep(max(0.0, scheduled_s - clock_s()))
            # From the actual time of sending: a delay of this process is not the server's.
            sent_s = clock_s()

            def record(_: msgspec.Raw, sent_s: float = sent_s) -> None:
                self.acks_us.append(round((clock_s() - sent_s) * 1e6))

            connection.emit("send_message", message, record)

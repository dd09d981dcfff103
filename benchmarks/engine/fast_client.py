"""Client that parses only what the counters need, so that the generator uses less CPU than Node's server.

The number of a message is the first eight digits of its content, and the id of its ack.
"""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec

from benchmarks.common.client import OPEN_TIMEOUT_S, BenchmarkConnection
from benchmarks.engine.counters import FIRST_NUMBER, DeliveryCounters
from chatws.wire.frames import Opcode, client_frame
from chatws_loadtest.server_process import HOST

_NUMBER_DIGITS: Final = len(str(FIRST_NUMBER))
_MASK: Final = b"\x5a\xc3\x1e\x97"
_TEXT_HEAD: Final = 0x80 | Opcode.TEXT
_LENGTH_BYTES: Final = {126: 2, 127: 8}
_HEAD_END: Final = b"\r\n\r\n"
_EVENT: Final = b'42["message_received"'
_ACK: Final = b"43"
_CONTENT: Final = b'"content":"'
_SUCCESS: Final = b'"success":true'


class FastConnection(BenchmarkConnection):
    """Connection of a member of at most one room; `DeliveryCounters` records what it receives."""

    def __init__(self, credentials: dict[str, str], host: str, counters: DeliveryCounters) -> None:
        super().__init__(credentials, host, _ignore)
        self.is_sender = False
        """Whether the deliveries are echoes of this connection's own messages."""
        self._counters = counters
        # Number of the newest message received: numbers rise, and a room has one sender.
        self._newest = 0
        # The received part of an incomplete frame, or of the response to the upgrade request.
        self._incomplete = b""
        self._is_upgraded = False

    def send_message(self, number: int, conversation_id: str, content_chars: int) -> None:
        """Send the message with this number."""
        content = str(number).ljust(content_chars, ".")
        packet = (
            f'42{number}["send_message",{{"conversationId":"{conversation_id}","content":"{content}",'
            f'"clientMessageId":"bench-{number}"}}]'
        )
        self._write(client_frame(packet.encode(), _MASK))

    def data_received(self, data: bytes) -> None:
        if self._incomplete:
            data = self._incomplete + data
        if not self._is_upgraded:
            head, end, rest = data.partition(_HEAD_END)
            if not end:
                self._incomplete = data
                return
            self._is_upgraded = True
            super().data_received(head + end)
            data = rest
        at = 0
        while (span := _payload_span(data, at)) is not None:
            if data[at] != _TEXT_HEAD or not self._count(data, *span):
                super().data_received(data[at : span[1]])
            at = span[1]
        self._incomplete = data[at:]

    def _count(self, data: bytes, start: int, end: int) -> bool:
        """Count a delivery or an ack of the load; return False for other packets, which the protocol parses."""
        if data.startswith(_EVENT, start):
            at = data.index(_CONTENT, start, end) + len(_CONTENT)
            number = int(data[at : at + _NUMBER_DIGITS])
            self._counters.deliver(number, in_order=number > self._newest, is_echo=self.is_sender)
            self._newest = number
            return True
        if data.startswith(_ACK, start):
            bracket = data.index(b"[", start, end)
            number = int(data[start + len(_ACK) : bracket])
            if number >= FIRST_NUMBER:
                self._counters.ack(number, success=data.find(_SUCCESS, bracket, end) > 0)
                return True
        return False


async def open_fast_connection(
    port: int, credentials: dict[str, str], counters: DeliveryCounters, *, is_recovered: bool = False
) -> FastConnection:
    """Open a connection and return once the server has sent ``authenticated``.

    Unless ``is_recovered``, it asks for no connection state recovery, as the clients of chatws do, and the other
    servers offer none; ``make bench-integrations`` measures its cost.

    Raises:
        ConnectionFailed: the server refused the credentials or ended the connection.
        OSError: no server listens on the port.
        TimeoutError: the server did not reply within 30 s.
    """
    loop = asyncio.get_running_loop()
    auth = credentials if is_recovered else {**credentials, "recovery": "off"}
    _, connection = await loop.create_connection(lambda: FastConnection(auth, f"{HOST}:{port}", counters), HOST, port)
    async with asyncio.timeout(OPEN_TIMEOUT_S):
        await connection.opened
    return connection


def _payload_span(data: bytes, at: int) -> tuple[int, int] | None:
    """Return start and end of the payload of a server's frame; None if the frame is incomplete."""
    if len(data) < at + 2:
        return None
    size, start = data[at + 1], at + 2
    if (length_bytes := _LENGTH_BYTES.get(size)) is not None:
        start += length_bytes
        size = int.from_bytes(data[start - length_bytes : start], "big")
    return (start, start + size) if start + size <= len(data) else None


def _ignore(_name: str, _raw: msgspec.Raw) -> None:
    return None

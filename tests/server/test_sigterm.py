"""SIGTERM under load: connected clients are notified, and each send gets a reply."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import aiohttp

from tests.conftest import StartServer
from tests.support.peer import Closed, Payload, Peer

CUSTOMERS = 20
MESSAGES_BEFORE = 10


class Sender:
    """Client that sends without waiting for replies until ``server_draining``, and keeps reading."""

    def __init__(self, peer: Peer, conversation_id: str) -> None:
        self.peer = peer
        self._conversation_id = conversation_id
        self.answers: list[asyncio.Future[Payload]] = []

    async def send_until_draining(self) -> None:
        while not self.peer.seen("server_draining"):
            content = str(len(self.answers))
            payload = {"conversationId": self._conversation_id, "content": content, "clientMessageId": f"m-{content}"}
            self.answers.append(await self.peer.start("send_message", payload))
            await asyncio.sleep(0.002)

    async def outcome(self) -> tuple[int, int, int]:
        """Return the numbers of sends that were acked, rejected with ``draining``, and neither."""
        acks = await asyncio.gather(*self.answers, return_exceptions=True)
        acked = sum(isinstance(ack, dict) and ack["success"] for ack in acks)
        draining = sum(isinstance(ack, dict) and ack.get("error", {}).get("code") == "draining" for ack in acks)
        return acked, draining, len(acks) - acked - draining


async def test_every_send_of_a_reading_client_is_acked_or_rejected(start_server: StartServer) -> None:
    server = await asyncio.to_thread(start_server, "--limits", "off")
    senders = []
    for number in range(CUSTOMERS):
        peer = await Peer.connect(server.url, {"sessionId": f"session-{number}"})
        assert (await peer.call("join_conversation", f"conv-{number}"))["success"]
        senders.append(Sender(peer, f"conv-{number}"))
    sending = [asyncio.create_task(sender.send_until_draining()) for sender in senders]
    await asyncio.gather(*(sender.peer.expect("message_received", seq=MESSAGES_BEFORE) for sender in senders))
    assert await asyncio.to_thread(server.terminate) == 143
    await asyncio.gather(*sending)
    outcomes = [await sender.outcome() for sender in senders]
    assert [sender.peer.close_code for sender in senders] == [1012] * CUSTOMERS
    assert sum(acked for acked, _, _ in outcomes) >= CUSTOMERS * MESSAGES_BEFORE
    assert [unknown for _, _, unknown in outcomes] == [0] * CUSTOMERS
    for sender in senders:
        await sender.peer.close()
    assert "Traceback" not in server.stderr.text


async def test_polling_client_receives_the_drain_notice_and_is_closed(start_server: StartServer) -> None:
    server = await asyncio.to_thread(start_server)
    url = f"{server.url}/socket.io/?EIO=4&transport=polling"
    async with aiohttp.ClientSession() as http:
        async with http.get(url) as response:
            sid = (await response.text()).split('"sid":"')[1].split('"')[0]
        async with http.post(f"{url}&sid={sid}", data='40{"sessionId":"session-1"}') as response:
            assert response.status == 200
        output = ""
        while "authenticated" not in output:
            async with http.get(f"{url}&sid={sid}") as response:
                output += await response.text()
        code = asyncio.create_task(asyncio.to_thread(server.terminate))
        with suppress(aiohttp.ClientError):
            while "server_draining" not in output or not code.done():
                async with http.get(f"{url}&sid={sid}") as response:
                    if response.status != 200:
                        break
                    output += await response.text()
        assert "server_draining" in output
        assert await code == 143


async def test_stalled_client_does_not_delay_the_end_of_the_process(start_server: StartServer) -> None:
    server = await asyncio.to_thread(start_server, "--limits", "off")
    stalled = await Peer.connect(server.url, {"sessionId": "session-1"}, buffer_bytes=4096)
    assert (await stalled.call("join_conversation", "conv-1"))["success"]
    stalled.pause_reading()
    sender = await Peer.connect(server.url, {"sessionId": "session-1"})
    assert (await sender.call("join_conversation", "conv-1"))["success"]
    for _ in range(60):
        message = {"conversationId": "conv-1", "content": "x" * 3_900}
        assert (await sender.call("send_message", message))["success"]
    assert await asyncio.to_thread(server.terminate) == 143
    assert await sender.wait_closed() == 1012
    await sender.close()
    with suppress(Closed):
        await stalled.close()

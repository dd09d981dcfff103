"""SIGTERM in the middle of everything: who listens is told, and no send is left without an answer."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import aiohttp

from tests.conftest import StartServer
from tests.support.peer import Closed, Payload, Peer

CUSTOMERS = 20
MESSAGES_BEFORE = 10


class Sender:
    """Sends without waiting for answers until it is told that the server drains; reads all the time."""

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
        """How many were acked, refused ``draining``, and neither."""
        acks = await asyncio.gather(*self.answers, return_exceptions=True)
        acked = sum(isinstance(ack, dict) and ack["success"] for ack in acks)
        draining = sum(isinstance(ack, dict) and ack.get("error", {}).get("code") == "draining" for ack in acks)
        return acked, draining, len(acks) - acked - draining


async def test_every_send_of_a_client_that_listens_is_acked_or_refused(start_server: StartServer) -> None:
    server = await asyncio.to_thread(start_server, "--limits", "off")
    senders = []
    for number in range(CUSTOMERS):
        peer = await Peer.connect(server.url, {"sessionId": f"session-{number}"})
        assert (await peer.ask("join_conversation", f"conv-{number}"))["success"]
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


async def test_polling_client_hears_of_the_drain_and_is_let_go(start_server: StartServer) -> None:
    server = await asyncio.to_thread(start_server)
    url = f"{server.url}/socket.io/?EIO=4&transport=polling"
    async with aiohttp.ClientSession() as http:
        async with http.get(url) as response:
            sid = (await response.text()).split('"sid":"')[1].split('"')[0]
        async with http.post(f"{url}&sid={sid}", data='40{"sessionId":"session-1"}') as response:
            assert response.status == 200
        heard = ""
        while "authenticated" not in heard:
            async with http.get(f"{url}&sid={sid}") as response:
                heard += await response.text()
        code = asyncio.create_task(asyncio.to_thread(server.terminate))
        with suppress(aiohttp.ClientError):
            while "server_draining" not in heard or not code.done():
                async with http.get(f"{url}&sid={sid}") as response:
                    if response.status != 200:
                        break
                    heard += await response.text()
        assert "server_draining" in heard
        assert await code == 143


async def test_client_that_does_not_read_does_not_hold_the_process(start_server: StartServer) -> None:
    server = await asyncio.to_thread(start_server, "--limits", "off")
    deaf = await Peer.connect(server.url, {"sessionId": "session-1"}, buffer_bytes=4096)
    assert (await deaf.ask("join_conversation", "conv-1"))["success"]
    deaf.pause_reading()
    talker = await Peer.connect(server.url, {"sessionId": "session-1"})
    assert (await talker.ask("join_conversation", "conv-1"))["success"]
    for _ in range(60):
        message = {"conversationId": "conv-1", "content": "x" * 3_900}
        assert (await talker.ask("send_message", message))["success"]
    assert await asyncio.to_thread(server.terminate) == 143
    assert await talker.wait_closed() == 1012
    await talker.close()
    with suppress(Closed):
        await deaf.close()

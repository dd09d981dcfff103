"""Crash test: three kill -9 while all clients send; no acked message is lost, none is delivered twice."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import defaultdict
from contextlib import AsyncExitStack, suppress

import pytest

from chatws.client import AgentClient, CustomerClient, MessageReceived, RestClient, SendHandle
from chatws.client.base import ChatClient
from tests.conftest import StartServer
from tests.support.chat import until
from tests.support.server import ServerProcess

AGENTS = 10
KILLS = 3
CONNECTING_AT_ONCE = 10
RECONNECT_TIMEOUT_S = 90.0
SEED = 20251028
SEND_INTERVAL_S = (0.6, 2.4)
"""Bounds of the time between two messages of a client."""


class RecordingClient:
    """SDK client with the messages that it sent and received."""

    def __init__(self, client: ChatClient, conversation_id: str) -> None:
        self.client = client
        self.conversation_id = conversation_id
        self.sent: list[SendHandle] = []
        self.received: list[MessageReceived] = []
        client.on_message_received(self._record)

    def _record(self, event: MessageReceived) -> None:
        if event.message.conversation_id == self.conversation_id:
            self.received.append(event)

    async def send_messages(self, rng: random.Random, stop: asyncio.Event) -> None:
        """Post messages, also while disconnected."""
        for number in itertools.count():
            if stop.is_set():
                return
            self.sent.append(self.client.post_message(self.conversation_id, f"{id(self)} {number}"))
            await asyncio.sleep(rng.uniform(*SEND_INTERVAL_S))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("conversations", [15, pytest.param(100, marks=pytest.mark.extended)])
async def test_acked_messages_survive_kill_nine_and_arrive_exactly_once(
    start_server: StartServer, conversations: int
) -> None:
    server = await asyncio.to_thread(start_server)
    rng = random.Random(SEED)
    async with AsyncExitStack() as stack:
        members = await _connect(stack, server, conversations)
        done = asyncio.Event()
        sending = [asyncio.create_task(member.send_messages(rng, done)) for member in members]
        for kill in range(1, KILLS + 1):
            await asyncio.sleep(rng.uniform(0.5, 1.5))
            await asyncio.to_thread(server.restart)
            await _all_reconnected(members, kill)
        done.set()
        await asyncio.gather(*sending)
        posted = [handle for member in members for handle in member.sent]
        acks = await asyncio.wait_for(asyncio.gather(*(handle.done for handle in posted)), 60)
        stored = await _stored(server, members)

        expected = {(handle.conversation_id, ack.seq): handle.content for handle, ack in zip(posted, acks, strict=True)}
        assert stored == expected, "the store has exactly the acked messages"
        seqs = defaultdict(list)
        for conversation_id, seq in sorted(stored):
            seqs[conversation_id].append(seq)
        assert all(stored_seqs == list(range(1, len(stored_seqs) + 1)) for stored_seqs in seqs.values())
        for member in members:
            assert await _has_all(member, seqs[member.conversation_id]), _describe(member, seqs)
            own = [handle.content for handle in member.sent]
            received = [event.message.content for event in member.received]
            assert [content for content in received if content in set(own)] == own, (
                "messages of a client keep their order"
            )


async def _connect(stack: AsyncExitStack, server: ServerProcess, conversations: int) -> list[RecordingClient]:
    tokens = [server.sign_token(f"agent-{number}") for number in range(AGENTS)]
    sessions = await asyncio.to_thread(lambda: [server.new_session() for _ in range(conversations)])
    limit = asyncio.Semaphore(CONNECTING_AT_ONCE)

    async def join(client: ChatClient, conversation_id: str) -> RecordingClient:
        async with limit:
            await stack.enter_async_context(client)
            member = RecordingClient(client, conversation_id)
            await client.join_conversation(conversation_id, after_seq=0)
            return member

    clients = [
        (client, session["conversationId"])
        for number, session in enumerate(sessions)
        for client in (
            CustomerClient(server.url, session["sessionId"]),
            AgentClient(server.url, tokens[number % AGENTS]),
        )
    ]
    return await asyncio.gather(*(join(client, conversation_id) for client, conversation_id in clients))


async def _all_reconnected(members: list[RecordingClient], times: int) -> None:
    """Wait until all clients have reconnected this often; one that has not noticed its loss is connected, too."""

    def has_reconnected(client: ChatClient) -> bool:
        return client.stats().reconnects >= times and client.state == "connected"

    await until(lambda: all(has_reconnected(member.client) for member in members), timeout_s=RECONNECT_TIMEOUT_S)


async def _stored(server: ServerProcess, members: list[RecordingClient]) -> dict[tuple[str, int], str]:
    """Read all messages over REST, as an agent."""
    stored: dict[tuple[str, int], str] = {}
    async with RestClient(server.url, token=server.sign_token("auditor")) as rest:
        for conversation_id in {member.conversation_id for member in members}:
            after = 0
            while True:
                page = await rest.messages(conversation_id, after_seq=after, limit=100)
                for message in page.messages:
                    assert (conversation_id, message.seq) not in stored
                    stored[conversation_id, message.seq] = message.content
                if not page.has_more_after:
                    break
                after = page.messages[-1].seq
    return stored


async def _has_all(member: RecordingClient, seqs: list[int]) -> bool:
    """Wait until the client has received as many messages as the store has, then compare."""
    with suppress(TimeoutError):
        await until(lambda: len(member.received) >= len(seqs))
    return [event.message.seq for event in member.received] == seqs


def _describe(member: RecordingClient, seqs: dict[str, list[int]]) -> str:
    received = [event.message.seq for event in member.received]
    return f"{member.client.state}: received {received}, stored up to {seqs[member.conversation_id][-1]}"

"""kill -9 of a server three times while 200 clients send: no acked message is lost, none is shown twice."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import defaultdict
from contextlib import AsyncExitStack, suppress

from chatws.client import AgentClient, CustomerClient, MessageReceived, RestClient, SendHandle
from chatws.client.base import ChatClient
from tests.conftest import StartServer
from tests.support.chat import until
from tests.support.server import ServerProcess

CONVERSATIONS = 100
AGENTS = 20
KILLS = 3
SEED = 20251028
PAUSE_S = (0.3, 1.2)
"""Range of the pause between two messages of one client."""


class KillTestMember:
    """One client with the messages that it sent and was shown."""

    def __init__(self, client: ChatClient, conversation_id: str) -> None:
        self.client = client
        self.conversation_id = conversation_id
        self.sent: list[SendHandle] = []
        self.shown: list[MessageReceived] = []
        client.on_message_received(self._show)

    def _show(self, received: MessageReceived) -> None:
        if received.message.conversation_id == self.conversation_id:
            self.shown.append(received)

    async def send_messages(self, rng: random.Random, until: asyncio.Event) -> None:
        """Post messages, whatever the state of the connection."""
        for number in itertools.count():
            if until.is_set():
                return
            self.sent.append(self.client.post_message(self.conversation_id, f"{id(self)} {number}"))
            await asyncio.sleep(rng.uniform(*PAUSE_S))


async def test_every_acked_message_survives_kill_nine_and_reaches_every_member_once(start_server: StartServer) -> None:
    server = await asyncio.to_thread(start_server)
    rng = random.Random(SEED)
    async with AsyncExitStack() as stack:
        members = await _connect(stack, server)
        done = asyncio.Event()
        sending = [asyncio.create_task(member.send_messages(rng, done)) for member in members]
        for _ in range(KILLS):
            await asyncio.sleep(rng.uniform(0.5, 1.5))
            await asyncio.to_thread(server.restart)
            await _all_connected(members)
        done.set()
        await asyncio.gather(*sending)
        posted = [pending for member in members for pending in member.sent]
        acks = await asyncio.wait_for(asyncio.gather(*(pending.done for pending in posted)), 60)
        stored = await _stored(server, members)

        expected = {
            (pending.conversation_id, ack.seq): pending.content for pending, ack in zip(posted, acks, strict=True)
        }
        assert stored == expected, "the stored messages are the acked ones, each once"
        seqs = defaultdict(list)
        for conversation_id, seq in sorted(stored):
            seqs[conversation_id].append(seq)
        assert all(found == list(range(1, len(found) + 1)) for found in seqs.values())
        for member in members:
            assert await _settled(member, seqs[member.conversation_id]), _describe(member, seqs)
            own = [pending.content for pending in member.sent]
            shown = [received.message.content for received in member.shown]
            assert [content for content in shown if content in set(own)] == own, (
                "one client's messages keep their order"
            )
        assert sum(member.client.stats().reconnects for member in members) >= KILLS * len(members)


async def _connect(stack: AsyncExitStack, server: ServerProcess) -> list[KillTestMember]:
    tokens = [server.sign_token(f"agent-{number}") for number in range(AGENTS)]
    sessions = await asyncio.to_thread(lambda: [server.new_session() for _ in range(CONVERSATIONS)])
    members = []
    for number, session in enumerate(sessions):
        customer = CustomerClient(server.url, session["sessionId"])
        agent = AgentClient(server.url, tokens[number % AGENTS])
        for client in (customer, agent):
            await stack.enter_async_context(client)
            members.append(KillTestMember(client, session["conversationId"]))
            await client.join_conversation(session["conversationId"], after_seq=0)
    return members


async def _all_connected(members: list[KillTestMember]) -> None:
    """Wait until every client has reconnected."""
    await until(lambda: all(member.client.state == "connected" for member in members), timeout_s=30)


async def _stored(server: ServerProcess, members: list[KillTestMember]) -> dict[tuple[str, int], str]:
    """Return all messages, read over REST as an agent."""
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


async def _settled(member: KillTestMember, seqs: list[int]) -> bool:
    """Wait until the member was shown as many messages as are stored; return whether they are the same."""
    with suppress(TimeoutError):
        await until(lambda: len(member.shown) >= len(seqs))
    return [received.message.seq for received in member.shown] == seqs


def _describe(member: KillTestMember, seqs: dict[str, list[int]]) -> str:
    shown = [received.message.seq for received in member.shown]
    return f"{member.client.state}: shown {shown}, stored up to {seqs[member.conversation_id][-1]}"

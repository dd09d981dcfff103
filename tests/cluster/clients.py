"""SDK clients that send during every fault, with a record of the messages each was shown."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from chatws.client import AgentClient, ClientOptions, CustomerClient
from tests.support.chat import until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AsyncExitStack

    from chatws.client import MessageReceived, SendHandle
    from chatws.client.base import ChatClient
    from chatws.protocol.entities import Presence
    from tests.cluster.environment import ClusterEnvironment

AGENTS = 8
POLLING_EVERY = 10
"""One conversation of this number uses long-polling."""

SILENT_AGENT_EVERY = 10
"""In one conversation of this number the agent sends nothing, so that a server cannot detect a gap by its messages."""

PAUSE_S = (4.5, 9.0)
"""Range of the pause between two messages of one client."""

NEWCOMERS = 3
"""Conversations that begin during a fault."""

CONNECTING_AT_ONCE = 10
SETTLE_TIMEOUT_S = 60.0
PRESENCE_TIMEOUT_S = 20.0
"""Longest time that users of a crashed server may appear online (contract)."""


@dataclass
class FaultPhase:
    """Measurements during one fault; times in seconds."""

    name: str
    posted: int = 0
    acks: list[float] = field(default_factory=list)
    deliveries: list[float] = field(default_factory=list)
    joins: list[float] = field(default_factory=list)
    outside_commit_s: float = 0.0
    """Average duration of a send without its commit, where it was measured."""
    settled: float = 0.0
    presence: float = 0.0
    reconnects: int = 0
    copies: int = 0
    """Repeated messages that clients dropped."""

    def __str__(self) -> str:
        return (
            f"{self.name:<26} {self.posted:>5} sent, ack {_spread(self.acks)}, delivery {_spread(self.deliveries)}, "
            f"joins {_spread(self.joins)}, {self.outside_commit_s * 1_000:.1f} ms outside a commit, "
            f"{self.reconnects:>3} reconnects, {self.copies:>3} copies, "
            f"settled {self.settled:4.1f} s and presence right {self.presence:4.1f} s after its end"
        )


class ConversationMember:
    """One client with the messages that it sent and was shown."""

    def __init__(
        self, clients: ClusterClients, client: ChatClient, conversation_id: str, *, is_silent: bool = False
    ) -> None:
        self.client = client
        self.conversation_id = conversation_id
        self.is_silent = is_silent
        self.sent: list[SendHandle] = []
        self.shown: list[int] = []
        self.presence: dict[str, str] = {}
        """Last received status of each other user."""
        self.left = asyncio.Event()
        self._clients = clients
        client.on_message_received(self._show)
        client.on_presence_update(self._update_presence)

    @property
    def user_id(self) -> str:
        assert self.client.user is not None
        return self.client.user.user_id

    async def send_messages(self, rng: random.Random) -> None:
        """Post messages until `leave`, whatever the state of the connection."""
        await asyncio.sleep(rng.uniform(0, PAUSE_S[1]))
        for number in itertools.count():
            if self.left.is_set():
                return
            self._clients.post(self, f"{id(self)} {number}")
            await asyncio.sleep(rng.uniform(*PAUSE_S))

    async def leave(self) -> None:
        """Wait for all acks, then disconnect for the rest of the test."""
        self.left.set()
        await asyncio.gather(*(pending.done for pending in self.sent))
        await self.client.disconnect()

    def _show(self, received: MessageReceived) -> None:
        assert received.message.conversation_id == self.conversation_id
        self.shown.append(received.seq)
        if not received.own:
            self._clients.delivered(received.content)

    def _update_presence(self, presence: Presence) -> None:
        self.presence[presence.user_id] = presence.status


class ClusterClients:
    """All clients, in conversations of one customer and one agent."""

    def __init__(self, environment: ClusterEnvironment, conversations: int, seed: int) -> None:
        self.pairs: list[tuple[ConversationMember, ConversationMember]] = []
        self.phase = FaultPhase("quiet")
        self._environment = environment
        self._conversations = conversations
        self._rng = random.Random(seed)
        self.seen: set[str] = set()
        """Contents shown to the other member."""
        self._posted_at: dict[str, float] = {}
        self._sending: list[asyncio.Task[None]] = []

    @property
    def members(self) -> list[ConversationMember]:
        """Members that have not left."""
        return [member for pair in self.pairs for member in pair if not member.left.is_set()]

    async def connect(self, stack: AsyncExitStack) -> None:
        """Connect all clients through nginx, some of them with polling."""
        server = self._environment.servers[0]
        sessions = await asyncio.to_thread(lambda: [server.new_session() for _ in range(self._conversations)])
        tokens = [server.sign_token(f"agent-{number}") for number in range(AGENTS)]
        limit = asyncio.Semaphore(CONNECTING_AT_ONCE)

        async def join(client: ChatClient, conversation_id: str, *, is_silent: bool = False) -> ConversationMember:
            async with limit:
                member = ConversationMember(self, client, conversation_id, is_silent=is_silent)
                await stack.enter_async_context(client)
                await client.join_conversation(conversation_id, after_seq=0)
                return member

        async def pair(number: int) -> tuple[ConversationMember, ConversationMember]:
            transport: Literal["polling", "websocket"] = "websocket" if number % POLLING_EVERY else "polling"
            options = ClientOptions(transports=(transport,))
            session = sessions[number]
            customer = CustomerClient(self._environment.url, session["sessionId"], options=options)
            agent = AgentClient(self._environment.url, tokens[number % AGENTS], options=options)
            conversation_id, is_silent = session["conversationId"], number % SILENT_AGENT_EVERY == 1
            return await join(customer, conversation_id), await join(agent, conversation_id, is_silent=is_silent)

        self.pairs = await asyncio.gather(*map(pair, range(self._conversations)))

    async def connect_newcomers(self, stack: AsyncExitStack, name: str) -> list[ConversationMember]:
        """Connect more clients, two for each new conversation, without joining it."""
        server = self._environment.servers[0]
        members = []
        for number in range(NEWCOMERS):
            session = await asyncio.to_thread(server.new_session)
            customer = CustomerClient(self._environment.url, session["sessionId"])
            agent = AgentClient(self._environment.url, server.sign_token(f"{name}-{number}"))
            members += [ConversationMember(self, client, session["conversationId"]) for client in (customer, agent)]
        await asyncio.gather(*(stack.enter_async_context(member.client) for member in members))
        return members

    async def join_newcomers(self, members: list[ConversationMember]) -> None:
        """Let newcomers join at the same time and send like the others."""
        began, phase = time.monotonic(), self.phase

        async def join(member: ConversationMember) -> None:
            await member.client.join_conversation(member.conversation_id, after_seq=0)
            phase.joins.append(time.monotonic() - began)

        await asyncio.gather(*map(join, members))
        self.pairs += list(zip(members[::2], members[1::2], strict=True))
        self._start_sending(members)

    def start_sending(self) -> None:
        """Let all members send."""
        self._start_sending(self.members)

    def _start_sending(self, members: list[ConversationMember]) -> None:
        self._sending += [asyncio.create_task(one.send_messages(self._rng)) for one in members if not one.is_silent]

    async def stop_sending(self) -> None:
        """Cancel all senders."""
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)

    def post(self, member: ConversationMember, content: str) -> None:
        """Post a message of a member."""
        posted_at, phase = time.monotonic(), self.phase
        self._posted_at[content] = posted_at
        phase.posted += 1
        pending = member.client.post_message(member.conversation_id, content)
        pending.done.add_done_callback(lambda _: phase.acks.append(time.monotonic() - posted_at))
        member.sent.append(pending)

    def delivered(self, content: str) -> None:
        """Record that the other member was shown a content."""
        self.seen.add(content)
        self.phase.deliveries.append(time.monotonic() - self._posted_at[content])

    async def check(self) -> None:
        """Compare all messages sent so far with the database and with the messages shown to each member.

        Raises:
            AssertionError: a message was lost, repeated or shown out of order.
        """
        began = time.monotonic()
        posted = self.posted()
        acks = await asyncio.wait_for(asyncio.gather(*(pending.done for pending in posted)), SETTLE_TIMEOUT_S)
        await self._wait_shown(posted)
        self.phase.settled = time.monotonic() - began
        stored = await self._environment.stored()
        lost = [
            pending
            for pending, ack in zip(posted, acks, strict=True)
            if stored.get((pending.conversation_id, ack.seq)) != pending.content
        ]
        assert not lost, f"acked and not stored: {len(lost)}"
        assert len({(pending.conversation_id, ack.seq) for pending, ack in zip(posted, acks, strict=True)}) == len(
            posted
        )
        for member in self.members:
            assert member.shown == list(range(1, len(member.shown) + 1)), _describe(member)

    async def check_all(self) -> int:
        """Compare all messages after the last one was sent; return their number.

        Raises:
            AssertionError: the stored messages are not exactly the sent ones.
        """
        await self.check()
        posted = self.posted()
        expected = {(pending.conversation_id, pending.done.result().seq): pending.content for pending in posted}
        assert await self._environment.stored() == expected
        for member in self.members:
            own = [seq for conversation_id, seq in expected if conversation_id == member.conversation_id]
            assert member.shown == sorted(own), _describe(member)
        return len(posted)

    async def check_presence(self) -> None:
        """Wait until each member has received the right status of the other one.

        Raises:
            AssertionError: it took longer than the contract allows.
        """
        began = time.monotonic()
        try:
            await until(lambda: next(self._wrong_presence(), None) is None, PRESENCE_TIMEOUT_S)
        except TimeoutError:
            raise AssertionError(f"presence is wrong: {list(self._wrong_presence())[:10]}") from None
        self.phase.presence = time.monotonic() - began

    def _wrong_presence(self) -> Iterator[str]:
        """Describe each wrong last status that a member has received."""
        for customer, agent in self.pairs:
            for observer, other in ((customer, agent), (agent, customer)):
                shown = observer.presence.get(other.user_id)
                if not observer.left.is_set() and shown != ("offline" if other.left.is_set() else "online"):
                    yield f"{observer.user_id} received {other.user_id} {shown}"

    def reconnects(self) -> int:
        """Return the number of reconnects so far."""
        return sum(member.client.stats().reconnects for pair in self.pairs for member in pair)

    def copies(self) -> int:
        """Return the number of repeated messages that clients dropped so far, such as after a join during a send."""
        return sum(member.client.stats().duplicates_dropped for pair in self.pairs for member in pair)

    def gaps(self) -> int:
        """Return the number of gaps that clients filled so far."""
        return sum(member.client.stats().gaps_filled for pair in self.pairs for member in pair)

    def posted(self) -> list[SendHandle]:
        """Return all messages sent so far."""
        return [pending for pair in self.pairs for member in pair for pending in member.sent]

    def incomplete(self, posted: list[SendHandle]) -> list[str]:
        """Describe the members that were not shown all acked messages among these."""
        return [_describe(member) for member in self._members_behind(self._heads(posted))]

    def _members_behind(self, heads: Mapping[str, int]) -> Iterator[ConversationMember]:
        """Yield the members that were not shown all messages up to the head of their conversation."""
        return (member for member in self.members if len(member.shown) < heads[member.conversation_id])

    def _heads(self, posted: list[SendHandle]) -> Mapping[str, int]:
        """Return the highest acked ``seq`` of these messages by conversation."""
        heads: dict[str, int] = defaultdict(int)
        for pending in posted:
            if pending.done.done():
                heads[pending.conversation_id] = max(heads[pending.conversation_id], pending.done.result().seq)
        return heads

    async def _wait_shown(self, posted: list[SendHandle]) -> None:
        # All of them have been acked, so that only the shown messages change.
        heads = self._heads(posted)
        try:
            await until(lambda: next(self._members_behind(heads), None) is None, SETTLE_TIMEOUT_S)
        except TimeoutError:
            raise AssertionError(f"never shown: {self.incomplete(posted)[:5]}") from None


def _describe(member: ConversationMember) -> str:
    return f"{member.user_id} ({member.client.state}) in {member.conversation_id}: shown {member.shown}"


def _spread(seconds: list[float]) -> str:
    """Format p50, p99 and maximum in milliseconds."""
    if not seconds:
        return "-"
    ordered = sorted(seconds)
    ranks = [ordered[round(share * (len(ordered) - 1))] * 1_000 for share in (0.5, 0.99, 1.0)]
    return "/".join(f"{rank:.0f}" for rank in ranks) + " ms"

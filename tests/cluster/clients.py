"""Three hundred people who talk through whatever happens, and what each of them was shown."""

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
    from contextlib import AsyncExitStack

    from chatws.client import MessageReceived, SendHandle
    from chatws.client.base import ChatClient
    from chatws.protocol.entities import Presence
    from tests.cluster.environment import Site

CONVERSATIONS = 150
AGENTS = 20
POLLING_EVERY = 10
"""One conversation in so many comes by long-polling."""

LISTENING_EVERY = 10
"""In one conversation of so many the agent is silent, so that nothing it says shows a server what it has missed."""

PAUSE_S = (3.0, 6.0)
"""Between two messages of one client."""

NEWCOMERS = 3
"""Conversations that begin while something goes wrong."""

CONNECTING_AT_ONCE = 10
SETTLE_TIMEOUT_S = 60.0
PRESENCE_TIMEOUT_S = 20.0
"""From the contract: as long as a crashed server's users may seem online."""


@dataclass
class Phase:
    """What was seen while one thing went wrong; times in seconds."""

    name: str
    posted: int = 0
    acks: list[float] = field(default_factory=list)
    deliveries: list[float] = field(default_factory=list)
    joins: list[float] = field(default_factory=list)
    beside_commit: float = 0.0
    """What servers spent on a send on average beside its commit, where that was looked at."""
    settled: float = 0.0
    presence: float = 0.0
    reconnects: int = 0
    copies: int = 0
    """Messages that clients were sent again, and dropped."""

    def __str__(self) -> str:
        return (
            f"{self.name:<26} {self.posted:>5} sent, ack {_spread(self.acks)}, delivery {_spread(self.deliveries)}, "
            f"joins {_spread(self.joins)}, {self.beside_commit * 1_000:.1f} ms beside a commit, "
            f"{self.reconnects:>3} reconnects, {self.copies:>3} copies, "
            f"settled {self.settled:4.1f} s and presence right {self.presence:4.1f} s after its end"
        )


class Member:
    """One client, what it sent and what it was shown."""

    def __init__(self, crowd: Crowd, client: ChatClient, conversation_id: str, *, listens: bool = False) -> None:
        self.client = client
        self.conversation_id = conversation_id
        self.listens = listens
        self.sent: list[SendHandle] = []
        self.shown: list[int] = []
        self.presence: dict[str, str] = {}
        """What it was told last of each other user."""
        self.gone = asyncio.Event()
        self._crowd = crowd
        client.on_message_received(self._show)
        client.on_presence_update(self._note)

    @property
    def user_id(self) -> str:
        assert self.client.user is not None
        return self.client.user.user_id

    async def talk(self, dice: random.Random) -> None:
        """Post messages until it is told to go, whatever becomes of the connection."""
        await asyncio.sleep(dice.uniform(0, PAUSE_S[1]))
        for number in itertools.count():
            if self.gone.is_set():
                return
            self._crowd.post(self, f"{id(self)} {number}")
            await asyncio.sleep(dice.uniform(*PAUSE_S))

    async def leave(self) -> None:
        """Go for good, without what was not acked yet being lost to the account."""
        self.gone.set()
        await asyncio.gather(*(pending.done for pending in self.sent))
        await self.client.disconnect()

    def _show(self, received: MessageReceived) -> None:
        assert received.message.conversation_id == self.conversation_id
        self.shown.append(received.seq)
        if not received.own:
            self._crowd.delivered(received.content)

    def _note(self, presence: Presence) -> None:
        self.presence[presence.user_id] = presence.status


class Crowd:
    """Everybody, in conversations of a customer and an agent."""

    def __init__(self, site: Site, seed: int) -> None:
        self.pairs: list[tuple[Member, Member]] = []
        self.phase = Phase("quiet")
        self._site = site
        self._dice = random.Random(seed)
        self.seen: set[str] = set()
        """What has been shown to the other one."""
        self._posted_at: dict[str, float] = {}
        self._talks: list[asyncio.Task[None]] = []

    @property
    def members(self) -> list[Member]:
        """Those who are still there."""
        return [member for pair in self.pairs for member in pair if not member.gone.is_set()]

    async def connect(self, stack: AsyncExitStack) -> None:
        """Let everybody come in through nginx, some of them polling."""
        server = self._site.servers[0]
        sessions = await asyncio.to_thread(lambda: [server.new_session() for _ in range(CONVERSATIONS)])
        tokens = [server.sign_token(f"agent-{number}") for number in range(AGENTS)]
        gate = asyncio.Semaphore(CONNECTING_AT_ONCE)

        async def enter(client: ChatClient, conversation_id: str, *, listens: bool = False) -> Member:
            async with gate:
                member = Member(self, client, conversation_id, listens=listens)
                await stack.enter_async_context(client)
                await client.join_conversation(conversation_id, after_seq=0)
                return member

        async def pair(number: int) -> tuple[Member, Member]:
            transport: Literal["polling", "websocket"] = "websocket" if number % POLLING_EVERY else "polling"
            options = ClientOptions(transports=(transport,))
            session = sessions[number]
            customer = CustomerClient(self._site.url, session["sessionId"], options=options)
            agent = AgentClient(self._site.url, tokens[number % AGENTS], options=options)
            conversation_id, listens = session["conversationId"], number % LISTENING_EVERY == 1
            return await enter(customer, conversation_id), await enter(agent, conversation_id, listens=listens)

        self.pairs = await asyncio.gather(*map(pair, range(CONVERSATIONS)))

    async def call(self, stack: AsyncExitStack, name: str) -> list[Member]:
        """Have a few more people connect, two for each conversation; they are in none yet."""
        server = self._site.servers[0]
        members = []
        for number in range(NEWCOMERS):
            session = await asyncio.to_thread(server.new_session)
            customer = CustomerClient(self._site.url, session["sessionId"])
            agent = AgentClient(self._site.url, server.sign_token(f"{name}-{number}"))
            members += [Member(self, client, session["conversationId"]) for client in (customer, agent)]
        await asyncio.gather(*(stack.enter_async_context(member.client) for member in members))
        return members

    async def let_in(self, members: list[Member]) -> None:
        """Have them join, all at once, and talk like everybody."""
        began, phase = time.monotonic(), self.phase

        async def enter(member: Member) -> None:
            await member.client.join_conversation(member.conversation_id, after_seq=0)
            phase.joins.append(time.monotonic() - began)

        await asyncio.gather(*map(enter, members))
        self.pairs += list(zip(members[::2], members[1::2], strict=True))
        self._have_talk(members)

    def talk(self) -> None:
        """Have everybody begin to talk."""
        self._have_talk(self.members)

    def _have_talk(self, members: list[Member]) -> None:
        self._talks += [asyncio.create_task(one.talk(self._dice)) for one in members if not one.listens]

    async def fall_silent(self) -> None:
        """Have nobody begin another message."""
        for talk in self._talks:
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    def post(self, member: Member, content: str) -> None:
        """Have a member send something."""
        posted_at, phase = time.monotonic(), self.phase
        self._posted_at[content] = posted_at
        phase.posted += 1
        pending = member.client.post_message(member.conversation_id, content)
        pending.done.add_done_callback(lambda _: phase.acks.append(time.monotonic() - posted_at))
        member.sent.append(pending)

    def delivered(self, content: str) -> None:
        """Note that the other one was shown it."""
        self.seen.add(content)
        self.phase.deliveries.append(time.monotonic() - self._posted_at[content])

    async def check(self) -> None:
        """Hold everything that was sent until now against the database and against what everybody was shown.

        Raises:
            AssertionError: something was lost, repeated, or shown in another order.
        """
        began = time.monotonic()
        posted = self.posted()
        acks = await asyncio.wait_for(asyncio.gather(*(pending.done for pending in posted)), SETTLE_TIMEOUT_S)
        await self._until_shown(posted)
        self.phase.settled = time.monotonic() - began
        stored = await self._site.stored()
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
        """Hold the whole account, when nobody sends any more; return how many messages there were.

        Raises:
            AssertionError: what is stored is not what was sent, each once.
        """
        await self.check()
        posted = self.posted()
        expected = {(pending.conversation_id, pending.done.result().seq): pending.content for pending in posted}
        assert await self._site.stored() == expected
        for member in self.members:
            own = [seq for conversation_id, seq in expected if conversation_id == member.conversation_id]
            assert member.shown == sorted(own), _describe(member)
        return len(posted)

    async def check_presence(self) -> None:
        """Wait until everybody sees rightly who is there.

        Raises:
            TimeoutError: that took longer than the contract allows.
        """
        began = time.monotonic()
        try:
            await until(lambda: not self.misled(), PRESENCE_TIMEOUT_S)
        except TimeoutError:
            raise AssertionError(f"presence is wrong: {self.misled()[:10]}") from None
        self.phase.presence = time.monotonic() - began

    def misled(self) -> list[str]:
        """List who sees somebody wrongly."""
        wrong = []
        for customer, agent in self.pairs:
            for watcher, other in ((customer, agent), (agent, customer)):
                shown = watcher.presence.get(other.user_id)
                if not watcher.gone.is_set() and shown != ("offline" if other.gone.is_set() else "online"):
                    wrong.append(f"{watcher.user_id} sees {other.user_id} {shown}")
        return wrong

    def reconnects(self) -> int:
        """Count how often anybody came back so far."""
        return sum(member.client.stats().reconnects for pair in self.pairs for member in pair)

    def copies(self) -> int:
        """Count the copies that clients dropped so far, as after a join in the midst."""
        return sum(member.client.stats().duplicates_dropped for pair in self.pairs for member in pair)

    def gaps(self) -> int:
        """Count the holes that clients had to fill so far."""
        return sum(member.client.stats().gaps_filled for pair in self.pairs for member in pair)

    def posted(self) -> list[SendHandle]:
        """Return everything that was sent until now."""
        return [pending for pair in self.pairs for member in pair for pending in member.sent]

    def behind(self, posted: list[SendHandle]) -> list[str]:
        """List those whom not all of these messages have been shown to, as far as they are acked."""
        heads: dict[str, int] = defaultdict(int)
        for pending in posted:
            if pending.done.done():
                heads[pending.conversation_id] = max(heads[pending.conversation_id], pending.done.result().seq)
        return [_describe(member) for member in self.members if len(member.shown) < heads[member.conversation_id]]

    async def _until_shown(self, posted: list[SendHandle]) -> None:
        try:
            await until(lambda: not self.behind(posted), SETTLE_TIMEOUT_S)
        except TimeoutError:
            raise AssertionError(f"never shown: {self.behind(posted)[:5]}") from None


def _describe(member: Member) -> str:
    return f"{member.user_id} ({member.client.state}) in {member.conversation_id}: shown {member.shown}"


def _spread(seconds: list[float]) -> str:
    """Write p50, p99 and maximum in milliseconds."""
    if not seconds:
        return "-"
    ordered = sorted(seconds)
    ranks = [ordered[round(share * (len(ordered) - 1))] * 1_000 for share in (0.5, 0.99, 1.0)]
    return "/".join(f"{rank:.0f}" for rank in ranks) + " ms"

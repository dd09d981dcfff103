"""Clients that chat during the faults, with a record of what each sent and was shown."""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import Sequence
from typing import Any, Final

from benchmarks.faults.environment import FaultEnvironment
from chatws.client import AgentClient, ClientOptions, CustomerClient, MessageReceived, SendHandle
from chatws.client.base import ChatClient
from chatws.client.options import Transport
from chatws.protocol.entities import Presence
from chatws_loadtest.credentials import mint_tokens, start_sessions

POLLING_EVERY: Final = 4
"""One conversation of this number uses long-polling."""

SILENT_AGENT_EVERY: Final = 3
"""In one conversation of this number the agent sends nothing, so that a server cannot detect a gap by its messages."""

NEWCOMER_EVERY: Final = 3
"""One conversation of this number has an agent that joins during the faults, and reads it from the beginning."""

LEAVER_EVERY: Final = 4
"""From one conversation of this number the customer leaves during the faults.

It uses WebSocket: of a polling client that leaves while it cannot reach the server, the end is noticed after 45 s only.
"""

_PAUSE_S: Final = (0.2, 1.2)
"""Range of the pause between two messages of one client."""

_SENDING_SHARE: Final = (0.5, 1.0)
"""Range of the share of the time after which a client sends nothing more.

A later message would reveal to a server that it has missed an earlier one.
"""


class FaultMember:
    """One client in one conversation."""

    def __init__(self, client: ChatClient, conversation_id: str, *, is_silent: bool = False) -> None:
        self.client = client
        self.conversation_id = conversation_id
        self.is_silent = is_silent
        self.has_joined = False
        self.has_left = False
        self.sent: list[SendHandle] = []
        self.shown: list[tuple[int, str]] = []
        """``seq`` and content of each message that was shown, in this order."""
        self.presence: dict[str, str] = {}
        """Last received status of each other user."""
        client.on_message_received(self._show)
        client.on_presence_update(self._update_presence)

    @property
    def user_id(self) -> str:
        """User id; the client must have connected."""
        assert self.client.user is not None, "the client has not connected yet"
        return self.client.user.user_id

    async def join(self) -> None:
        """Connect and join the conversation, from its first message on."""
        await self.client.connect()
        await self.client.join_conversation(self.conversation_id, after_seq=0)
        self.has_joined = True

    async def send_messages(self, rng: random.Random, end: float) -> None:
        """Post messages until this time or until the member leaves, whatever the state of the connection."""
        while not self.is_silent and not self.has_left and time.monotonic() < end:
            self.sent.append(self.client.post_message(self.conversation_id, f"{self.user_id} {len(self.sent)}"))
            await asyncio.sleep(rng.uniform(*_PAUSE_S))

    async def leave_after(self, seconds: float) -> None:
        """Send nothing after this time, wait for the acks of all messages, and disconnect for good."""
        await asyncio.sleep(seconds)
        self.has_left = True
        if self.sent:
            # Unlike `gather`, this does not cancel the handles with the task.
            await asyncio.wait([handle.done for handle in self.sent])
        await self.client.disconnect()

    def _show(self, received: MessageReceived) -> None:
        self.shown.append((received.seq, received.content))

    def _update_presence(self, presence: Presence) -> None:
        self.presence[presence.user_id] = presence.status


class FaultClients:
    """All clients of a round; conversations of a customer, an agent and sometimes a second agent."""

    def __init__(self, environment: FaultEnvironment, seed: int, conversations: int, duration_s: float) -> None:
        self.members: list[FaultMember] = []
        self.failures: list[str] = []
        """Exceptions that ended a member's sending, joining or leaving early; complete after `finish`."""
        self._newcomers: list[FaultMember] = []
        self._environment = environment
        self._rng = random.Random(f"clients {seed}")
        self._conversations = conversations
        self._duration_s = duration_s
        self._began = 0.0  # set by `start`
        self._tasks: list[asyncio.Task[None]] = []

    async def connect(self) -> None:
        """Connect and join customers and agents; call it before the first fault."""
        environment = self._environment
        sessions = await start_sessions(environment.url, self._conversations, environment.certificate.cert)
        tag = secrets.token_hex(4)
        names = [f"agent-{tag}-{number}" for number in range(2 * self._conversations)]
        tokens = iter(mint_tokens(environment.servers[0].keys, names))
        for number, session in enumerate(sessions):
            options, conversation_id = self._options(number), session.conversation_id
            customer = CustomerClient(environment.url, session.session_id, options=options)
            agents = [AgentClient(environment.url, next(tokens), options=options) for _ in range(2)]
            is_silent = number % SILENT_AGENT_EVERY == 1
            self.members.append(FaultMember(customer, conversation_id))
            self.members.append(FaultMember(agents[0], conversation_id, is_silent=is_silent))
            if number % NEWCOMER_EVERY == 0:
                self._newcomers.append(FaultMember(agents[1], conversation_id))
        await asyncio.gather(*(member.join() for member in self.members))

    def start(self) -> None:
        """Let all members send for most of the time; newcomers join and some members leave at random times."""
        self._began = time.monotonic()
        leavers = self.members[2 :: 2 * LEAVER_EVERY]
        self._tasks += [asyncio.create_task(self._send(member)) for member in self.members]
        self._tasks += [asyncio.create_task(one.leave_after(self._random_time())) for one in leavers]
        self._tasks += [asyncio.create_task(self._join_later(one, self._random_time())) for one in self._newcomers]
        self.members += self._newcomers

    async def finish(self, stall_timeout_s: float) -> None:
        """Return when all acks have arrived, or none for the given time; call it after the last fault."""
        await _wait_while_progressing(self._tasks, stall_timeout_s)
        ended = await self._end_tasks()
        self.failures += [f"client failed: {error!r}" for error in ended if isinstance(error, Exception)]
        acks = [handle.done for member in self.members for handle in member.sent]
        await _wait_while_progressing(acks, stall_timeout_s)

    async def close(self) -> None:
        """Disconnect all clients."""
        await self._end_tasks()
        await asyncio.gather(*(member.client.disconnect() for member in self.members))

    async def _end_tasks(self) -> list[BaseException | None]:
        """Cancel the tasks that still run; return the exceptions of all, which for those are cancellations."""
        for task in self._tasks:
            task.cancel()
        return await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _send(self, member: FaultMember) -> None:
        end = self._began + self._duration_s * self._rng.uniform(*_SENDING_SHARE)
        await asyncio.sleep(self._rng.uniform(0, _PAUSE_S[1]))
        await member.send_messages(self._rng, end)

    async def _join_later(self, member: FaultMember, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await member.join()
        await self._send(member)

    def _random_time(self) -> float:
        return self._rng.uniform(0, self._duration_s)

    def _options(self, number: int) -> ClientOptions:
        transport: Transport = "websocket" if number % POLLING_EVERY else "polling"
        return ClientOptions(
            ca_file=self._environment.certificate.cert, transports=(transport,), retry_first_connect=True
        )


async def _wait_while_progressing(futures: Sequence[asyncio.Future[Any]], stall_timeout_s: float) -> None:
    """Wait until all are done, or none ends for the given time: a busy machine needs any time for all of them."""
    pending = {future for future in futures if not future.done()}
    while pending:
        done, pending = await asyncio.wait(pending, timeout=stall_timeout_s, return_when=asyncio.FIRST_COMPLETED)
        if not done:
            return

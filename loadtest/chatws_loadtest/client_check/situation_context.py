"""Context of a situation: the server, the client under test, and the judgements that several situations share."""

from __future__ import annotations

import asyncio
import math
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from chatws_loadtest.check.check_context import unique_text
from chatws_loadtest.check.errors import CheckFailed, NotOffered
from chatws_loadtest.check.registry import require
from chatws_loadtest.client_check.errors import ClientNotReady
from chatws_loadtest.client_check.traffic import Matches, TrafficEntry, TrafficKind, session_attempts

if TYPE_CHECKING:
    from chatws.protocol.entities import Message
    from chatws_loadtest.client_check.checked_client import CheckedClient
    from chatws_loadtest.client_check.fault_server import FaultServer
    from chatws_loadtest.client_check.scripted_chat import ChatRequest
    from chatws_loadtest.client_check.scripted_room import ScriptedRoom

IDLE_S: Final = 2.0
"""Time without an accepted message after which a running client is restarted."""
START_S: Final = 20.0
"""Time from the start of a client to its first accepted message."""
RETURN_S: Final = 12.0
"""Time to connect again, and to repeat what the lost connection interrupted."""
UNANSWERED_S: Final = 15.0
"""Time to repeat a request without a reply: above the 10 s in which the protocol promises one."""
SHOW_S: Final = 4.0
"""Time to show a message that was delivered."""
SETTLE_S: Final = 1.0
"""Time in which the messages of an outage arrive after the first of them."""
FALLBACK_S: Final = 0.3
"""Time from a failed attempt to the one with another transport."""
START_INTERVAL_S: Final = 0.5
CHECK_INTERVAL_S: Final = 0.05
NUMBER: Final = re.compile(r"[0-9]{1,18}\Z")
MAX_QUOTED: Final = 80


class SituationContext:
    """Server and client of one situation; ``begin`` is the position of its start in the traffic."""

    def __init__(self, server: FaultServer, client: CheckedClient, slack: float = 1.0) -> None:
        """Create a context; ``slack`` multiplies the time limits, but not the times in which nothing may happen."""
        self._slack = slack
        self.server = server
        self.chat = server.chat
        self.traffic = server.traffic
        self.client = client
        self.begin = 0
        # Number of the client's own messages that each conversation had at the start.
        self._own_before: dict[str, int] = {}

    async def prepare(self, start_s: float = START_S) -> None:
        """Wait until the client is connected and sends messages; start it if it does not.

        Raises:
            ClientNotReady: it does not after a start either.
            OSError: it cannot be started.
        """
        if self.client.has_ended or not await self._sends(IDLE_S):
            await self.client.stop()
            self.chat.clear()
            await self.client.start(self.server.url)
            begin = self.traffic.mark
            if not await self._works_within(start_s):
                ending = self.client.ending
                await self.client.stop()
                raise ClientNotReady(self._missing_step(begin), self.client.lines, ending)
        self.begin = self.traffic.mark
        self._own_before = {name: len(room.own_contents()) for name, room in self.chat.rooms.items()}

    @property
    def room(self) -> ScriptedRoom:
        """Conversation of the client's last accepted message."""
        return self.chat.room(self.traffic.select(TrafficKind.ACCEPTED)[-1].conversation_id)

    def limit(self, seconds: float) -> float:
        """Return the time limit for this client, in seconds."""
        return seconds * self._slack

    async def find(self, matches: Matches, since: int, within_s: float = RETURN_S) -> TrafficEntry | None:
        """Return the first matching entry of the traffic from a position on, or None if there is none in time."""
        return await self.traffic.find(matches, since, self.limit(within_s))

    def session_attempts(self, since: int, until: int | None = None) -> list[TrafficEntry]:
        """Return the attempts to open a session between two positions; a fallback to another transport is none."""
        return session_attempts(self.traffic.entries[since:until], self.limit(FALLBACK_S))

    # Faults

    async def intercept(
        self, name: str, handle: Callable[[ChatRequest], Awaitable[None]], within_s: float = RETURN_S
    ) -> ChatRequest:
        """Pass the client's next request of a kind to ``handle`` instead of the server, and return it.

        Raises:
            CheckFailed: the client sends none.
        """
        caught: asyncio.Future[ChatRequest] = asyncio.get_running_loop().create_future()

        async def once(request: ChatRequest) -> None:
            self.chat.restore(name)
            await handle(request)
            if not caught.done():
                caught.set_result(request)

        self.chat.override(name, once)
        try:
            async with asyncio.timeout(self.limit(within_s)):
                return await caught
        except TimeoutError:
            raise CheckFailed(f"it sent no {name} within {self.limit(within_s):g} s") from None

    def say(self, content: str | None = None) -> Message:
        """Store a message of the other member, send it to the conversation, and return it."""
        message = self.room.append_from_peer(content or unique_text())
        self.chat.broadcast(message)
        return message

    # Judgements

    async def expect_request(self, name: str, since: int, within_s: float = RETURN_S) -> TrafficEntry:
        """Return the next request of a name.

        Raises:
            CheckFailed: there is none in time.
        """
        found = await self.find(lambda entry: entry.kind is TrafficKind.REQUEST and entry.name == name, since, within_s)
        if found is None:
            raise CheckFailed(f"it sent no {name} within {self.limit(within_s):g} s")
        return found

    async def expect_return(self, since: int, within_s: float = RETURN_S) -> TrafficEntry:
        """Return the next connection of the client.

        Raises:
            CheckFailed: it does not connect in time.
        """
        found = await self.find(lambda entry: entry.kind is TrafficKind.CONNECTED, since, within_s)
        if found is None:
            raise CheckFailed(f"it did not connect again within {self.limit(within_s):g} s")
        return found

    async def expect_repeat(self, first: TrafficEntry, within_s: float = RETURN_S) -> TrafficEntry:
        """Return the next request with the message of an earlier one.

        Raises:
            CheckFailed: the client does not repeat it in time.
        """
        repeat = await self.find(
            lambda entry: entry.name == "send_message" and entry.content == first.content, first.number + 1, within_s
        )
        if repeat is None:
            raise CheckFailed(
                f"it did not repeat the message {quoted(first.content)} within {self.limit(within_s):g} s"
            )
        return repeat

    async def expect_life(self, since: int) -> None:
        """Check that the client sends a message from a position on.

        Raises:
            CheckFailed: it sends none.
        """
        accepted = await self.find(lambda entry: entry.kind is TrafficKind.ACCEPTED, since)
        if accepted is None:
            is_sending = self.traffic.select(TrafficKind.REQUEST, since, "send_message")
            refused = "its messages were refused: it had not joined their conversation again"
            raise CheckFailed(refused if is_sending else "it sent no further message")

    def require_stored_once(self) -> None:
        """Check that no message of the client was stored twice since the situation began.

        Raises:
            CheckFailed: one was.
        """
        for name, room in self.chat.rooms.items():
            counts = Counter(room.own_contents()[self._own_before.get(name, 0) :])
            for content, count in counts.items():
                require(count == 1, f"the message {quoted(content)} was stored {count} times")

    def require_none_lost(self, room: ScriptedRoom) -> None:
        """Check that the numbers at the end of the client's messages rise by one since the situation began.

        Raises:
            CheckFailed: they do not.
            NotOffered: a message does not end with a number.
        """
        written = room.own_contents()[max(self._own_before.get(room.conversation_id, 0) - 1, 0) :]
        numbers = [int(found[0]) for content in written if (found := NUMBER.search(content))]
        if len(numbers) < len(written):
            raise NotOffered("its messages do not end with a number")
        require(numbers == list(range(numbers[0], numbers[0] + len(numbers))), f"the messages stored are {numbers}")

    async def require_display(self) -> None:
        """Check that the client prints the messages that it receives.

        Raises:
            NotOffered: it does not, so that the display cannot be judged.
        """
        if not await self.shows(self.say()):
            raise NotOffered("it prints no received message, so the display is not judged")

    async def shows(self, message: Message, within_s: float = SHOW_S) -> bool:
        """Return whether the client prints a message within a time."""
        for _ in range(round(self.limit(within_s) / CHECK_INTERVAL_S)):
            if self.shown([message]):
                return True
            await asyncio.sleep(CHECK_INTERVAL_S)
        return False

    def shown(self, messages: list[Message]) -> list[Message]:
        """Return the messages in the order in which the client printed them, with repetitions."""
        by_content = {message.content: message for message in messages}
        return [message for line in self.client.lines for content, message in by_content.items() if content in line]

    async def _works_within(self, start_s: float) -> bool:
        """Return whether a client that was just started sends messages in time, and does not end before."""
        for _ in range(math.ceil(start_s / START_INTERVAL_S)):
            if await self._sends(START_INTERVAL_S):
                return True
            if self.client.has_ended:
                return False
        return False

    def _missing_step(self, since: int) -> str:
        """Return the first step that the client has not taken since its start."""
        if not self.traffic.select(TrafficKind.ATTEMPT, since):
            return "did not connect"
        if not self.traffic.select(TrafficKind.CONNECTED, since):
            return "opened a connection, but sent no CONNECT"
        if not self.traffic.select(TrafficKind.REQUEST, since, "join_conversation"):
            return "connected, but joined no conversation"
        return "joined a conversation, but no message was accepted"

    async def _sends(self, within_s: float) -> bool:
        """Return whether a message is accepted on an open connection within a time."""
        accepted = await self.traffic.find(
            lambda entry: (
                entry.kind is TrafficKind.ACCEPTED and entry.connection in {socket.id for socket in self.chat.sockets}
            ),
            self.traffic.mark,
            within_s,
        )
        return accepted is not None


def quoted(content: object) -> str:
    """Return a content as it stands in a reason: escaped, and cut if it is long."""
    shown = repr(content)
    return shown if len(shown) <= MAX_QUOTED else f"{shown[:MAX_QUOTED]}…"

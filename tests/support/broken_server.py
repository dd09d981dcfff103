"""Servers of the guide's events, each broken in one way."""

from __future__ import annotations

import asyncio
import html
import itertools
from abc import ABC, abstractmethod
from datetime import UTC, datetime, timedelta
from typing import Final

import socketio

from tests.support.guide_server import GuideOnlyServer, Json

COLUMN_CHARS = 40
STEP_BACK = timedelta(seconds=5)
MAX_HOLD_S = 0.5
"""A message held back for reordering is sent after this time if its sender sends no other."""


class CountingServer(GuideOnlyServer):
    """Base of servers of which one message in ``every`` is affected, beginning with the first.

    The default is prime, so that not every affected message is of the same user.
    """

    def __init__(self, every: int = 19) -> None:
        super().__init__()
        self._every = every
        self._numbers = itertools.count()

    def is_affected(self) -> bool:
        return next(self._numbers) % self._every == 0


class FullServer(GuideOnlyServer):
    """Fault: refuses connections above a number."""

    def __init__(self, max_connections: int) -> None:
        super().__init__()
        self._max_connections = max_connections

    def admit(self) -> None:
        if len(self.users) >= self._max_connections:
            raise socketio.exceptions.ConnectionRefusedError("the server is full")


class QueueingServer(GuideOnlyServer):
    """Fault: handles messages one after another, for a time each; at a higher rate, they wait longer and longer."""

    def __init__(self, message_s: float) -> None:
        super().__init__()
        self._message_s = message_s
        self._is_working = asyncio.Lock()

    async def send_message(self, sid: str, request: Json) -> Json:
        async with self._is_working:
            await asyncio.sleep(self._message_s)
        return await super().send_message(sid, request)


class LosingServer(CountingServer):
    """Fault: acks every message, but does not deliver some."""

    async def deliver(self, sid: str, message: Json) -> None:
        if not self.is_affected():
            await super().deliver(sid, message)


class DuplicatingServer(CountingServer):
    """Fault: delivers some messages twice, as a retry without idempotency does."""

    async def deliver(self, sid: str, message: Json) -> None:
        await super().deliver(sid, message)
        if self.is_affected():
            await super().deliver(sid, message)


class EchoingServer(GuideOnlyServer):
    """Fault: sends each message to the room and, in addition, to its sender."""

    async def deliver(self, sid: str, message: Json) -> None:
        await super().deliver(sid, message)
        await self._sio.emit("message_received", message, to=sid)


class ReorderingServer(CountingServer):
    """Fault: delivers some messages after their sender's next one."""

    def __init__(self, every: int = 19) -> None:
        super().__init__(every)
        self._held: dict[str, Json] = {}
        self._releasing: set[asyncio.Task[None]] = set()

    async def deliver(self, sid: str, message: Json) -> None:
        if sid not in self._held and self.is_affected():
            self._held[sid] = message
            task = asyncio.create_task(self._release_later(sid))
            self._releasing.add(task)
            task.add_done_callback(self._releasing.discard)
            return
        await super().deliver(sid, message)
        await self._release(sid)

    async def _release_later(self, sid: str) -> None:
        await asyncio.sleep(MAX_HOLD_S)
        await self._release(sid)

    async def _release(self, sid: str) -> None:
        if sid in self._held:
            await super().deliver(sid, self._held.pop(sid))


class ForgetfulServer(GuideOnlyServer):
    """Fault: confirms the join of a user that was in the room before, but does not add its new connection."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: set[tuple[str, str]] = set()

    async def enter(self, sid: str, conversation_id: str) -> None:
        member = (self.users[sid]["userId"], conversation_id)
        if member not in self._seen:
            await super().enter(sid, conversation_id)
        self._seen.add(member)


class AltererServer(GuideOnlyServer, ABC):
    """Base of servers that change each message before they deliver it."""

    async def deliver(self, sid: str, message: Json) -> None:
        await super().deliver(sid, {**message, **self.alter(message)})

    @abstractmethod
    def alter(self, message: Json) -> dict[str, Json]:
        """Return the fields that are replaced."""


class TruncatingServer(AltererServer):
    """Fault: stores the content in a column that is too short."""

    def alter(self, message: Json) -> dict[str, Json]:
        return {"content": message["content"][:COLUMN_CHARS]}


class EscapingServer(AltererServer):
    """Fault: stores the content as HTML."""

    def alter(self, message: Json) -> dict[str, Json]:
        return {"content": html.escape(message["content"])}


class MojibakeServer(AltererServer):
    """Fault: decodes the content with another encoding than the client's."""

    def alter(self, message: Json) -> dict[str, Json]:
        return {"content": message["content"].encode().decode("latin-1")}


class SharedSenderServer(AltererServer):
    """Fault: keeps the current user in a global variable, so that the last one to connect sent every message."""

    def alter(self, message: Json) -> dict[str, Json]:
        del message
        return {"sender": list(self.users.values())[-1]}


class FixedRoleServer(AltererServer):
    """Fault: gives every sender the same role."""

    def alter(self, message: Json) -> dict[str, Json]:
        return {"sender": {**message["sender"], "role": "customer"}}


class ConstantTimeServer(AltererServer):
    """Fault: sends the timestamp of a template with each message."""

    def alter(self, message: Json) -> dict[str, Json]:
        del message
        return {"timestamp": "2025-10-28T09:30:00.000Z"}


class BackwardTimeServer(CountingServer):
    """Fault: takes the time of some messages from a clock that is slow."""

    async def deliver(self, sid: str, message: Json) -> None:
        late_by = STEP_BACK if self.is_affected() else timedelta()
        await super().deliver(sid, {**message, "timestamp": (datetime.now(UTC) - late_by).isoformat()})


class LocalisedTimeServer(AltererServer):
    """Fault: sends the timestamp as a text for readers."""

    def alter(self, message: Json) -> dict[str, Json]:
        del message
        return {"timestamp": f"{datetime.now(UTC):%d.%m.%Y, %H:%M}"}


class NumericTimeServer(AltererServer):
    """Fault: sends the timestamp as a number of milliseconds."""

    def alter(self, message: Json) -> dict[str, Json]:
        del message
        return {"timestamp": round(datetime.now(UTC).timestamp() * 1000)}


class SilentAckServer(GuideOnlyServer):
    """Fault: acks no message."""

    async def send_message(self, sid: str, request: Json) -> Json:
        await super().send_message(sid, request)
        await asyncio.Event().wait()


class SharedTypingServer(GuideOnlyServer):
    """Fault: names the last user that connected in every typing indicator."""

    def typist(self, sid: str) -> dict[str, str]:
        del sid
        return list(self.users.values())[-1]


class MessagesOnlyServer(GuideOnlyServer):
    """Fault: sends neither typing nor presence."""

    async def send_typing(self, sid: str, conversation_id: str, *, is_typing: bool) -> None:
        pass

    async def send_presence(self, sid: str, conversation_id: str, status: str) -> None:
        pass


class AbsentPresenceServer(GuideOnlyServer):
    """Fault: never sends presence."""

    async def send_presence(self, sid: str, conversation_id: str, status: str) -> None:
        pass


class EndlessPresenceServer(GuideOnlyServer):
    """Fault: never sends ``offline``."""

    async def send_presence(self, sid: str, conversation_id: str, status: str) -> None:
        if status != "offline":
            await super().send_presence(sid, conversation_id, status)


class SocketPresenceServer(GuideOnlyServer):
    """Fault: names the connection in presence, instead of the user."""

    def present_user_id(self, sid: str) -> str:
        return sid


class SwappedPresenceServer(GuideOnlyServer):
    """Fault: sends ``offline`` for a user that joins, and ``online`` for one that leaves."""

    async def send_presence(self, sid: str, conversation_id: str, status: str) -> None:
        await super().send_presence(sid, conversation_id, "offline" if status == "online" else "online")


FAULTS: Final[dict[str, type[GuideOnlyServer]]] = {
    "none": GuideOnlyServer,
    "loses-messages": LosingServer,
    "duplicates-messages": DuplicatingServer,
    "echoes-twice": EchoingServer,
    "reorders-messages": ReorderingServer,
    "forgets-rejoined-members": ForgetfulServer,
    "truncates-content": TruncatingServer,
    "escapes-content": EscapingServer,
    "garbles-encoding": MojibakeServer,
    "names-wrong-sender": SharedSenderServer,
    "names-wrong-role": FixedRoleServer,
    "sends-constant-time": ConstantTimeServer,
    "sends-time-backwards": BackwardTimeServer,
    "sends-localised-time": LocalisedTimeServer,
    "sends-numeric-time": NumericTimeServer,
    "never-acks": SilentAckServer,
    "names-wrong-typist": SharedTypingServer,
    "sends-messages-only": MessagesOnlyServer,
    "never-sends-presence": AbsentPresenceServer,
    "never-sends-offline": EndlessPresenceServer,
    "swaps-presence": SwappedPresenceServer,
    "names-socket-in-presence": SocketPresenceServer,
}
"""Server of each fault of the gallery on Python, by name."""

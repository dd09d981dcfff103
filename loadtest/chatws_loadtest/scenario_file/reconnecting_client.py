"""Client of a person: connects, rejoins its conversations after an outage, and keeps every event in a log."""

from __future__ import annotations

import asyncio
from typing import Final

from chatws.client.mapping import GUIDE_MAPPING, AckShapeError, NotMapped
from chatws_loadtest.raw_client import ConnectErrorReceived, Fields, PacketMissing
from chatws_loadtest.scenario_file.errors import StepFailed, StepNotJudgeable
from chatws_loadtest.scenario_file.event_log import EventLog, now_s
from chatws_loadtest.scenario_file.event_names import DISCONNECT, RECONNECT
from chatws_loadtest.scenario_file.joined_room import JoinedRoom
from chatws_loadtest.scenario_file.person_connection import PersonConnection
from chatws_loadtest.server_address import ServerAddress

RETRY_S: Final = 0.1
"""Time between two attempts to reconnect: short and constant, so that steps take the same time in every run."""

RETURN_TIMEOUT_S: Final = 30.0
"""Time to wait for the end of an outage, in addition to the outage itself."""

PAGE_SIZE: Final = 100


class ReconnectingClient:
    """Connection that is restored after every end that the person did not ask for."""

    def __init__(self, server: ServerAddress, auth: Fields) -> None:
        self.log = EventLog()
        self.identity: Fields = {}
        self.rooms: dict[str, JoinedRoom] = {}
        """Joined conversations; the last one joined is the last entry."""
        self.returned_s = 0.0
        """Time at which the last outage ended."""
        self._server = server
        self._auth = auth
        self._connection: PersonConnection | None = None
        # Set while the client is connected, has rejoined, and is not frozen.
        self._is_present = asyncio.Event()
        self._away_until_s = 0.0
        self._thawing: asyncio.TimerHandle | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._problem = ""

    @property
    def is_connected(self) -> bool:
        """Whether `connect` has succeeded and `disconnect` was not called since."""
        return self._connection is not None

    @property
    def acks_messages(self) -> bool:
        """Whether the server acks messages; the mapping may say that it does not."""
        return self._server.mapping.send.ack.kind != "none"

    def require_additions(self, name: str) -> None:
        """Check that the server offers the additions to the guide, among them this command.

        Raises:
            StepNotJudgeable: it does not.
        """
        if self._server.mapping != GUIDE_MAPPING:
            raise StepNotJudgeable(str(NotMapped(name)))
        if self._connection is None or not self._connection.has_additions:
            raise StepNotJudgeable(f"the server implements the guide only; it does not offer {name}")

    def require_event(self, name: str) -> None:
        """Check that the mapping offers an event.

        Raises:
            NotMapped: it does not.
        """
        if self._connection is not None:
            self._connection.require_event(name)

    async def connect(self) -> None:
        """Open the connection.

        Raises:
            ConnectErrorReceived: it was refused.
        """
        await self._open()
        self._is_present.set()
        self._supervisor = asyncio.create_task(self._supervise())

    async def disconnect(self) -> None:
        """Close the connection permanently."""
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.gather(self._supervisor, return_exceptions=True)
        if self._thawing is not None:
            self._thawing.cancel()
        if self._connection is not None:
            self._connection.thaw()
            await self._connection.close()
        self._connection = self._supervisor = None
        self._is_present.clear()
        self.rooms.clear()

    async def drop(self, seconds: float) -> None:
        """Lose the connection now, and begin to reconnect after this time."""
        connection = await self.present()
        self._is_present.clear()
        self._away_until_s = now_s() + seconds
        await connection.abort()

    async def freeze(self, seconds: float) -> None:
        """Stop reading now, and continue after this time on the same connection, if it is still open."""
        connection = await self.present()
        self._is_present.clear()
        self._away_until_s = now_s() + seconds
        connection.freeze()
        self._thawing = asyncio.get_running_loop().call_later(seconds, self._thaw, connection)

    async def present(self) -> PersonConnection:
        """Wait for the end of an outage, and return the connection.

        Raises:
            StepFailed: the person is not connected, or does not return in time.
        """
        if self._connection is None:
            raise StepFailed("the person is not connected; a `connect` step comes first")
        limit_s = max(0.0, self._away_until_s - now_s()) + RETURN_TIMEOUT_S
        try:
            async with asyncio.timeout(limit_s):
                await self._is_present.wait()
        except TimeoutError:
            raise StepFailed(f"the connection was not restored within {limit_s:.0f} s: {self._problem}") from None
        return self._connection

    async def emit(self, name: str, *args: object) -> None:
        """Send an event without requesting an ack."""
        await (await self.present()).emit(name, *args)

    async def request(self, name: str, *args: object, repeat: bool = False) -> Fields:
        """Send an event and return its ack; ``repeat`` it after an outage that lost the ack.

        Raises:
            StepFailed: there is no ack.
        """
        while True:
            connection = await self.present()
            ack = await _request(connection, name, *args)
            if ack is not None:
                return ack
            if not repeat:
                raise StepFailed(f"the connection ended before the ack to {name}")
            if self._connection is connection:
                # Before the supervisor has noticed the end: it sets this again after the outage.
                self._is_present.clear()

    async def addition(self, name: str, *args: object) -> Fields:
        """Request something that the guide does not define.

        Raises:
            StepNotJudgeable: the server does not offer it.
            StepFailed: there is no ack.
        """
        await self.present()
        self.require_additions(name)
        return await self.request(name, *args)

    async def join(self, conversation_id: str) -> Fields:
        """Join a conversation and return the ack; an empty one of a server that sends only `joined_conversation`.

        Raises:
            StepFailed: there is no reply.
        """
        return await self._join(await self.present(), conversation_id)

    async def _open(self) -> None:
        try:
            connection = await PersonConnection.authenticated(self._server, self._auth)
        except AckShapeError as problem:
            raise ConnectErrorReceived(str(problem)) from problem
        self._connection, self.identity = connection, connection.identity
        connection.deliver_to(self._receive)

    async def _supervise(self) -> None:
        """Restore the connection whenever it ends."""
        while self._connection is not None:
            await self._connection.ended.wait()
            self._is_present.clear()
            self.log.add(DISCONNECT, {})
            await self._connection.close()
            await asyncio.sleep(self._away_until_s - now_s())
            await self._restore()
            self._return()

    async def _restore(self) -> None:
        """Connect and rejoin every conversation; repeat that until it succeeds."""
        while True:
            try:
                await self._open()
                assert self._connection is not None
                for conversation_id in list(self.rooms):
                    await self._join(self._connection, conversation_id)
                return
            except (ConnectErrorReceived, StepFailed) as problem:
                self._problem = str(problem)
                if self._connection is not None:
                    await self._connection.close()
            await asyncio.sleep(RETRY_S)

    async def _join(self, connection: PersonConnection, conversation_id: str) -> Fields:
        room = self.rooms.get(conversation_id)
        if not connection.has_additions:
            return await self._join_by_event(connection, conversation_id)
        self.rooms[conversation_id] = joining = room or JoinedRoom()
        joining.begin_join()
        argument: object = conversation_id
        if joining.newest_seq is not None:
            argument = {"conversationId": conversation_id, "afterSeq": joining.newest_seq, "epoch": joining.epoch}
        ack = await _request_join(connection, argument)
        if ack.get("success") is not True:
            if room is None:
                del self.rooms[conversation_id]
            return ack
        await self._catch_up(connection, conversation_id, ack)
        return ack

    async def _catch_up(self, connection: PersonConnection, conversation_id: str, ack: Fields) -> None:
        """Log the missed messages of a join, page by page, and then the messages that arrived meanwhile."""
        room = self.rooms[conversation_id]
        missed, page = list(_list(ack.get("messages"))), ack
        has_more = page.get("hasMore") is True
        while has_more and missed:
            after = JoinedRoom.seq_of(missed[-1])
            query = {"conversationId": conversation_id, "afterSeq": after, "limit": PAGE_SIZE}
            answer = await _request(connection, "history", query) or {}
            more = _list(answer.get("messages"))
            missed += more
            # A server that ignores the position would send the same page for ever.
            has_more = answer.get("hasMoreAfter") is True and JoinedRoom.seq_of(missed[-1]) > after
        for message in room.end_join(ack, missed):
            self.log.add("message_received", message)

    async def _join_by_event(self, connection: PersonConnection, conversation_id: str) -> Fields:
        """Join until `joined_conversation` or `error` arrives; the guide has no ack, a mapping may describe one."""
        start = len(self.log.events)
        if self._server.mapping == GUIDE_MAPPING:
            await connection.emit("join_conversation", conversation_id)
        elif (ack := await _request_join(connection, conversation_id)).get("success", True) is not True:
            return ack
        until_s = now_s() + self._server.reply_timeout_s
        while True:
            for event in self.log.events[start:]:
                if event.name == "joined_conversation":
                    self.rooms.setdefault(conversation_id, JoinedRoom())
                    return {"success": True}
                if event.name == "error":
                    return {"success": False, "error": event.payload}
            if not await self.log.wait_for_next(until_s):
                raise StepFailed(f"no joined_conversation within {self._server.reply_timeout_s:g} s")

    def _receive(self, name: str, payload: object) -> None:
        fields = payload if isinstance(payload, dict) else {}
        conversation = fields.get("conversation")
        conversation_id = fields.get("conversationId", _field(conversation, "conversationId"))
        room = self.rooms.get(str(conversation_id))
        if room is not None and name == "message_received" and not room.accepts(fields):
            return
        if room is not None and name == "conversation_updated":
            room.update(conversation)
        self.log.add(name, payload)

    def _thaw(self, connection: PersonConnection) -> None:
        connection.thaw()
        if not connection.ended.is_set() and not connection.socket.closed:
            self._return()

    def _return(self) -> None:
        self.returned_s = now_s()
        self.log.add(RECONNECT, {})
        self._is_present.set()


async def _request(connection: PersonConnection, name: str, *args: object) -> Fields | None:
    """Send an event and return its ack; None if the connection ends before.

    Raises:
        StepFailed: there is no ack, or it has another shape than the mapping describes.
    """
    try:
        return await connection.request_until_end(name, *args)
    except PacketMissing as problem:
        raise StepFailed(str(problem)) from problem
    except AckShapeError as problem:
        raise StepFailed(f"the ack to {name} differs from the mapping: {problem}") from problem


async def _request_join(connection: PersonConnection, argument: object) -> Fields:
    ack = await _request(connection, "join_conversation", argument)
    if ack is None:
        raise StepFailed("the connection ended before the ack to join_conversation")
    return ack


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _field(value: object, name: str) -> object:
    return value.get(name) if isinstance(value, dict) else None

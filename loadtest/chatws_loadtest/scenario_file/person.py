"""Person of a script: a client with a name, a conversation, and the requests of its steps."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from chatws_loadtest.scenario_file.errors import StepFailed
from chatws_loadtest.scenario_file.reconnecting_client import ReconnectingClient

if TYPE_CHECKING:
    from chatws_loadtest.raw_client import Fields
    from chatws_loadtest.scenario_file.joined_room import JoinedRoom
    from chatws_loadtest.scenario_file.script import PersonSpec
    from chatws_loadtest.server_address import ServerAddress

MESSAGE_ID_BYTES: Final = 8


class Person:
    """Agent or customer; a customer owns ``own_conversation``, an agent uses that of the first customer."""

    def __init__(self, spec: PersonSpec, server: ServerAddress, auth: Fields, own_conversation: str) -> None:
        self.name = spec.name
        self.own_conversation = own_conversation
        self.client = ReconnectingClient(server, auth)
        self.log = self.client.log

    @property
    def user_id(self) -> str:
        """User id as `authenticated` reported it; empty before the first connection."""
        return str(self.client.identity.get("userId", ""))

    @property
    def conversation(self) -> str:
        """Conversation that was joined last."""
        return next(reversed(self.client.rooms), self.own_conversation)

    def is_own(self, payload: object) -> bool:
        """Return whether a message is the echo of one that this person sent."""
        sender = payload.get("sender") if isinstance(payload, dict) else None
        return isinstance(sender, dict) and bool(self.user_id) and sender.get("userId") == self.user_id

    async def send(self, text: str, conversation: str, drop_s: float | None = None) -> Fields:
        """Send a message and return its ack; after an outage, repeat it with the same ``clientMessageId``.

        On a server that does not ack messages, each counts as accepted once it is sent.
        """
        message = {"conversationId": conversation, "content": text, "clientMessageId": _new_id()}
        if drop_s is not None or not self.client.acks_messages:
            await self.client.emit("send_message", message)
        if drop_s is not None:
            await self.client.drop(drop_s)
        if not self.client.acks_messages:
            return {"success": True}
        return await self.client.request("send_message", message, repeat=True)

    async def mark_read(self, conversation: str) -> Fields:
        """Mark the newest received message as read."""
        room = self._room(conversation)
        self.client.require_additions("read marks")
        if not room.newest_seq:
            raise StepFailed("no message was received that could be marked as read")
        return await self.client.addition("mark_read", {"conversationId": conversation, "seq": room.newest_seq})

    async def change_conversation(self, command: str, conversation: str) -> Fields:
        """Claim, release, resolve or reopen a conversation, in the version that this person knows."""
        room = self._room(conversation)
        ack = await self.client.addition(command, {"conversationId": conversation, "version": room.version})
        room.update(ack.get("conversation"))
        return ack

    def _room(self, conversation: str) -> JoinedRoom:
        room = self.client.rooms.get(conversation)
        if room is None:
            raise StepFailed("the person has not joined the conversation")
        return room


def _new_id() -> str:
    return secrets.token_hex(MESSAGE_ID_BYTES)

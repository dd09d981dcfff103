"""Checks at the end of a run: after a quiet time, all devices agree with the database and with each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from chatws.client.errors import ClientError
from chatws.protocol.entities import PresenceChoice
from chatws_loadtest.simulate.cast import AGENTS
from chatws_loadtest.simulate.device import SimulatedDevice
from chatws_loadtest.simulate.invariants import BrokenInvariant
from chatws_loadtest.simulate.stored_state import StoredState

_BY_PRECEDENCE: tuple[PresenceChoice, ...] = ("busy", "online", "away")


class FinalCheck:
    """Differences between the devices' screens and the state that they have to show."""

    def __init__(self, devices: Mapping[str, SimulatedDevice], stored: StoredState) -> None:
        self._devices = devices
        self._stored = stored

    def first_difference(self) -> BrokenInvariant | None:
        """Return the first difference; None if there is none."""
        return next(self._differences(), None)

    def _differences(self) -> Iterator[BrokenInvariant]:
        for device in self._devices.values():
            yield from self._messages_of(device)
            if not device.wants_connection:
                continue
            if not device.screen.connected:
                yield BrokenInvariant("connected", f"{device.name} is not connected.")
                continue
            for conversation_id in device.screen.conversations:
                yield from self._conversation(device, conversation_id)
            yield from self._presence(device)
            yield from self._inbox(device)

    def _messages_of(self, device: SimulatedDevice) -> Iterator[BrokenInvariant]:
        for posted in device.posted:
            if posted.outcome is None:
                yield BrokenInvariant("outbox-empty", f"{posted.content} of {device.name} has no outcome.")
            elif not isinstance(posted.outcome, ClientError) and not self._stored.has(
                posted.conversation_id, posted.content
            ):
                yield BrokenInvariant("stored-once", f"{posted.content} of {device.name} was acked, not stored.")

    def _conversation(self, device: SimulatedDevice, conversation_id: str) -> Iterator[BrokenInvariant]:
        shown = device.screen.conversations[conversation_id]
        if shown.conversation is None:
            yield BrokenInvariant("connected", f"{device.name} has not joined {conversation_id}.")
            return
        head = self._stored.head(conversation_id)
        if shown.last_seq != head:
            yield BrokenInvariant(
                "complete", f"{device.name} shows {conversation_id} up to #{shown.last_seq} of #{head}."
            )
        status = self._stored.statuses[conversation_id]
        conversation = shown.conversation
        assignee = None if conversation.assignee is None else conversation.assignee.user_id
        if (conversation.version, conversation.status, assignee) != status:
            yield BrokenInvariant(
                "status-agrees",
                f"{device.name} shows {conversation_id} as {conversation.status} of {assignee}, version "
                f"{conversation.version}, where {status} is stored.",
            )
        marks = {
            user: seq for (stored_id, user), seq in self._stored.read_marks.items() if stored_id == conversation_id
        }
        if shown.read_marks != marks:
            yield BrokenInvariant(
                "read-marks-agree",
                f"{device.name} shows the marks {shown.read_marks} of {conversation_id}, where {marks} is stored.",
            )
        if shown.typing:
            yield BrokenInvariant(
                "typing-ends", f"{device.name} shows {', '.join(shown.typing)} as typing in {conversation_id}."
            )

    def _presence(self, device: SimulatedDevice) -> Iterator[BrokenInvariant]:
        for user_id in dict.fromkeys(other.user_id for other in self._devices.values()):
            if user_id == device.user_id or not self._share_conversation(device, user_id):
                continue
            status = self._status_of(user_id)
            shown = device.screen.presence.get(user_id, "offline")
            if shown != status:
                yield BrokenInvariant("presence-agrees", f"{device.name} shows {user_id} as {shown}, who is {status}.")

    def _share_conversation(self, device: SimulatedDevice, user_id: str) -> bool:
        """Return whether the user has joined a conversation of the device, or had when the last connection ended."""
        joined = device.screen.conversations
        others = [other for other in self._devices.values() if other.user_id == user_id]
        connected = [other for other in others if other.wants_connection]
        return any(
            conversation_id in joined for other in connected or others for conversation_id in other.screen.conversations
        )

    def _status_of(self, user_id: str) -> str:
        choices = {
            device.choice for device in self._devices.values() if device.user_id == user_id and device.wants_connection
        }
        return next((choice for choice in _BY_PRECEDENCE if choice in choices), "offline")

    def _inbox(self, device: SimulatedDevice) -> Iterator[BrokenInvariant]:
        inbox = device.screen.inbox
        if inbox is None or device.user_id not in AGENTS:
            return
        for conversation_id, status in self._stored.statuses.items():
            head = self._stored.head(conversation_id)
            if not head:
                continue
            shown = inbox.get(conversation_id)
            found = None if shown is None else (shown.version, shown.head_seq)
            if found != (status.version, head):
                yield BrokenInvariant(
                    "inbox-agrees",
                    f"The inbox of {device.name} has {conversation_id} as {found}, where {(status.version, head)} is "
                    "stored.",
                )

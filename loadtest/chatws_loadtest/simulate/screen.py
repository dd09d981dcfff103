"""Screen of a device: the content that it shows, built from the events of the client core and checked at once."""

from __future__ import annotations

from chatws.client.core.event_names import Event
from chatws.client.core.sdk_events import ConversationJoined, ConversationReloaded, MessageReceived
from chatws.protocol.entities import Conversation, Presence
from chatws.protocol.events import ConversationUpdated, MessageRead, TypingIndicator
from chatws.protocol.responses import InboxAck
from chatws_loadtest.simulate.invariants import Judge
from chatws_loadtest.simulate.trace import SimulationTrace


class ScreenConversation:
    """Joined conversation on a screen."""

    __slots__ = ("conversation", "last_seq", "read_marks", "typing")

    def __init__(self) -> None:
        self.last_seq: int | None = None
        """Last ``seq`` that was shown, or the head at the first join; None before that."""
        self.conversation: Conversation | None = None
        self.read_marks: dict[str, int] = {}
        self.typing: dict[str, None] = {}


class Screen:
    """Conversations, presence and inbox of a device, across its connections."""

    def __init__(self, device: str, judge: Judge, trace: SimulationTrace) -> None:
        self._judge = judge
        self.conversations: dict[str, ScreenConversation] = {}
        """Conversations that the device wants to have joined."""
        self.presence: dict[str, str] = {}
        self.inbox: dict[str, Conversation] | None = None
        """Conversations of the inbox; None without a subscription."""
        self.connected = False
        self._device = device
        self._trace = trace

    def join(self, conversation_id: str) -> None:
        """Begin to show a conversation."""
        self.conversations.setdefault(conversation_id, ScreenConversation())

    def leave(self, conversation_id: str) -> None:
        """Cease to show a conversation."""
        self.conversations.pop(conversation_id, None)

    def show(self, name: str, payload: object) -> None:
        """Show an event."""
        match payload:
            case MessageReceived():
                self._show_message(payload)
            case ConversationJoined():
                self._show_joined(payload)
            case ConversationReloaded():
                shown = self._shown(payload.conversation_id, name)
                shown.last_seq = payload.messages[-1].seq if payload.messages else 0
            case Presence():
                self.presence[payload.user_id] = payload.status
                self._trace.add_unordered("{} sees {} {}", self._device, payload.user_id, payload.status)
            case MessageRead():
                self._show_read_mark(payload)
            case TypingIndicator():
                self._show_typing(payload)
            case ConversationUpdated():
                self._show_conversation(payload.conversation)
            case InboxAck():
                self.inbox = {each.conversation_id: each for each in payload.conversations}
            case _:
                self._show_other(name)

    def disconnected(self) -> None:
        """Handle the end of a connection."""
        self.connected = False

    def _show_other(self, name: str) -> None:
        if name == Event.AUTHENTICATED:
            self.connected = True

    def _shown(self, conversation_id: str, name: str) -> ScreenConversation:
        shown = self.conversations.get(conversation_id)
        self._judge.require(shown is not None, "after-join", "{} shows {} of {}.", self._device, name, conversation_id)
        return shown or ScreenConversation()

    def _show_message(self, event: MessageReceived) -> None:
        message = event.message
        shown = self._shown(message.conversation_id, "a message")
        self._judge.require(
            shown.last_seq is not None and message.seq == shown.last_seq + 1,
            "client-order",
            "{} shows #{} of {} after #{}.",
            self._device,
            message.seq,
            message.conversation_id,
            shown.last_seq,
        )
        shown.last_seq = message.seq
        self._trace.add("{} shows #{} of {}: {}", self._device, message.seq, message.conversation_id, message.content)

    def _show_joined(self, event: ConversationJoined) -> None:
        shown = self._shown(event.conversation_id, "a join")
        ack = event.ack
        if shown.last_seq is None:
            shown.last_seq = ack.conversation.head_seq
        self._judge.require(
            ack.recovered, "client-order", "{} lost its position in {}.", self._device, event.conversation_id
        )
        self._trace.add("{} has joined {} at #{}", self._device, event.conversation_id, ack.conversation.head_seq)
        if shown.conversation is None or shown.conversation.version <= ack.conversation.version:
            shown.conversation = ack.conversation
        self._show_in_inbox(ack.conversation)

    def _show_read_mark(self, event: MessageRead) -> None:
        shown = self.conversations.get(event.conversation_id)
        if shown is None:
            return  # the server has not handled the leave yet
        known = shown.read_marks.get(event.user_id, 0)
        self._judge.require(
            event.seq > known,
            "read-marks-forward",
            "{} shows the mark of {} at #{} after #{}.",
            self._device,
            event.user_id,
            event.seq,
            known,
        )
        shown.read_marks[event.user_id] = event.seq
        self._trace.add("{} sees that {} has read #{}", self._device, event.user_id, event.seq)

    def _show_typing(self, event: TypingIndicator) -> None:
        shown = self.conversations.get(event.conversation_id)
        if shown is None:
            return  # the end of typing in a conversation that was just left
        if event.is_typing:
            shown.typing[event.user_id] = None
        else:
            shown.typing.pop(event.user_id, None)
        self._trace.add("{} sees {} {}", self._device, event.user_id, "type" if event.is_typing else "stop typing")

    def _show_conversation(self, conversation: Conversation) -> None:
        shown = self.conversations.get(conversation.conversation_id)
        if shown is not None and shown.conversation is not None and shown.conversation.version <= conversation.version:
            shown.conversation = conversation
        self._show_in_inbox(conversation)
        self._trace.add(
            "{} sees {} {} (version {})",
            self._device,
            conversation.conversation_id,
            conversation.status,
            conversation.version,
        )

    def _show_in_inbox(self, conversation: Conversation) -> None:
        if self.inbox is None:
            return
        known = self.inbox.get(conversation.conversation_id)
        if known is None or (known.version, known.head_seq) <= (conversation.version, conversation.head_seq):
            self.inbox[conversation.conversation_id] = conversation

"""The one table of names: every event, its payload, its reply, who may ask, and which limit it counts against."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from chatws.protocol import commands, events, responses
from chatws.protocol.entities import Id, Message, Presence, Role


class Limit(StrEnum):
    """Which token bucket a request draws from."""

    SEND = "send"
    TYPING = "typing"
    JOIN = "join"
    OTHER = "other"


EVERYBODY: frozenset[Role] = frozenset({"admin", "customer"})
AGENTS: frozenset[Role] = frozenset({"admin"})
CUSTOMERS: frozenset[Role] = frozenset({"customer"})
NOBODY_YET: frozenset[Role] = frozenset()
"""For requests that come before an identity."""


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """One request: a client-to-server event, or an operation of the REST table."""

    name: str
    payload: object
    reply: type[responses.Ok]
    summary: str
    roles: frozenset[Role] = EVERYBODY
    limit: Limit = Limit.OTHER
    optional: bool = False
    in_guide: bool = False


@dataclass(frozen=True, slots=True)
class EventSpec:
    """One server-to-client event."""

    name: str
    payload: object
    summary: str
    in_guide: bool = False


COMMANDS: dict[str, CommandSpec] = {
    row.name: row
    for row in (
        CommandSpec(
            "authenticate",
            commands.Authenticate,
            responses.AuthAck,
            "Give credentials after connecting without any.",
            roles=NOBODY_YET,
            in_guide=True,
        ),
        CommandSpec(
            "refresh_token",
            commands.RefreshToken,
            responses.AuthAck,
            "Renew the token of a live connection.",
            roles=AGENTS,
        ),
        CommandSpec(
            "join_conversation",
            Id | commands.JoinConversation,
            responses.JoinAck,
            "Join a conversation's room and catch up.",
            limit=Limit.JOIN,
            in_guide=True,
        ),
        CommandSpec(
            "leave_conversation", Id, responses.Ok, "Leave a conversation's room.", limit=Limit.JOIN, in_guide=True
        ),
        CommandSpec(
            "send_message",
            commands.SendMessage,
            responses.SendAck,
            "Send a message; acked once it is stored.",
            limit=Limit.SEND,
            in_guide=True,
        ),
        CommandSpec(
            "typing_start", Id, responses.Ok, "Typing has begun or goes on.", limit=Limit.TYPING, in_guide=True
        ),
        CommandSpec("typing_stop", Id, responses.Ok, "Typing has stopped.", limit=Limit.TYPING, in_guide=True),
        CommandSpec("history", commands.History, responses.HistoryAck, "Read a page of messages."),
        CommandSpec("mark_read", commands.MarkRead, responses.MarkAck, "Move the own read mark forward."),
        CommandSpec("set_presence", commands.SetPresence, responses.Ok, "Choose online, away or busy."),
        CommandSpec(
            "subscribe_inbox",
            commands.SubscribeInbox,
            responses.InboxAck,
            "Follow the list of conversations.",
            roles=AGENTS,
            optional=True,
        ),
        CommandSpec(
            "claim_conversation",
            commands.ChangeConversation,
            responses.ConversationAck,
            "Take a conversation.",
            roles=AGENTS,
        ),
        CommandSpec(
            "release_conversation",
            commands.ChangeConversation,
            responses.ConversationAck,
            "Put a conversation back in the queue.",
            roles=AGENTS,
        ),
        CommandSpec(
            "resolve_conversation",
            commands.ChangeConversation,
            responses.ConversationAck,
            "Close a conversation.",
            roles=AGENTS,
        ),
        CommandSpec(
            "reopen_conversation",
            commands.ChangeConversation,
            responses.ConversationAck,
            "Put a closed conversation back in the queue.",
            roles=AGENTS,
        ),
        CommandSpec(
            "handoff",
            commands.Handoff,
            responses.ConversationAck,
            "Hand a conversation from the bot to the agents' queue.",
        ),
        CommandSpec(
            "assign_bot",
            commands.ChangeConversation,
            responses.ConversationAck,
            "Hand a queued or assigned conversation to the bot, which answers what was asked last.",
            roles=AGENTS,
        ),
    )
}

EVENTS: dict[str, EventSpec] = {
    row.name: row
    for row in (
        EventSpec("authenticated", events.Authenticated, "The credentials were accepted.", in_guide=True),
        EventSpec("joined_conversation", events.JoinedConversation, "The room was joined.", in_guide=True),
        EventSpec("left_conversation", events.LeftConversation, "The room was left.", in_guide=True),
        EventSpec("message_received", Message, "A message was stored in a joined conversation.", in_guide=True),
        EventSpec("typing_indicator", events.TypingIndicator, "Somebody began or stopped typing.", in_guide=True),
        EventSpec("presence_update", Presence, "Somebody's presence changed.", in_guide=True),
        EventSpec("error", events.Failed, "A request without ack failed, or the connection ends.", in_guide=True),
        EventSpec("message_read", events.MessageRead, "A member's read mark moved."),
        EventSpec("conversation_updated", events.ConversationUpdated, "A conversation changed."),
        EventSpec("bot_notice", events.BotNotice, "For inboxes: the bot failed, or handed a conversation off."),
        EventSpec("positions", events.Positions, "Heads of the joined conversations, every 30 s."),
        EventSpec("auth_expiring", events.AuthExpiring, "The token runs out within a minute."),
        EventSpec("server_draining", events.ServerDraining, "The server is stopping."),
    )
}

"""Table of the events: payload, reply, permitted roles, and rate limit of each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from chatws.protocol import commands, events, responses
from chatws.protocol.entities import Id, Message, Note, Presence, Role


class Limit(StrEnum):
    """Token bucket of a request."""

    SEND = "send"
    TYPING = "typing"
    JOIN = "join"
    OTHER = "other"


ANY_ROLE: frozenset[Role] = frozenset({"admin", "customer"})
AGENTS: frozenset[Role] = frozenset({"admin"})
CUSTOMERS: frozenset[Role] = frozenset({"customer"})
SERVICES: frozenset[Role] = frozenset({"bot"})
"""Service keys, which are accepted over REST only and act as the bot."""
UNAUTHENTICATED: frozenset[Role] = frozenset()
"""For requests before authentication."""


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """Request: a client-to-server event or a REST operation."""

    name: str
    payload: object
    reply: type[responses.Ok]
    summary: str
    roles: frozenset[Role] = ANY_ROLE
    limit: Limit = Limit.OTHER
    optional: bool = False
    """Whether the payload may be omitted."""
    in_guide: bool = False
    """Whether the integration guide defines this event."""


@dataclass(frozen=True, slots=True)
class EventSpec:
    """Server-to-client event."""

    name: str
    payload: object
    summary: str
    in_guide: bool = False
    """Whether the integration guide defines this event."""


COMMANDS: dict[str, CommandSpec] = {
    row.name: row
    for row in (
        CommandSpec(
            "authenticate",
            commands.Authenticate,
            responses.AuthAck,
            "Authenticate a connection opened without credentials.",
            roles=UNAUTHENTICATED,
            in_guide=True,
        ),
        CommandSpec(
            "refresh_token",
            commands.RefreshToken,
            responses.AuthAck,
            "Renew the token of an open connection.",
            roles=AGENTS,
        ),
        CommandSpec(
            "join_conversation",
            Id | commands.JoinConversation,
            responses.JoinAck,
            "Join a conversation's room and receive missed messages.",
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
            roles=ANY_ROLE | SERVICES,
            limit=Limit.SEND,
            in_guide=True,
        ),
        CommandSpec(
            "typing_start",
            Id,
            responses.Ok,
            "Report that typing started or continues.",
            limit=Limit.TYPING,
            in_guide=True,
        ),
        CommandSpec("typing_stop", Id, responses.Ok, "Report that typing stopped.", limit=Limit.TYPING, in_guide=True),
        CommandSpec(
            "history",
            commands.History,
            responses.HistoryAck,
            "Read a page of messages.",
            roles=ANY_ROLE | SERVICES,
        ),
        CommandSpec("mark_read", commands.MarkRead, responses.MarkAck, "Move the user's read mark forward."),
        CommandSpec("set_presence", commands.SetPresence, responses.Ok, "Choose online, away or busy."),
        CommandSpec(
            "subscribe_inbox",
            commands.SubscribeInbox,
            responses.InboxAck,
            "Subscribe to the list of conversations.",
            roles=AGENTS,
            optional=True,
        ),
        CommandSpec(
            "claim_conversation",
            commands.ChangeConversation,
            responses.ConversationAck,
            "Claim a conversation.",
            roles=AGENTS,
        ),
        CommandSpec(
            "release_conversation",
            commands.ChangeConversation,
            responses.ConversationAck,
            "Return a conversation to the queue.",
            roles=AGENTS,
        ),
        CommandSpec(
            "resolve_conversation",
            commands.ChangeConversation,
            responses.ConversationAck,
            "Resolve a conversation.",
            roles=AGENTS,
        ),
        CommandSpec(
            "reopen_conversation",
            commands.ChangeConversation,
            responses.ConversationAck,
            "Return a resolved conversation to the queue.",
            roles=AGENTS,
        ),
        CommandSpec(
            "handoff",
            commands.Handoff,
            responses.ConversationAck,
            "Hand a conversation off from the bot to the agents' queue.",
        ),
        CommandSpec(
            "assign_bot",
            commands.ChangeConversation,
            responses.ConversationAck,
            "Assign a queued or assigned conversation to the bot, which replies to the last message.",
            roles=AGENTS,
        ),
        CommandSpec(
            "assign_conversation",
            commands.AssignConversation,
            responses.ConversationAck,
            "Assign a conversation to an agent: take it over, or transfer it.",
            roles=AGENTS,
        ),
        CommandSpec(
            "search",
            commands.SearchConversations,
            responses.SearchAck,
            "Search the newest conversations for a customer's name or a text.",
            roles=AGENTS,
        ),
        CommandSpec(
            "list_agents",
            commands.Nothing,
            responses.AgentList,
            "Read the agents who are not offline.",
            roles=AGENTS,
            optional=True,
        ),
        CommandSpec(
            "add_note",
            commands.AddNote,
            responses.NoteAck,
            "Add a note for other agents, which customers never receive.",
            roles=AGENTS,
            limit=Limit.SEND,
        ),
        CommandSpec(
            "list_notes",
            commands.ConversationRef,
            responses.NoteList,
            "Read the notes of a conversation.",
            roles=AGENTS,
        ),
        CommandSpec(
            "list_replies",
            commands.Nothing,
            responses.ReplyList,
            "Read the canned replies of the server.",
            roles=AGENTS,
            optional=True,
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
        EventSpec(
            "typing_indicator", events.TypingIndicator, "Another member started or stopped typing.", in_guide=True
        ),
        EventSpec("presence_update", Presence, "The presence of a user changed.", in_guide=True),
        EventSpec(
            "error", events.Failed, "A request without an ack failed, or the connection is closed.", in_guide=True
        ),
        EventSpec("message_read", events.MessageRead, "A member's read mark moved."),
        EventSpec("conversation_updated", events.ConversationUpdated, "A conversation changed."),
        EventSpec("note_added", Note, "For agents who joined the conversation: an agent added a note."),
        EventSpec("bot_notice", events.BotNotice, "For inboxes: the bot failed, or handed off a conversation."),
        EventSpec(
            "recovery_offset", str, "Positions that Socket.IO's connection state recovery presents after a reconnect."
        ),
        EventSpec("positions", events.Positions, "Heads of the joined conversations, every 30 s."),
        EventSpec("auth_expiring", events.AuthExpiring, "The token expires within a minute."),
        EventSpec("server_draining", events.ServerDraining, "The server is shutting down."),
    )
}

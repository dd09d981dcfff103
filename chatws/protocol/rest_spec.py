"""Table of the REST operations: method, path, and the request of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from chatws.protocol import commands, responses
from chatws.protocol.spec import AGENTS, ANY_ROLE, COMMANDS, CUSTOMERS, SERVICES, UNAUTHENTICATED, CommandSpec, Limit


@dataclass(frozen=True, slots=True)
class Operation:
    """REST operation; its payload consists of the path parameters and the query (GET) or the body (POST)."""

    method: Literal["GET", "POST"]
    path: str
    command: CommandSpec


REST_COMMANDS: dict[str, CommandSpec] = {
    row.name: row
    for row in (
        CommandSpec(
            "login", commands.Login, responses.LoginAck, "Get a token for email and password.", roles=UNAUTHENTICATED
        ),
        CommandSpec(
            "refresh", commands.Nothing, responses.LoginAck, "Get a fresh token for a valid one.", roles=AGENTS
        ),
        CommandSpec(
            "logout",
            commands.Nothing,
            responses.Ok,
            "Invalidate all tokens of the agent and close its sockets.",
            roles=AGENTS,
        ),
        CommandSpec(
            "start_session",
            commands.StartSession,
            responses.SessionAck,
            "Create a customer session with a conversation.",
            roles=UNAUTHENTICATED,
        ),
        CommandSpec(
            "current_session", commands.Nothing, responses.SessionAck, "Read the customer's session.", roles=CUSTOMERS
        ),
        CommandSpec(
            "set_email",
            commands.SetEmail,
            responses.SessionAck,
            "Leave a mail address that agents see; one that the site has signed is not replaced.",
            roles=CUSTOMERS,
        ),
        CommandSpec(
            "list_conversations",
            commands.ListConversations,
            responses.ConversationList,
            "List conversations: all for an agent or a service, their own for a customer.",
            roles=ANY_ROLE | SERVICES,
        ),
        CommandSpec(
            "start_conversation",
            commands.StartConversation,
            responses.ConversationAck,
            "Start a conversation with a customer, assigned to the calling agent.",
            roles=AGENTS,
        ),
        CommandSpec(
            "get_conversation",
            commands.ConversationRef,
            responses.ConversationAck,
            "Read one conversation.",
            roles=ANY_ROLE | SERVICES,
        ),
        CommandSpec(
            "load_messages",
            commands.LoadMessages,
            responses.HistoryAck,
            "Read the messages for the initial load of a page.",
        ),
        CommandSpec(
            "ask_bot",
            commands.BotQuestion,
            responses.BotAck,
            "Send a message and wait for the bot's reply; as an event stream with `Accept: text/event-stream`.",
            roles=CUSTOMERS,
            limit=Limit.SEND,
        ),
        CommandSpec(
            "notify_user",
            commands.Notify,
            responses.NotifyAck,
            "Emit an event to every connection of a user.",
            roles=AGENTS | SERVICES,
        ),
        CommandSpec(
            "count_connections",
            commands.Nothing,
            responses.ConnectionCount,
            "Count the authenticated connections of this server.",
            roles=AGENTS | SERVICES,
        ),
        CommandSpec(
            "list_connections",
            commands.ListConnections,
            responses.ConnectionList,
            "List the connections of this server; requires an operator's token.",
            roles=AGENTS,
        ),
        CommandSpec(
            "kick",
            commands.Kick,
            responses.KickAck,
            "Close the connections of a user, or one connection of this server; requires an operator's token.",
            roles=AGENTS,
        ),
        CommandSpec(
            "trace",
            commands.Trace,
            responses.Ok,
            "Stream the events of a user or a conversation on this server as JSON lines: this response, then a "
            "TraceRecord for each event; requires an operator's token.",
            roles=AGENTS,
        ),
    )
}
"""Requests without an equivalent event."""

OPERATIONS: tuple[Operation, ...] = (
    Operation("POST", "/api/auth/login", REST_COMMANDS["login"]),
    Operation("POST", "/api/auth/refresh", REST_COMMANDS["refresh"]),
    Operation("POST", "/api/auth/logout", REST_COMMANDS["logout"]),
    Operation("POST", "/api/sessions", REST_COMMANDS["start_session"]),
    Operation("GET", "/api/sessions/current", REST_COMMANDS["current_session"]),
    Operation("POST", "/api/sessions/current/email", REST_COMMANDS["set_email"]),
    Operation("GET", "/api/conversations", REST_COMMANDS["list_conversations"]),
    Operation("POST", "/api/conversations", REST_COMMANDS["start_conversation"]),
    Operation("GET", "/api/conversations/{conversationId}", REST_COMMANDS["get_conversation"]),
    Operation("GET", "/api/conversations/{conversationId}/messages", COMMANDS["history"]),
    Operation("POST", "/api/conversations/{conversationId}/messages", COMMANDS["send_message"]),
    Operation("GET", "/api/conversations/{conversationId}/notes", COMMANDS["list_notes"]),
    Operation("POST", "/api/conversations/{conversationId}/notes", COMMANDS["add_note"]),
    Operation("GET", "/api/search", COMMANDS["search"]),
    Operation("GET", "/api/replies", COMMANDS["list_replies"]),
    Operation("GET", "/api/messages", REST_COMMANDS["load_messages"]),
    Operation("POST", "/api/coze/chat", REST_COMMANDS["ask_bot"]),
    Operation("POST", "/api/users/{userId}/notifications", REST_COMMANDS["notify_user"]),
    Operation("GET", "/api/admin/connections", REST_COMMANDS["list_connections"]),
    Operation("POST", "/api/admin/kick", REST_COMMANDS["kick"]),
    Operation("GET", "/api/admin/trace", REST_COMMANDS["trace"]),
    Operation("GET", "/api/connections", REST_COMMANDS["count_connections"]),
)

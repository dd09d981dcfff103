"""The REST table: every operation, where it is found, and the request behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from chatws.protocol import commands, responses
from chatws.protocol.spec import AGENTS, COMMANDS, CUSTOMERS, NOBODY_YET, CommandSpec, Limit


@dataclass(frozen=True, slots=True)
class Operation:
    """One REST operation; fields in braces in the path, in the query (GET) or in the body (POST) make the payload."""

    method: Literal["GET", "POST"]
    path: str
    command: CommandSpec


REST_COMMANDS: dict[str, CommandSpec] = {
    row.name: row
    for row in (
        CommandSpec(
            "login", commands.Login, responses.LoginAck, "Get a token for email and password.", roles=NOBODY_YET
        ),
        CommandSpec(
            "refresh", commands.Nothing, responses.LoginAck, "Get a fresh token for a valid one.", roles=AGENTS
        ),
        CommandSpec(
            "logout",
            commands.Nothing,
            responses.Ok,
            "Void every token of the agent and close its sockets.",
            roles=AGENTS,
        ),
        CommandSpec(
            "start_session",
            commands.StartSession,
            responses.SessionAck,
            "Begin as a new customer with a conversation.",
            roles=NOBODY_YET,
        ),
        CommandSpec(
            "current_session", commands.Nothing, responses.SessionAck, "Look at the own session.", roles=CUSTOMERS
        ),
        CommandSpec(
            "list_conversations",
            commands.ListConversations,
            responses.ConversationList,
            "List conversations: all of them for an agent, the own ones for a customer.",
        ),
        CommandSpec(
            "start_conversation",
            commands.StartConversation,
            responses.ConversationAck,
            "Start a conversation with a customer; the agent who does has it.",
            roles=AGENTS,
        ),
        CommandSpec(
            "get_conversation", commands.ConversationRef, responses.ConversationAck, "Look at one conversation."
        ),
        CommandSpec("load_messages", commands.LoadMessages, responses.HistoryAck, "Read messages when a page opens."),
        CommandSpec(
            "ask_bot",
            commands.BotQuestion,
            responses.BotAck,
            "Send a message and wait for the bot's answer; as an event stream with `Accept: text/event-stream`.",
            roles=CUSTOMERS,
            limit=Limit.SEND,
        ),
        CommandSpec(
            "notify_user",
            commands.Notify,
            responses.NotifyAck,
            "Emit an event to every connection of a user.",
            roles=AGENTS,
        ),
    )
}
"""Requests that only REST has; the others are events too."""

OPERATIONS: tuple[Operation, ...] = (
    Operation("POST", "/api/auth/login", REST_COMMANDS["login"]),
    Operation("POST", "/api/auth/refresh", REST_COMMANDS["refresh"]),
    Operation("POST", "/api/auth/logout", REST_COMMANDS["logout"]),
    Operation("POST", "/api/sessions", REST_COMMANDS["start_session"]),
    Operation("GET", "/api/sessions/current", REST_COMMANDS["current_session"]),
    Operation("GET", "/api/conversations", REST_COMMANDS["list_conversations"]),
    Operation("POST", "/api/conversations", REST_COMMANDS["start_conversation"]),
    Operation("GET", "/api/conversations/{conversationId}", REST_COMMANDS["get_conversation"]),
    Operation("GET", "/api/conversations/{conversationId}/messages", COMMANDS["history"]),
    Operation("POST", "/api/conversations/{conversationId}/messages", COMMANDS["send_message"]),
    Operation("GET", "/api/messages", REST_COMMANDS["load_messages"]),
    Operation("POST", "/api/coze/chat", REST_COMMANDS["ask_bot"]),
    Operation("POST", "/api/users/{userId}/notifications", REST_COMMANDS["notify_user"]),
)

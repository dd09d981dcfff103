"""Names of the contract's commands and events that the client itself processes."""

from __future__ import annotations

from enum import StrEnum


class Command(StrEnum):
    """Commands that the client sends."""

    REFRESH_TOKEN = "refresh_token"
    JOIN_CONVERSATION = "join_conversation"
    LEAVE_CONVERSATION = "leave_conversation"
    SEND_MESSAGE = "send_message"
    TYPING_START = "typing_start"
    TYPING_STOP = "typing_stop"
    HISTORY = "history"
    MARK_READ = "mark_read"
    SET_PRESENCE = "set_presence"
    SUBSCRIBE_INBOX = "subscribe_inbox"
    CLAIM_CONVERSATION = "claim_conversation"
    RELEASE_CONVERSATION = "release_conversation"
    RESOLVE_CONVERSATION = "resolve_conversation"
    REOPEN_CONVERSATION = "reopen_conversation"
    HANDOFF = "handoff"
    ASSIGN_BOT = "assign_bot"
    ASSIGN_CONVERSATION = "assign_conversation"
    SEARCH = "search"
    LIST_AGENTS = "list_agents"
    ADD_NOTE = "add_note"
    LIST_NOTES = "list_notes"
    LIST_REPLIES = "list_replies"


class Event(StrEnum):
    """Events delivered to the user of the SDK; those after the blank line are the SDK's own."""

    AUTHENTICATED = "authenticated"
    MESSAGE_RECEIVED = "message_received"
    TYPING_INDICATOR = "typing_indicator"
    PRESENCE_UPDATE = "presence_update"
    MESSAGE_READ = "message_read"
    CONVERSATION_UPDATED = "conversation_updated"
    NOTE_ADDED = "note_added"
    BOT_NOTICE = "bot_notice"
    ERROR = "error"
    POSITIONS = "positions"
    AUTH_EXPIRING = "auth_expiring"
    SERVER_DRAINING = "server_draining"

    CONNECTION_CHANGE = "connection_change"
    CONVERSATION_JOINED = "conversation_joined"
    CONVERSATION_RELOADED = "conversation_reloaded"
    INBOX_LOADED = "inbox_loaded"


OWN_EVENTS = frozenset(
    {Event.CONNECTION_CHANGE, Event.CONVERSATION_JOINED, Event.CONVERSATION_RELOADED, Event.INBOX_LOADED}
)

"""Routes of all events: handler and policy."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from chatws.server.handlers import (
    agents,
    assignment,
    authentication,
    history,
    inbox,
    messages,
    notes,
    presence,
    replies,
    rooms,
    search,
    typing,
)
from chatws.server.requests import policy
from chatws.server.requests.pipeline import Route

ROUTES: Mapping[str, Route] = MappingProxyType(
    {
        "authenticate": Route(authentication.authenticate),
        "refresh_token": Route(authentication.refresh_token),
        "join_conversation": Route(rooms.join_conversation, rooms.may_join),
        "leave_conversation": Route(rooms.leave_conversation, policy.joined),
        "send_message": Route(messages.send_message, messages.may_send),
        "typing_start": Route(typing.typing_start, policy.joined),
        "typing_stop": Route(typing.typing_stop, policy.joined),
        "history": Route(history.history, policy.member),
        "mark_read": Route(history.mark_read, policy.member),
        "set_presence": Route(presence.set_presence),
        "subscribe_inbox": Route(inbox.subscribe_inbox),
        "claim_conversation": Route(assignment.claim_conversation, assignment.may_change),
        "release_conversation": Route(assignment.release_conversation, assignment.may_change),
        "resolve_conversation": Route(assignment.resolve_conversation, assignment.may_change),
        "reopen_conversation": Route(assignment.reopen_conversation, assignment.may_change),
        "handoff": Route(assignment.handoff, assignment.may_change),
        "assign_bot": Route(assignment.assign_bot, assignment.may_change),
        "assign_conversation": Route(assignment.assign_conversation, assignment.may_assign),
        "search": Route(search.search),
        "list_agents": Route(agents.list_agents),
        "add_note": Route(notes.add_note, notes.may_note),
        "list_notes": Route(notes.list_notes, policy.member),
        "list_replies": Route(replies.list_replies),
    }
)
"""Routes by event name; a test compares the names with `COMMANDS`."""

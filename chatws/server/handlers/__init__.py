"""What stands behind every event of the contract: one rule and one handler each."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from chatws.server.handlers import assignment, authentication, history, inbox, messages, presence, rooms, typing
from chatws.server.requests import policy
from chatws.server.requests.pipeline import Route

ROUTES: Mapping[str, Route] = MappingProxyType(
    {
        "authenticate": Route(policy.anyone, authentication.authenticate),
        "refresh_token": Route(policy.anyone, authentication.refresh_token),
        "join_conversation": Route(rooms.may_join, rooms.join_conversation),
        "leave_conversation": Route(policy.joined, rooms.leave_conversation),
        "send_message": Route(messages.may_send, messages.send_message),
        "typing_start": Route(policy.joined, typing.typing_start),
        "typing_stop": Route(policy.joined, typing.typing_stop),
        "history": Route(policy.member, history.history),
        "mark_read": Route(policy.member, history.mark_read),
        "set_presence": Route(policy.anyone, presence.set_presence),
        "subscribe_inbox": Route(policy.anyone, inbox.subscribe_inbox),
        "claim_conversation": Route(assignment.may_change, assignment.claim_conversation),
        "release_conversation": Route(assignment.may_change, assignment.release_conversation),
        "resolve_conversation": Route(assignment.may_change, assignment.resolve_conversation),
        "reopen_conversation": Route(assignment.may_change, assignment.reopen_conversation),
        "handoff": Route(assignment.may_change, assignment.handoff),
        "assign_bot": Route(assignment.may_change, assignment.assign_bot),
    }
)
"""Every event of the table; a test keeps them equal."""

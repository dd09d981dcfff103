"""What stands behind every event of the contract: one rule and one handler each."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from chatws.server import policy
from chatws.server.handlers import identity, inbox, messages, presence, reading, rooms, typing, work
from chatws.server.pipeline import Route

ROUTES: Mapping[str, Route] = MappingProxyType(
    {
        "authenticate": Route(policy.anyone, identity.authenticate),
        "refresh_token": Route(policy.anyone, identity.refresh_token),
        "join_conversation": Route(rooms.may_join, rooms.join_conversation),
        "leave_conversation": Route(policy.joined, rooms.leave_conversation),
        "send_message": Route(messages.may_send, messages.send_message),
        "typing_start": Route(policy.joined, typing.typing_start),
        "typing_stop": Route(policy.joined, typing.typing_stop),
        "history": Route(policy.member, reading.history),
        "mark_read": Route(policy.member, reading.mark_read),
        "set_presence": Route(policy.anyone, presence.set_presence),
        "subscribe_inbox": Route(policy.anyone, inbox.subscribe_inbox),
        "claim_conversation": Route(work.may_change, work.claim_conversation),
        "release_conversation": Route(work.may_change, work.release_conversation),
        "resolve_conversation": Route(work.may_change, work.resolve_conversation),
        "reopen_conversation": Route(work.may_change, work.reopen_conversation),
        "handoff": Route(work.may_change, work.handoff),
        "assign_bot": Route(work.may_change, work.assign_bot),
    }
)
"""Every event of the table; a test keeps them equal."""

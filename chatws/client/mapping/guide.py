"""Mapping of the guide itself: every name and path as the integration guide has them."""

from __future__ import annotations

from chatws.client.mapping.model import (
    AckMapping,
    AuthMapping,
    CommandMapping,
    EndpointMapping,
    FailureMapping,
    IdentityMapping,
    MembershipMapping,
    MessageMapping,
    PresenceMapping,
    ServerMapping,
    TypingMapping,
)

_JOIN_ACK = AckMapping(kind="optional", success="success", error="error")
"""The guide leaves open whether a server acks a join."""

GUIDE_MAPPING = ServerMapping(
    server=EndpointMapping(health="/health", health_connections="websocket.connections"),
    auth=AuthMapping(agent={"token": "{credential}"}, customer={"sessionId": "{credential}"}),
    authenticated=IdentityMapping(
        source="event", event="authenticated", user_id="userId", user_name="userName", role="role"
    ),
    join=MembershipMapping(
        event="join_conversation",
        args=["{conversationId}"],
        ack=_JOIN_ACK,
        confirmed_by="event",
        confirmation="joined_conversation",
        conversation_id="conversationId",
    ),
    leave=MembershipMapping(
        event="leave_conversation",
        args=["{conversationId}"],
        confirmed_by="event",
        confirmation="left_conversation",
        conversation_id="conversationId",
    ),
    send=CommandMapping(
        event="send_message",
        args=[{"conversationId": "{conversationId}", "content": "{content}"}],
        ack=AckMapping(success="success", error="error"),
    ),
    typing_start=CommandMapping(event="typing_start", args=["{conversationId}"]),
    typing_stop=CommandMapping(event="typing_stop", args=["{conversationId}"]),
    message_received=MessageMapping(
        event="message_received",
        content="content",
        conversation_id="conversationId",
        sender_id="sender.userId",
        sender_name="sender.userName",
        sender_role="sender.role",
        timestamp="timestamp",
    ),
    typing_indicator=TypingMapping(
        event="typing_indicator", user_id="userId", user_name="userName", is_typing="isTyping"
    ),
    presence_update=PresenceMapping(event="presence_update", user_id="userId", status="status", timestamp="timestamp"),
    error=FailureMapping(event="error", message="message"),
)
"""Default mapping; clients use the payloads of such a server unchanged, with all additions to the guide."""

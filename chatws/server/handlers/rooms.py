"""Handlers that join and leave conversations; the reply to a join contains the missed messages."""

from __future__ import annotations

from msgspec import UNSET

from chatws.protocol.commands import JoinConversation
from chatws.protocol.entities import Conversation
from chatws.protocol.errors import ChatError, ErrorCode
from chatws.protocol.events import JoinedConversation, LeftConversation
from chatws.protocol.responses import JoinAck, Ok
from chatws.server.connections.registry import Connection
from chatws.server.conversations.hub import HostedConversation, room_name
from chatws.server.requests import policy
from chatws.server.requests.context import RequestContext
from chatws.server.services import Services
from chatws.store.interface import Snapshot


async def may_join(services: Services, context: RequestContext, payload: str | JoinConversation) -> Conversation:
    """Allow users who may see the conversation; in development mode a customer's first join creates it.

    Raises:
        ChatError: as `policy.member`, or ``connection_limit`` for too many rooms of the socket or members of the room.
    """
    conversation_id = policy.conversation_id_of(payload)
    conversation = await services.hub.current(conversation_id)
    if conversation is None and services.settings.is_dev and context.user.role == "customer":
        conversation, _ = await services.store.create_conversation(
            conversation_id, context.user, services.conversations.first_status
        )
    conversation = policy.check_member(context.user, conversation)
    assert context.connection is not None
    if services.settings.limits == "on" and conversation_id not in context.connection.joined:
        _check_limits(services, context.connection, conversation_id)
    return conversation


def _check_limits(services: Services, connection: Connection, conversation_id: str) -> None:
    settings = services.settings
    if len(connection.joined) >= settings.rooms_per_socket:
        raise ChatError(ErrorCode.CONNECTION_LIMIT, f"At most {settings.rooms_per_socket} conversations at once.")
    if services.namespace.room_size(room_name(conversation_id)) >= settings.members_per_room:
        raise ChatError(ErrorCode.CONNECTION_LIMIT, f"At most {settings.members_per_room} members at once.")


async def join_conversation(
    services: Services, context: RequestContext, payload: str | JoinConversation, conversation: Conversation
) -> JoinAck:
    """Enter the room, then read: a message stored in between reaches the client twice rather than never."""
    connection = context.connection
    assert connection is not None
    if not connection.socket.connected:
        raise ChatError(ErrorCode.NOT_JOINED, "The connection has ended.")
    was_joined = conversation.conversation_id in connection.joined
    if not isinstance(payload, str):
        services.hub.withdraw_offsets(connection)  # the client restores its position itself
    hosted = services.hub.enter(connection, conversation)
    try:
        await services.hub.wait_subscribed(hosted)
        ack = await _catch_up(services, hosted, payload, connection.user_id)
    except BaseException:
        if not was_joined:
            services.membership.leave_room(connection, conversation.conversation_id)
            services.hub.emit_offset(connection)
        raise
    services.hub.emit_offset(connection)
    connection.socket.emit("joined_conversation", JoinedConversation(conversation_id=conversation.conversation_id))
    services.presence.joined(connection.user_id, conversation.conversation_id)
    return ack


async def _catch_up(
    services: Services, hosted: HostedConversation, payload: str | JoinConversation, user_id: str
) -> JoinAck:
    after_seq, epoch = (UNSET, UNSET) if isinstance(payload, str) else (payload.after_seq, payload.epoch)
    same_epoch = epoch in (UNSET, services.store.epoch)
    wanted = after_seq if after_seq is not UNSET and same_epoch else None
    snapshot = await services.store.snapshot(hosted.conversation.conversation_id, wanted)
    if snapshot is None:
        raise ChatError(ErrorCode.NOT_FOUND)
    services.hub.begin_read_marks(hosted, snapshot.read_marks)
    services.hub.adopt(snapshot.conversation)  # it may have changed after the policy read it
    presence = await services.presence.of_all(
        _members(services, hosted, snapshot), snapshot.conversation.conversation_id
    )
    recovered = same_epoch and (wanted is None or wanted <= snapshot.conversation.head_seq)
    return JoinAck(
        conversation=snapshot.conversation,
        epoch=services.store.epoch,
        recovered=recovered,
        messages=snapshot.messages,
        has_more=snapshot.has_more,
        read_marks=snapshot.read_marks,
        # Without the user's own typing on another connection, whose end is not sent to the user's connections either.
        typing=[typing_id for typing_id in hosted.typing.users() if typing_id != user_id],
        presence=presence,
    )


def _members(services: Services, hosted: HostedConversation, snapshot: Snapshot) -> list[str]:
    conversation = snapshot.conversation
    user_ids = [socket.data.user_id for socket in services.namespace.room_members(hosted.room)]
    user_ids.append(conversation.customer.user_id)
    if conversation.assignee is not None:
        user_ids.append(conversation.assignee.user_id)
    return user_ids


async def leave_conversation(
    services: Services, context: RequestContext, payload: str, conversation: Conversation
) -> Ok:
    """Leave the conversation; the user's typing ends."""
    connection = context.connection
    assert connection is not None
    services.membership.leave(connection, conversation.conversation_id)
    if not services.membership.is_member(connection.user_id, conversation.conversation_id):
        services.presence.left(connection.user_id, conversation.conversation_id)
    services.hub.emit_offset(connection)
    connection.socket.emit("left_conversation", LeftConversation(conversation_id=conversation.conversation_id))
    return Ok()

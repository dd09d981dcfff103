"""Joining and leaving a conversation's room, and catching up."""

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
from chatws.server.services import RequestContext, Services
from chatws.store.interface import Snapshot


async def may_join(chat: Services, caller: RequestContext, payload: str | JoinConversation) -> Conversation:
    """Allow members; in development mode a customer's first join makes the conversation.

    Raises:
        ChatError: as `policy.member`, or ``connection_limit`` for one room or member too many.
    """
    conversation_id = policy.conversation_id_of(payload)
    conversation = await chat.current(conversation_id)
    if conversation is None and chat.settings.is_dev and caller.user.role == "customer":
        conversation, created = await chat.store.create_conversation(conversation_id, caller.user, chat.first_status)
        if created:
            chat.touched(conversation_id)
    conversation = policy.check_member(caller.user, conversation)
    assert caller.connection is not None
    if chat.settings.limits == "on" and conversation_id not in caller.connection.joined:
        _check_room(chat, caller.connection, conversation_id)
    return conversation


def _check_room(chat: Services, connection: Connection, conversation_id: str) -> None:
    settings = chat.settings
    if len(connection.joined) >= settings.rooms_per_socket:
        raise ChatError(ErrorCode.CONNECTION_LIMIT, f"At most {settings.rooms_per_socket} conversations at once.")
    if chat.namespace.room_size(room_name(conversation_id)) >= settings.members_per_room:
        raise ChatError(ErrorCode.CONNECTION_LIMIT, f"At most {settings.members_per_room} members at once.")


async def join_conversation(
    chat: Services, caller: RequestContext, payload: str | JoinConversation, conversation: Conversation
) -> JoinAck:
    """Enter the room, then read: whatever is stored in between reaches the client twice rather than never."""
    connection = caller.connection
    assert connection is not None
    if not connection.socket.connected:
        raise ChatError(ErrorCode.NOT_JOINED, "The connection has ended.")
    was_joined = conversation.conversation_id in connection.joined
    was_there = _is_there(chat, connection, conversation.conversation_id)
    hosted = chat.hosting.enter(connection, conversation)
    try:
        await chat.hosting.until_heard(hosted)
        ack = await _catch_up(chat, hosted, payload)
    except BaseException:
        if not was_joined:
            _leave_hosted(chat, connection, hosted)
        raise
    connection.socket.emit("joined_conversation", JoinedConversation(conversation_id=conversation.conversation_id))
    if not was_there:
        chat.presence.joined(connection.user_id, conversation.conversation_id)
    return ack


def _is_there(chat: Services, connection: Connection, conversation_id: str) -> bool:
    return any(conversation_id in mine.joined for mine in chat.registry.of_user(connection.user_id))


async def _catch_up(chat: Services, hosted: HostedConversation, payload: str | JoinConversation) -> JoinAck:
    after_seq, epoch = (UNSET, UNSET) if isinstance(payload, str) else (payload.after_seq, payload.epoch)
    same_epoch = epoch in (UNSET, chat.store.epoch)
    wanted = after_seq if after_seq is not UNSET and same_epoch else None
    snapshot = await chat.store.snapshot(hosted.conversation.conversation_id, wanted)
    if snapshot is None:
        raise ChatError(ErrorCode.NOT_FOUND)
    chat.hosting.adopt(snapshot.conversation)  # it may have changed between the look at the caller and the room
    presence = await chat.presence.of_all(_people(chat, hosted, snapshot), snapshot.conversation.conversation_id)
    recovered = same_epoch and (wanted is None or wanted <= snapshot.conversation.head_seq)
    return JoinAck(
        conversation=snapshot.conversation,
        epoch=chat.store.epoch,
        recovered=recovered,
        messages=snapshot.messages,
        has_more=snapshot.has_more,
        read_marks=snapshot.read_marks,
        typing=hosted.board.typing(),
        presence=presence,
    )


def _people(chat: Services, hosted: HostedConversation, snapshot: Snapshot) -> list[str]:
    conversation = snapshot.conversation
    people = [socket.data.user_id for socket in chat.namespace.room_members(hosted.room)]
    people.append(conversation.customer.user_id)
    if conversation.assignee is not None:
        people.append(conversation.assignee.user_id)
    return people


async def leave_conversation(chat: Services, caller: RequestContext, payload: str, conversation: Conversation) -> Ok:
    """Leave the room; typing ends with it."""
    connection = caller.connection
    assert connection is not None
    leave_room(chat, connection, connection.joined[conversation.conversation_id])
    if not _is_there(chat, connection, conversation.conversation_id):
        chat.presence.left(connection.user_id, conversation.conversation_id)
    connection.socket.emit("left_conversation", LeftConversation(conversation_id=conversation.conversation_id))
    return Ok()


def leave_room(chat: Services, connection: Connection, hosted: HostedConversation) -> None:
    """Take a connection out of a room; the user's typing ends with the user's last connection in it."""
    hosted.board.end(connection.user_id, connection)
    connection.joined.pop(hosted.conversation.conversation_id, None)
    if not _is_there(chat, connection, hosted.conversation.conversation_id):
        hosted.board.forget(connection.user_id)
    _leave_hosted(chat, connection, hosted)


def _leave_hosted(chat: Services, connection: Connection, hosted: HostedConversation) -> None:
    if chat.hosting.leave(connection, hosted):
        chat.presence.room_ended(hosted.conversation.conversation_id)

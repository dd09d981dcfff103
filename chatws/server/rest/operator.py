"""REST operations of an operator: the connections of this server, and their end."""

from __future__ import annotations

import logging

from msgspec import UNSET

from chatws.protocol.commands import Kick, ListConnections, Trace
from chatws.protocol.errors import ChatError, ErrorCode
from chatws.protocol.ids import format_timestamp
from chatws.protocol.responses import ConnectionList, ConnectionSummary, KickAck, Ok
from chatws.server.connections import lifecycle
from chatws.server.connections.registry import Connection
from chatws.server.logs import log_event
from chatws.server.requests.context import RequestContext
from chatws.server.services import Services

_log = logging.getLogger("chatws.operator")


async def may_operate(services: Services, context: RequestContext, payload: object) -> None:
    """Allow tokens with the scope of an operator.

    Raises:
        ChatError: ``forbidden`` for other tokens of agents.
    """
    if context.identity is None or not context.identity.is_operator:
        raise ChatError(ErrorCode.FORBIDDEN, "An operator's token is required.")


async def list_connections(
    services: Services, context: RequestContext, payload: ListConnections, authorized: None
) -> ConnectionList:
    """Return the oldest connections that match, and the number of all that match."""
    registry = services.registry
    found = registry.all() if payload.user_id is UNSET else registry.of_user(payload.user_id)
    conversation_id = payload.conversation_id
    matching = [one for one in found if conversation_id is UNSET or conversation_id in one.joined]
    matching.sort(key=lambda one: one.socket.handshake.time)
    return ConnectionList(connections=[_summary(one) for one in matching[: payload.limit]], total=len(matching))


async def kick(services: Services, context: RequestContext, payload: Kick, authorized: None) -> KickAck:
    """Close all connections of a user, also those to other servers, or one connection of this server.

    Raises:
        ChatError: ``bad_request`` unless exactly one of the two is named, or ``not_found`` for an unknown connection.
    """
    if (payload.user_id is UNSET) == (payload.socket_id is UNSET):
        raise ChatError(ErrorCode.BAD_REQUEST, "Give either userId or socketId.")
    if payload.user_id is not UNSET:
        count = lifecycle.kick_user(services, payload.user_id)
        services.cluster.publish_kick(payload.user_id)
        _audit("operator_kicked", context, userId=payload.user_id, connections=count)
        return KickAck(connections=count)
    connection = next((one for one in services.registry.all() if one.socket.id == payload.socket_id), None)
    if connection is None:
        raise ChatError(ErrorCode.NOT_FOUND)
    _audit("operator_kicked", context, userId=connection.user_id, socketId=connection.socket.id, connections=1)
    lifecycle.kick(connection)
    return KickAck(connections=1)


async def begin_trace(services: Services, context: RequestContext, payload: Trace, authorized: None) -> Ok:
    """Check and log the begin of a trace, which `TraceEndpoint` streams.

    Raises:
        ChatError: ``bad_request`` unless exactly one target is named.
    """
    if (payload.user_id is UNSET) == (payload.conversation_id is UNSET):
        raise ChatError(ErrorCode.BAD_REQUEST, "Give either userId or conversationId.")
    target = {"userId": payload.user_id, "conversationId": payload.conversation_id}
    named = {name: value for name, value in target.items() if value is not UNSET}
    _audit("operator_traces", context, **named, withContent=payload.with_content)
    return Ok()


def _audit(name: str, context: RequestContext, **keys: object) -> None:
    log_event(_log, logging.WARNING, name, operator=context.user.user_id, address=context.address, **keys)


def _summary(connection: Connection) -> ConnectionSummary:
    assert connection.identity is not None
    handshake = connection.socket.handshake
    return ConnectionSummary(
        socket_id=connection.socket.id,
        user_id=connection.identity.user.user_id,
        user_name=connection.identity.user.user_name,
        role=connection.identity.user.role,
        address=handshake.address,
        connected_at=format_timestamp(int(handshake.time * 1000)),
        conversations=list(connection.joined),
        has_inbox=connection.inbox is not None,
    )

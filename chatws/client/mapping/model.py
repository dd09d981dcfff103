"""Structs of a mapping file: how a server names and shapes the events of the guide.

Values of two small languages occur in them. A *path* names a value in a received event or ack: ``user.name`` is a field
of a field of the first argument, ``@1.user.name`` of the second, ``@0`` the first argument itself; a number is an index
of a list. A *template* is JSON for sending in which strings contain placeholders such as ``{content}``. An empty path
or event name means that the server has no such value or event.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

EventName = Annotated[str, Meta(description="Name of a Socket.IO event.")]
ValuePath = Annotated[str, Meta(description="Path of a value: field.field, or @N.field in argument N (from 0).")]
Template = Annotated[list[Any], Meta(description="Arguments of an event, with placeholders such as {content}.")]
Scalar = str | int | bool
TimestampFormat = Literal["iso", "epoch_ms", "epoch_s"]


class MappingTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the tables of a mapping file: unknown keys are errors."""


class EndpointMapping(MappingTable, frozen=True, kw_only=True):
    """Addresses of the Socket.IO endpoint and of the health page."""

    path: Annotated[str, Meta(description="Path of the endpoint.")] = "/socket.io/"
    namespace: Annotated[str, Meta(description="Socket.IO namespace.")] = "/"
    health: Annotated[str, Meta(description="Path of a page that answers 200 while the server runs.")] = ""
    health_connections: Annotated[str, Meta(description="Path of the number of connections in its JSON.")] = ""


class AckMapping(MappingTable, frozen=True, kw_only=True):
    """Shape of an ack, and the values that mean success or refusal."""

    kind: Annotated[
        Literal["value", "empty", "optional", "none"],
        Meta(
            description="value: the ack has a value; empty: an ack without value means success; optional: the server"
            " may ack; none: it never acks."
        ),
    ] = "value"
    success: ValuePath = ""
    equals: Annotated[Scalar, Meta(description="Value at `success` that means success.")] = True
    error: Annotated[str, Meta(description="Path of the reason of a refusal.")] = ""
    message_id: ValuePath = ""


NO_ACK = AckMapping(kind="none")


class AuthMapping(MappingTable, frozen=True, kw_only=True):
    """Credentials: the place where the server expects them, and their form for agents and customers."""

    method: Annotated[
        Literal["connect", "event", "query", "headers"],
        Meta(description="Place of the credentials: CONNECT's payload, an event after it, the URL, or HTTP headers."),
    ] = "connect"
    event: EventName = ""
    agent: Annotated[
        dict[str, Any] | list[Any],
        Meta(description="Credentials of an agent, with {credential}; for an event also a list of arguments."),
    ]
    customer: Annotated[dict[str, Any] | list[Any], Meta(description="Credentials of a customer.")]
    ack: AckMapping = NO_ACK


class IdentityMapping(MappingTable, frozen=True, kw_only=True):
    """Confirmation of the credentials, and the paths of the user in it.

    An empty ``user_id`` or ``user_name`` stands for the credential, an empty ``role`` for the kind of credentials.
    """

    source: Annotated[
        Literal["event", "ack", "connect"],
        Meta(description="Confirmation: an event, the ack of auth.event, or the reply to CONNECT."),
    ] = "connect"
    event: EventName = ""
    user_id: ValuePath = ""
    user_name: ValuePath = ""
    role: ValuePath = ""


class CommandMapping(MappingTable, frozen=True, kw_only=True):
    """Event that a client sends."""

    event: EventName
    args: Template = []
    ack: AckMapping = NO_ACK


class MembershipMapping(MappingTable, frozen=True, kw_only=True):
    """Join or leave of a conversation, and its confirmation; without ``event`` nothing is sent."""

    event: EventName = ""
    args: Template = []
    ack: AckMapping = NO_ACK
    confirmed_by: Annotated[
        Literal["event", "ack", "none"], Meta(description="Confirmation by the server, if there is one.")
    ] = "none"
    confirmation: EventName = ""
    conversation_id: ValuePath = ""


class MessageMapping(MappingTable, frozen=True, kw_only=True):
    """Event of a message that the server delivers."""

    event: EventName
    content: ValuePath
    conversation_id: ValuePath = ""
    sender_id: ValuePath = ""
    sender_name: ValuePath = ""
    sender_role: ValuePath = ""
    timestamp: ValuePath = ""
    timestamp_format: TimestampFormat = "iso"
    message_id: ValuePath = ""
    echo: Annotated[bool, Meta(description="Whether the sender receives its own messages.")] = True


class TypingMapping(MappingTable, frozen=True, kw_only=True):
    """Event of a typing user: one with a boolean at ``is_typing``, or two events."""

    event: EventName
    stop_event: EventName = ""
    user_id: ValuePath
    user_name: ValuePath = ""
    is_typing: ValuePath = ""
    conversation_id: ValuePath = ""


class PresenceMapping(MappingTable, frozen=True, kw_only=True):
    """Event of a user's presence: one with a status, or two events for online and offline."""

    event: EventName
    offline_event: EventName = ""
    user_id: ValuePath
    status: ValuePath = ""
    timestamp: ValuePath = ""
    timestamp_format: TimestampFormat = "iso"


class FailureMapping(MappingTable, frozen=True, kw_only=True):
    """Event of an error."""

    event: EventName
    message: ValuePath = ""


Synonyms = dict[str, list[Scalar]]


class ServerMapping(MappingTable, frozen=True, kw_only=True):
    """Everything in which a server's events differ from the guide's; a table that is missing is not offered."""

    server: EndpointMapping = EndpointMapping()
    auth: AuthMapping
    authenticated: IdentityMapping = IdentityMapping()
    join: MembershipMapping
    leave: MembershipMapping | None = None
    send: CommandMapping
    typing_start: CommandMapping | None = None
    typing_stop: CommandMapping | None = None
    message_received: MessageMapping
    typing_indicator: TypingMapping | None = None
    presence_update: PresenceMapping | None = None
    error: FailureMapping | None = None
    roles: Annotated[
        Synonyms, Meta(description="The server's values of each role: admin, customer, bot; a value may be its own.")
    ] = {}
    statuses: Annotated[
        Synonyms, Meta(description="The server's values of each status: online, away, busy, offline.")
    ] = {}

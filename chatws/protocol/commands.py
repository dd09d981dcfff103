"""Payloads of the requests: client-to-server events and REST operations."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from chatws.protocol.entities import (
    WITHOUT_NUL,
    ClientMessageId,
    ConversationStatus,
    Id,
    PresenceChoice,
    Seq,
    Wire,
)
from chatws.protocol.limits import HISTORY_DEFAULT, HISTORY_LIMIT, MAX_CONNECTIONS_LISTED, MAX_TOKEN_BYTES

PageLimit = Annotated[int, Meta(ge=1, le=HISTORY_LIMIT)]
Version = Annotated[int, Meta(ge=0)]
ShortText = Annotated[str, Meta(max_length=500)]


class Authenticate(Wire, frozen=True, kw_only=True):
    """Credentials: a JWT (agent) or a session id (customer), exactly one of them."""

    token: str | UnsetType = UNSET
    session_id: str | UnsetType = UNSET


class ConnectAuth(Authenticate, frozen=True, kw_only=True):
    """Payload of CONNECT: credentials, and the ``pid`` of the client's previous connection if it reconnects.

    ``offset`` is the last ``recovery_offset`` of that connection; socket.io-client-dart sends null if it received none.
    A client that catches up by itself sets ``recovery`` to ``off`` and receives no offsets.
    """

    pid: str | None = None
    offset: str | None = None
    recovery: Literal["on", "off"] = "on"


class RefreshToken(Wire, frozen=True, kw_only=True):
    """A fresh JWT for the same subject and role."""

    token: str


class JoinConversation(Wire, frozen=True, kw_only=True):
    """Join, and receive the messages after ``afterSeq`` if the client's ``epoch`` is the one of the database."""

    conversation_id: Id
    after_seq: Seq | UnsetType = UNSET
    epoch: str | UnsetType = UNSET


class SendMessage(Wire, frozen=True, kw_only=True):
    """A message; retried with the same ``clientMessageId`` until it is acked."""

    conversation_id: Id
    content: str
    client_message_id: ClientMessageId | UnsetType = UNSET


class History(Wire, frozen=True, kw_only=True):
    """A page before or after a ``seq`` (both exclusive); without either, the newest page."""

    conversation_id: Id
    before_seq: Seq | UnsetType = UNSET
    after_seq: Seq | UnsetType = UNSET
    limit: PageLimit = HISTORY_DEFAULT


class SetPresence(Wire, frozen=True, kw_only=True):
    """The status chosen by the user; among several connections busy wins over online, and online over away."""

    status: PresenceChoice


class MarkRead(Wire, frozen=True, kw_only=True):
    """The user has read all messages up to and including ``seq``."""

    conversation_id: Id
    seq: Seq


class SubscribeInbox(Wire, frozen=True, kw_only=True):
    """Subscribe to the list of conversations, optionally of one status or assignee."""

    status: ConversationStatus | UnsetType = UNSET
    assignee: Id | UnsetType = UNSET


class ChangeConversation(Wire, frozen=True, kw_only=True):
    """Claim, release, resolve, reopen, or assign to the bot; ``version`` is the one that the agent has seen."""

    conversation_id: Id
    version: Version


class AssignConversation(ChangeConversation, frozen=True, kw_only=True):
    """Assign to an agent: to oneself, also from another agent, or to another agent who is not offline."""

    user_id: Id


class Handoff(Wire, frozen=True, kw_only=True):
    """Move a conversation from the bot to the queue of the agents."""

    conversation_id: Id
    reason: ShortText | UnsetType = UNSET


class AddNote(Wire, frozen=True, kw_only=True):
    """A note for other agents; a repeated ``noteId`` with the same content adds nothing."""

    conversation_id: Id
    content: str
    note_id: Id | UnsetType = UNSET


class Nothing(Wire, frozen=True, kw_only=True):
    """A request without fields."""


class SearchConversations(Wire, frozen=True, kw_only=True):
    """Search for a text in customers' names and in messages, without regard to the case of ASCII letters."""

    text: Annotated[
        str, Meta(min_length=1, max_length=100, pattern=WITHOUT_NUL, description="1 to 100 characters, no NUL")
    ]


class ConversationRef(Wire, frozen=True, kw_only=True):
    """One conversation."""

    conversation_id: Id


class ListConversations(Wire, frozen=True, kw_only=True):
    """REST: a page of conversations, most recently changed first; ``cursor`` is returned with the previous page.

    Customers receive their own conversations only, whatever ``customer`` is.
    """

    status: ConversationStatus | UnsetType = UNSET
    assignee: Id | UnsetType = UNSET
    customer: Id | UnsetType = UNSET
    cursor: Annotated[str, Meta(max_length=200)] | UnsetType = UNSET
    limit: PageLimit = HISTORY_DEFAULT


class LoadMessages(Wire, frozen=True, kw_only=True):
    """REST: the initial load of the guide; without a conversation, the one of the session."""

    conversation_id: Id | UnsetType = UNSET
    before_seq: Seq | UnsetType = UNSET
    after_seq: Seq | UnsetType = UNSET
    limit: PageLimit = HISTORY_DEFAULT


class StartConversation(Wire, frozen=True, kw_only=True):
    """REST: a conversation that an agent starts with a customer."""

    customer_id: Id


class BotQuestion(Wire, frozen=True, kw_only=True):
    """REST: ``POST /api/coze/chat`` of the guide."""

    message: str
    conversation_id: Id | UnsetType = UNSET
    client_message_id: ClientMessageId | UnsetType = UNSET


class Notify(Wire, frozen=True, kw_only=True):
    """REST: an event for every connection of one user (guide: ``sendToUser``)."""

    user_id: Id
    event: Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_:.-]{1,64}\Z")]
    payload: Any = None


class ListConnections(Wire, frozen=True, kw_only=True):
    """REST: an operator's query of the connections of one server."""

    user_id: Id | UnsetType = UNSET
    conversation_id: Id | UnsetType = UNSET
    limit: Annotated[int, Meta(ge=1, le=MAX_CONNECTIONS_LISTED)] = MAX_CONNECTIONS_LISTED


class Kick(Wire, frozen=True, kw_only=True):
    """REST: the user, or the one connection, that an operator disconnects."""

    user_id: Id | UnsetType = UNSET
    socket_id: Id | UnsetType = UNSET


class Trace(Wire, frozen=True, kw_only=True):
    """REST: the user or the conversation that an operator watches; without ``withContent`` no payloads."""

    user_id: Id | UnsetType = UNSET
    conversation_id: Id | UnsetType = UNSET
    with_content: bool = False


EmailAddress = Annotated[
    str, Meta(min_length=3, max_length=254, pattern=WITHOUT_NUL, description="3 to 254 characters, no NUL")
]


class Login(Wire, frozen=True, kw_only=True):
    """REST: an agent's email address and password."""

    email: EmailAddress
    password: Annotated[str, Meta(min_length=1, max_length=1024)]


class StartSession(Wire, frozen=True, kw_only=True):
    """REST: a new customer, with the name and mail address shown to agents, or one identified by a site's token."""

    user_name: Annotated[str, Meta(min_length=1, max_length=80)] | UnsetType = UNSET
    email: EmailAddress | UnsetType = UNSET
    identity: Annotated[str, Meta(min_length=1, max_length=MAX_TOKEN_BYTES)] | UnsetType = UNSET


class SetEmail(Wire, frozen=True, kw_only=True):
    """REST: the mail address of the customer, so that agents can answer later."""

    email: EmailAddress

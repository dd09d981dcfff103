"""What clients ask for: the payload of every client-to-server event."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from chatws.protocol.entities import ClientMessageId, ConversationStatus, Id, PresenceChoice, Seq, Wire
from chatws.protocol.limits import HISTORY_DEFAULT, HISTORY_LIMIT

PageLimit = Annotated[int, Meta(ge=1, le=HISTORY_LIMIT)]
Version = Annotated[int, Meta(ge=0)]
ShortText = Annotated[str, Meta(max_length=500)]


class Authenticate(Wire, frozen=True, kw_only=True):
    """Credentials: a JWT (agent) or a session id (customer), exactly one of them."""

    token: str | UnsetType = UNSET
    session_id: str | UnsetType = UNSET


class RefreshToken(Wire, frozen=True, kw_only=True):
    """A fresh JWT for the same subject and role."""

    token: str


class JoinConversation(Wire, frozen=True, kw_only=True):
    """Join, and catch up after ``afterSeq`` when the client still knows this database's ``epoch``."""

    conversation_id: Id
    after_seq: Seq | UnsetType = UNSET
    epoch: str | UnsetType = UNSET


class SendMessage(Wire, frozen=True, kw_only=True):
    """A message; repeat it with the same ``clientMessageId`` until it is acked."""

    conversation_id: Id
    content: str
    client_message_id: ClientMessageId | UnsetType = UNSET


class History(Wire, frozen=True, kw_only=True):
    """A page before or after a ``seq`` (both exclusive); the newest page when neither is given."""

    conversation_id: Id
    before_seq: Seq | UnsetType = UNSET
    after_seq: Seq | UnsetType = UNSET
    limit: PageLimit = HISTORY_DEFAULT


class SetPresence(Wire, frozen=True, kw_only=True):
    """The user's own choice; busy goes before any online, online before away."""

    status: PresenceChoice


class MarkRead(Wire, frozen=True, kw_only=True):
    """Everything up to and including ``seq`` has been read."""

    conversation_id: Id
    seq: Seq


class SubscribeInbox(Wire, frozen=True, kw_only=True):
    """Follow the list of conversations, all or those of one status or assignee."""

    status: ConversationStatus | UnsetType = UNSET
    assignee: Id | UnsetType = UNSET


class ChangeConversation(Wire, frozen=True, kw_only=True):
    """Claim, release, resolve, reopen, or give to the bot the ``version`` of a conversation that the agent has seen."""

    conversation_id: Id
    version: Version


class Handoff(Wire, frozen=True, kw_only=True):
    """Take a conversation from the bot and put it in the agents' queue."""

    conversation_id: Id
    reason: ShortText | UnsetType = UNSET


class Nothing(Wire, frozen=True, kw_only=True):
    """REST: a request that says everything by its place."""


class ConversationRef(Wire, frozen=True, kw_only=True):
    """REST: one conversation."""

    conversation_id: Id


class ListConversations(Wire, frozen=True, kw_only=True):
    """REST: a page of conversations, last changed first; ``cursor`` is what the page before returned."""

    status: ConversationStatus | UnsetType = UNSET
    assignee: Id | UnsetType = UNSET
    cursor: Annotated[str, Meta(max_length=200)] | UnsetType = UNSET
    limit: PageLimit = HISTORY_DEFAULT


class LoadMessages(Wire, frozen=True, kw_only=True):
    """REST: the guide's initial load; without a conversation, the session's own."""

    conversation_id: Id | UnsetType = UNSET
    before_seq: Seq | UnsetType = UNSET
    after_seq: Seq | UnsetType = UNSET
    limit: PageLimit = HISTORY_DEFAULT


class StartConversation(Wire, frozen=True, kw_only=True):
    """REST: an agent starts a conversation with a customer."""

    customer_id: Id


class BotQuestion(Wire, frozen=True, kw_only=True):
    """REST: the guide's ``POST /api/coze/chat``."""

    message: str
    conversation_id: Id | UnsetType = UNSET
    client_message_id: ClientMessageId | UnsetType = UNSET


class Notify(Wire, frozen=True, kw_only=True):
    """REST: an event for every connection of one user (guide: ``sendToUser``)."""

    user_id: Id
    event: Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_:.-]{1,64}\Z")]
    payload: Any = None


class Login(Wire, frozen=True, kw_only=True):
    """REST: an agent's email address and password."""

    email: Annotated[str, Meta(min_length=3, max_length=254)]
    password: Annotated[str, Meta(min_length=1, max_length=1024)]


class StartSession(Wire, frozen=True, kw_only=True):
    """REST: a new customer, with the name that agents will see."""

    user_name: Annotated[str, Meta(min_length=1, max_length=80)] | UnsetType = UNSET

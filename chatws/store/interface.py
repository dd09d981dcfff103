"""Interface of the store: its entities, operations and guarantees, which hold for every backend.

The exceptions are part of the interface; ``chatws.store.errors`` describes them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from chatws.protocol.entities import (
    Conversation,
    ConversationStatus,
    InboxEntry,
    Message,
    Note,
    ReadMark,
    SearchHit,
    User,
)
from chatws.store.accounts import Account, CustomerSession
from chatws.store.errors import (
    AlreadyExists,
    AlreadyRunning,
    BadCursor,
    BadUrl,
    Damaged,
    IdempotencyConflict,
    NotFound,
    SchemaMismatch,
    StaleVersion,
    StoreError,
    StoreUnusable,
    Unavailable,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chatws.store.outbox import WebhookOutbox

__all__ = [
    "Account",
    "AlreadyExists",
    "AlreadyRunning",
    "BadCursor",
    "BadUrl",
    "ConversationFilter",
    "CustomerSession",
    "Damaged",
    "Draft",
    "Head",
    "IdempotencyConflict",
    "MessagePage",
    "NotFound",
    "SchemaMismatch",
    "Snapshot",
    "StaleVersion",
    "Store",
    "StoreError",
    "StoreUnusable",
    "Stored",
    "Unavailable",
]


class Draft(msgspec.Struct, frozen=True):
    """Message to append.

    ``expected_version`` is set for a bot: the conversation must still have this version and the status ``bot``.
    ``may_change_status`` allows a customer's message to reopen a resolved conversation, and an agent's to claim an
    unclaimed one, in the same transaction.
    """

    conversation_id: str
    sender: User
    content: str
    client_message_id: str | None = None
    expected_version: int | None = None
    may_change_status: bool = True


class Stored(msgspec.Struct, frozen=True):
    """Appended message; ``conversation`` is set when the append changed its status.

    ``version`` is the version of the conversation after the append; a caller that holds a lower one missed a change.
    """

    message: Message
    duplicate: bool
    conversation: Conversation | None
    version: int


class Head(NamedTuple):
    """Last sequence number and version of a conversation; a comparison shows whether updates were missed."""

    seq: int
    version: int


class MessagePage(msgspec.Struct, frozen=True):
    """Messages in ascending order; ``has_more`` refers to the requested direction."""

    messages: list[Message]
    has_more: bool
    head_seq: int


class Snapshot(msgspec.Struct, frozen=True):
    """Conversation, page of messages after a position, and read marks, read in one transaction."""

    conversation: Conversation
    messages: list[Message]
    has_more: bool
    read_marks: list[ReadMark]


class ConversationFilter(msgspec.Struct, frozen=True):
    """Filter of a list of conversations; None means any. ``cursor`` is the one returned with the previous page.

    Without ``include_unwritten``, queued and bot conversations that have no message are left out.
    """

    status: ConversationStatus | None = None
    assignee_id: str | None = None
    customer_id: str | None = None
    cursor: str | None = None
    limit: int = 50
    include_unwritten: bool = True


class Store(Protocol):
    """Persistent storage of the chat.

    Every write is atomic, and durable when it returns (it survives kill -9 and, by default, power loss). A read sees
    every write that returned before it began. Any method can raise ``Unavailable``. Cancelling the caller does not
    undo a write that is already queued.
    """

    @property
    def epoch(self) -> str:
        """Random id of the database, replaced by a restore; sequence numbers of different epochs are not comparable."""
        ...

    @property
    def outbox(self) -> WebhookOutbox:
        """Events that wait to be sent to the webhook; each is stored together with the change that it reports."""
        ...

    async def open(self) -> None:
        """Open the database; create it if needed.

        The store of a server also takes the server lock, checks the file and applies pending migrations.

        Raises:
            StoreUnusable: the operator has to act first.
        """
        ...

    async def close(self) -> None:
        """Finish the queued requests, then close; later calls raise ``Unavailable``. May be called repeatedly."""
        ...

    async def ping(self) -> None:
        """Verify with one commit that the database accepts writes.

        Raises:
            Unavailable: it does not.
        """
        ...

    async def add_account(self, user: User, email: str | None, password_hash: str | None) -> Account:
        """Add a user with login credentials. Emails are case-insensitive and stored in lower case.

        Raises:
            AlreadyExists: the user id or the email is taken.
        """
        ...

    async def ensure_user(self, user: User, email: str | None = None) -> Account:
        """Add the user unless the id exists; return the stored account, an existing one unchanged.

        An email that belongs to another user is omitted, so that it cannot block a login through another system.
        """
        ...

    async def account(self, user_id: str) -> Account | None:
        """Return one account."""
        ...

    async def account_by_email(self, email: str) -> Account | None:
        """Return the account with this email, compared case-insensitively."""
        ...

    async def accounts(self) -> list[Account]:
        """Return the accounts of agents (role ``admin``), oldest first."""
        ...

    async def accounts_of(self, user_ids: Sequence[str]) -> list[Account]:
        """Return the accounts of these users in undefined order; unknown ids are omitted."""
        ...

    async def set_password(self, user_id: str, password_hash: str) -> None:
        """Replace the password hash.

        Raises:
            NotFound: no such account.
        """
        ...

    async def set_contact_email(self, user_id: str, email: str) -> None:
        """Replace a customer's mail address, which agents see; several customers may have the same.

        Raises:
            NotFound: no such account.
        """
        ...

    async def set_disabled(self, user_id: str, disabled: bool) -> None:  # noqa: FBT001  the flag is the value to set
        """Disable or enable the user.

        Raises:
            NotFound: no such account.
        """
        ...

    async def revoke_tokens(self, user_id: str, valid_after_ms: int) -> None:
        """Invalidate the tokens issued before this time; a time earlier than the stored one changes nothing.

        Raises:
            NotFound: no such account.
        """
        ...

    async def erased_lately(self) -> list[str]:
        """Return the ids of the most recently erased users, whose connections have to be closed."""
        ...

    async def create_session(
        self,
        session_id: str,
        user: User,
        expires_at_ms: int,
        conversation_id: str | None,
        status: ConversationStatus,
        *,
        email: str | None = None,
    ) -> CustomerSession:
        """Create the user, the session and, if an id is given, the conversation in one transaction.

        ``email`` replaces the mail address of an existing user too; without it, that one is kept.
        An existing session is returned unchanged and nothing is created; an existing conversation keeps its owner. The
        session id is stored only as its SHA-256 hash.
        """
        ...

    async def session(self, session_id: str) -> CustomerSession | None:
        """Return a session, even an expired one."""
        ...

    async def touch_session(self, session_id: str, expires_at_ms: int) -> None:
        """Extend a session; an earlier expiry changes nothing.

        Raises:
            NotFound: no such session.
        """
        ...

    async def create_conversation(
        self, conversation_id: str, customer: User, status: ConversationStatus
    ) -> tuple[Conversation, bool]:
        """Create a conversation (and its customer, if unknown); the flag tells whether this call created it.

        An existing conversation is returned unchanged, even if another customer owns it.
        """
        ...

    async def conversation(self, conversation_id: str) -> Conversation | None:
        """Return one conversation."""
        ...

    async def conversations(self, wanted: ConversationFilter) -> tuple[list[Conversation], str | None]:
        """Return a page of conversations, most recently changed first, and the cursor of the next page.

        A new message counts as a change. Paging repeats no conversation. One that changes during paging moves to the
        front, where a new first page (or ``conversation_updated``) shows it.

        Raises:
            BadCursor: this store did not issue the cursor.
        """
        ...

    async def transition(
        self,
        conversation_id: str,
        *,
        version: int,
        status: ConversationStatus,
        assignee_id: str | None,
        reason: str | None = None,
    ) -> Conversation:
        """Set status and assignee if the version is still this one, and increment the version.

        ``reason`` is that of a hand-off; only the webhook receives it.

        Raises:
            StaleVersion: the version differs; carries the current conversation.
            NotFound: no such conversation, or no such assignee.
        """
        ...

    async def append(self, draft: Draft) -> Stored:
        """Store a message and give it the conversation's next sequence number, starting at 1 without gaps.

        Durable when it returns. Repeating ``client_message_id`` (per conversation and sender, without time limit)
        returns the first message with ``duplicate`` set and changes nothing, so a client may retry.

        Raises:
            NotFound: no such conversation.
            IdempotencyConflict: the id was used for other content.
            StaleVersion: ``expected_version`` was given and the conversation is no longer assigned to the bot.
        """
        ...

    async def add_note(self, note_id: str, conversation_id: str, author: User, content: str) -> tuple[Note, bool]:
        """Store an agent's note; the flag tells whether this call added it.

        A note is no message: it has no ``seq``, and changes neither head nor time of the conversation. Repeating an id
        with the same author and content returns the first note.

        Raises:
            NotFound: no such conversation.
            IdempotencyConflict: the id was used for another note.
        """
        ...

    async def notes(self, conversation_id: str) -> list[Note]:
        """Return the newest ``MAX_NOTES`` notes of a conversation, oldest first."""
        ...

    async def snapshot(self, conversation_id: str, after_seq: int | None) -> Snapshot | None:
        """Read a conversation, the first page after ``after_seq`` (None: no messages) and its read marks together."""
        ...

    async def page_after(self, conversation_id: str, after_seq: int, limit: int) -> MessagePage:
        """Read forward. A page ends at ``limit``, ``PAGE_MESSAGES`` or ``PAGE_BYTES`` (as JSON), whichever comes first.

        It contains at least one message if there are any.

        Raises:
            NotFound: no such conversation.
        """
        ...

    async def page_before(self, conversation_id: str, before_seq: int | None, limit: int) -> MessagePage:
        """Read backward from ``before_seq`` (None: from the end); limits as in ``page_after``, in ascending order.

        Raises:
            NotFound: no such conversation.
        """
        ...

    async def heads(self, conversation_ids: Sequence[str]) -> dict[str, Head]:
        """Return the last sequence number and version of each conversation; unknown ones are omitted."""
        ...

    async def mark_read(self, conversation_id: str, user_id: str, seq: int) -> ReadMark | None:
        """Move a user's read mark forward, at most to the last message; return None if nothing changes.

        Raises:
            NotFound: no such conversation.
        """
        ...

    async def read_marks(self, conversation_id: str) -> list[ReadMark]:
        """Return the read marks of a conversation, ordered by user id."""
        ...

    async def read_marks_of(self, conversation_ids: Sequence[str]) -> dict[str, list[ReadMark]]:
        """Return the read marks of several conversations by id, each ordered by user id; those without are omitted."""
        ...

    async def inbox_entries(self, conversation_ids: Sequence[str], user_id: str) -> list[InboxEntry]:
        """Return an agent's unread messages and waiting customers in these conversations; others are omitted."""
        ...

    async def search(self, text: str) -> list[SearchHit]:
        """Return the conversations that contain a text, most recently changed first.

        Searched are the customer's name and mail address, and the newest 100 messages, in the newest 1,000
        conversations; at most 20 are found.
        """
        ...

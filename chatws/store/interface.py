"""The store's port: what the chat keeps for good, and what each backend promises about it.

Its errors are part of it; they are told apart in ``chatws.store.errors``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from chatws.protocol.entities import Conversation, ConversationStatus, Message, ReadMark, User
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


class Account(msgspec.Struct, frozen=True):
    """A user with what is needed to log in; tokens issued before ``tokens_valid_after_ms`` are void."""

    user: User
    email: str | None
    password_hash: str | None
    disabled: bool
    tokens_valid_after_ms: int
    created_at_ms: int


class CustomerSession(msgspec.Struct, frozen=True):
    """A customer's session; ``conversation_id`` is the customer's latest conversation."""

    user: User
    expires_at_ms: int
    conversation_id: str | None


class Draft(msgspec.Struct, frozen=True):
    """A message to append.

    ``expected_version`` is a bot's: the conversation must still have this version and the status ``bot``.
    ``reopen`` lets a customer's message reopen a resolved conversation.
    """

    conversation_id: str
    sender: User
    content: str
    client_message_id: str | None = None
    expected_version: int | None = None
    reopen: bool = True


class Stored(msgspec.Struct, frozen=True):
    """An appended message; ``conversation`` is set when this append changed its status.

    ``version`` is the conversation's after the append: who remembers a lower one has missed a change.
    """

    message: Message
    duplicate: bool
    conversation: Conversation | None
    version: int


class Head(NamedTuple):
    """What tells whether anything of a conversation was missed: its last sequence number, and its version."""

    seq: int
    version: int


class MessagePage(msgspec.Struct, frozen=True):
    """Messages in ascending order; ``has_more`` is about the direction that was asked for."""

    messages: list[Message]
    has_more: bool
    head_seq: int


class Snapshot(msgspec.Struct, frozen=True):
    """A conversation, the page after a position and the read marks, all from one moment."""

    conversation: Conversation
    messages: list[Message]
    has_more: bool
    read_marks: list[ReadMark]


class ConversationFilter(msgspec.Struct, frozen=True):
    """Which conversations to list; None means any. ``cursor`` is what the page before returned."""

    status: ConversationStatus | None = None
    assignee_id: str | None = None
    customer_id: str | None = None
    cursor: str | None = None
    limit: int = 50


class Store(Protocol):
    """What lasts.

    Every write is durable when it returns (kill -9 and, by default, power loss) and all or nothing. Reads see every
    write that returned before they began. Any method raises ``Unavailable``. Cancelling the caller does not undo a
    write that was already handed over.
    """

    @property
    def epoch(self) -> str:
        """Random id made with the database, changed by a restore; sequence numbers mean nothing across epochs."""
        ...

    async def open(self) -> None:
        """Open the database, making it if needed.

        A server's store also takes the server's lock, checks the file and applies pending migrations.

        Raises:
            StoreUnusable: somebody has to act first.
        """
        ...

    async def close(self) -> None:
        """Finish what was handed over, then close; calls after it raise ``Unavailable``. May be repeated."""
        ...

    async def ping(self) -> None:
        """Prove that a write can be committed (it costs one commit).

        Raises:
            Unavailable: it can not.
        """
        ...

    async def add_account(self, user: User, email: str | None, password_hash: str | None) -> Account:
        """Add a user who may log in. Emails are compared without case and kept in lower case.

        Raises:
            AlreadyExists: the user id or the email is taken.
        """
        ...

    async def ensure_user(self, user: User, email: str | None = None) -> Account:
        """Add the user unless the id exists; return the row as it is, the existing one unchanged.

        An email that belongs to another user is left out, so that a login elsewhere can not be blocked by it.
        """
        ...

    async def account(self, user_id: str) -> Account | None:
        """Return one account."""
        ...

    async def account_by_email(self, email: str) -> Account | None:
        """Return the account with this email, compared without case."""
        ...

    async def accounts(self) -> list[Account]:
        """Return the accounts of agents (role ``admin``), oldest first."""
        ...

    async def accounts_of(self, user_ids: Sequence[str]) -> list[Account]:
        """Return these users' accounts, in no order; unknown ids are left out."""
        ...

    async def set_password(self, user_id: str, password_hash: str) -> None:
        """Replace the password's hash.

        Raises:
            NotFound: no such account.
        """
        ...

    async def set_disabled(self, user_id: str, disabled: bool) -> None:  # noqa: FBT001  the value is the message here
        """Bar or admit the user.

        Raises:
            NotFound: no such account.
        """
        ...

    async def revoke_tokens(self, user_id: str, valid_after_ms: int) -> None:
        """Void tokens issued before this time; an earlier time than the stored one changes nothing.

        Raises:
            NotFound: no such account.
        """
        ...

    async def erased_lately(self) -> list[str]:
        """Return the ids of the users who were erased last: their connections have to be closed."""
        ...

    async def create_session(
        self,
        session_id: str,
        user: User,
        expires_at_ms: int,
        conversation_id: str | None,
        status: ConversationStatus,
    ) -> CustomerSession:
        """Make the user, the session and, when an id is given, the conversation in one transaction.

        An existing session is returned unchanged and nothing is made; an existing conversation stays its owner's. The
        session id is stored as SHA-256 only.
        """
        ...

    async def session(self, session_id: str) -> CustomerSession | None:
        """Return a session, expired or not."""
        ...

    async def touch_session(self, session_id: str, expires_at_ms: int) -> None:
        """Let a session end later; never earlier.

        Raises:
            NotFound: no such session.
        """
        ...

    async def create_conversation(
        self, conversation_id: str, customer: User, status: ConversationStatus
    ) -> tuple[Conversation, bool]:
        """Make a conversation (and its customer, if unknown); the flag says whether this call made it.

        An existing one is returned as it is, whoever owns it.
        """
        ...

    async def conversation(self, conversation_id: str) -> Conversation | None:
        """Return one conversation."""
        ...

    async def conversations(self, wanted: ConversationFilter) -> tuple[list[Conversation], str | None]:
        """List conversations, last changed first (messages count), and the next page's cursor.

        Following the cursor repeats nothing. A conversation that changes meanwhile moves to the front, where a new
        first page (or ``conversation_updated``) shows it.

        Raises:
            BadCursor: the cursor is not one of ours.
        """
        ...

    async def transition(
        self, conversation_id: str, *, version: int, status: ConversationStatus, assignee_id: str | None
    ) -> Conversation:
        """Set status and assignee if the version is still this one; the version rises by one.

        Raises:
            StaleVersion: it is another; carries the conversation as it is now.
            NotFound: no such conversation, or no such assignee.
        """
        ...

    async def append(self, draft: Draft) -> Stored:
        """Store a message and give it the conversation's next sequence number: from 1, without holes.

        Durable when it returns. Repeating ``client_message_id`` (per conversation and sender, for ever) returns the
        first message with ``duplicate`` set and changes nothing, so a client may retry.

        Raises:
            NotFound: no such conversation.
            IdempotencyConflict: the id was used for other content.
            StaleVersion: ``expected_version`` was given and it is no longer the bot's turn.
        """
        ...

    async def snapshot(self, conversation_id: str, after_seq: int | None) -> Snapshot | None:
        """Read a conversation, the first page after ``after_seq`` (None: no messages) and its read marks at once."""
        ...

    async def page_after(self, conversation_id: str, after_seq: int, limit: int) -> MessagePage:
        """Read forward. A page ends at ``limit``, ``PAGE_MESSAGES`` or ``PAGE_BYTES`` (as JSON), whichever is first.

        It holds at least one message if there is any.

        Raises:
            NotFound: no such conversation.
        """
        ...

    async def page_before(self, conversation_id: str, before_seq: int | None, limit: int) -> MessagePage:
        """Read backward from ``before_seq`` (None: from the end); bounds as in ``page_after``, order ascending.

        Raises:
            NotFound: no such conversation.
        """
        ...

    async def heads(self, conversation_ids: Sequence[str]) -> dict[str, Head]:
        """Return the last sequence number and the version of each; unknown conversations are left out."""
        ...

    async def mark_read(self, conversation_id: str, user_id: str, seq: int) -> ReadMark | None:
        """Move a user's read mark forward, at most to the head; None when that changes nothing.

        Raises:
            NotFound: no such conversation.
        """
        ...

    async def read_marks(self, conversation_id: str) -> list[ReadMark]:
        """Return the read marks of a conversation, by user id."""
        ...

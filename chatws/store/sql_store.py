"""SQL implementation of the store: each method passes one query to a database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from sqlalchemy import update

from chatws.store.errors import Unavailable
from chatws.store.outbox import WebhookOutbox
from chatws.store.queries import accounts, conversations, erasure, inbox, messages, notes, read_marks, search, sessions
from chatws.store.schema import EPOCH, meta

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from sqlalchemy import Connection

    from chatws.protocol.entities import Conversation, ConversationStatus, InboxEntry, Note, ReadMark, SearchHit, User
    from chatws.protocol.webhooks import WebhookKind
    from chatws.store.interface import (
        Account,
        ConversationFilter,
        CustomerSession,
        Draft,
        Head,
        MessagePage,
        Snapshot,
        Stored,
    )

T = TypeVar("T")

_TOUCH_EPOCH = update(meta).where(meta.c.name == EPOCH).values(value=meta.c.value)


class Database(Protocol):
    """SQL database; each query runs in one transaction, and writes are durable when they return.

    Errors are those of ``Store``.
    """

    async def open(self) -> str:
        """Open and return the epoch."""
        ...

    async def close(self) -> None:
        """Finish the queued requests, then close."""
        ...

    async def append(self, draft: Draft) -> Stored:
        """Append a message."""
        ...

    async def write(self, change: Callable[[Connection], T], *, changed_id: str | None = None) -> T:
        """Run a change; it writes nothing if it raises a ``StoreError``.

        ``changed_id`` is the conversation whose version it may change.
        """
        ...

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Run a query in one snapshot."""
        ...

    async def check_disk_space(self) -> None:
        """Raise ``Unavailable`` if the disk is almost full and a write to an existing row would not detect it."""
        ...


class SqlStore:
    """Store over any SQL database; ``chatws.store.interface.Store`` documents the guarantees."""

    def __init__(
        self, database: Database, clock_ms: Callable[[], int], webhook_kinds: frozenset[WebhookKind] = frozenset()
    ) -> None:
        self._database = database
        self._clock_ms = clock_ms
        self._webhook_kinds = webhook_kinds
        self._outbox = WebhookOutbox(database, clock_ms)
        self._epoch: str | None = None  # set by open

    @property
    def outbox(self) -> WebhookOutbox:
        return self._outbox

    @property
    def epoch(self) -> str:
        if self._epoch is None:
            raise Unavailable("not open yet")
        return self._epoch

    async def open(self) -> None:
        self._epoch = await self._database.open()

    async def close(self) -> None:
        await self._database.close()

    async def ping(self) -> None:
        await self._database.check_disk_space()
        await self._database.write(_verify_writable)

    async def add_account(self, user: User, email: str | None, password_hash: str | None) -> Account:
        return await self._database.write(lambda c: accounts.add(c, user, email, password_hash, self._clock_ms()))

    async def ensure_user(self, user: User, email: str | None = None) -> Account:
        existing = await self.account(user.user_id)
        if existing is not None:
            return existing
        return await self._database.write(lambda c: accounts.ensure(c, user, email, self._clock_ms()))

    async def account(self, user_id: str) -> Account | None:
        return await self._database.read(lambda c: accounts.find(c, user_id))

    async def account_by_email(self, email: str) -> Account | None:
        return await self._database.read(lambda c: accounts.find_by_email(c, email))

    async def accounts(self) -> list[Account]:
        return await self._database.read(accounts.agents)

    async def accounts_of(self, user_ids: Sequence[str]) -> list[Account]:
        return await self._database.read(lambda c: accounts.find_all(c, user_ids))

    async def set_password(self, user_id: str, password_hash: str) -> None:
        await self._database.write(lambda c: accounts.set_password(c, user_id, password_hash))

    async def set_contact_email(self, user_id: str, email: str) -> None:
        await self._database.write(lambda c: accounts.set_contact_email(c, user_id, email))

    async def set_disabled(self, user_id: str, disabled: bool) -> None:  # noqa: FBT001  as in the interface
        await self._database.write(lambda c: accounts.set_disabled(c, user_id, disabled=disabled))

    async def revoke_tokens(self, user_id: str, valid_after_ms: int) -> None:
        await self._database.write(lambda c: accounts.revoke_tokens(c, user_id, valid_after_ms))

    async def erased_lately(self) -> list[str]:
        return await self._database.read(erasure.erased_lately)

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
        return await self._database.write(
            lambda c: sessions.create(
                c, session_id, user, expires_at_ms, conversation_id, status, email, self._clock_ms()
            )
        )

    async def session(self, session_id: str) -> CustomerSession | None:
        return await self._database.read(lambda c: sessions.find(c, session_id))

    async def touch_session(self, session_id: str, expires_at_ms: int) -> None:
        await self._database.write(lambda c: sessions.touch(c, session_id, expires_at_ms))

    async def create_conversation(
        self, conversation_id: str, customer: User, status: ConversationStatus
    ) -> tuple[Conversation, bool]:
        return await self._database.write(
            lambda c: conversations.create(c, conversation_id, customer, status, self._clock_ms())
        )

    async def conversation(self, conversation_id: str) -> Conversation | None:
        return await self._database.read(lambda c: conversations.find(c, conversation_id))

    async def conversations(self, wanted: ConversationFilter) -> tuple[list[Conversation], str | None]:
        return await self._database.read(lambda c: conversations.listing(c, wanted))

    async def transition(
        self,
        conversation_id: str,
        *,
        version: int,
        status: ConversationStatus,
        assignee_id: str | None,
        reason: str | None = None,
    ) -> Conversation:
        return await self._database.write(
            lambda c: conversations.transition(
                c,
                conversation_id,
                version=version,
                status=status,
                assignee_id=assignee_id,
                now_ms=self._clock_ms(),
                reason=reason,
                webhook_kinds=self._webhook_kinds,
            ),
            changed_id=conversation_id,
        )

    def append(self, draft: Draft) -> Coroutine[None, None, Stored]:
        # Returns the database's coroutine: wrapping it in another one would cost time for every message.
        return self._database.append(draft)

    async def add_note(self, note_id: str, conversation_id: str, author: User, content: str) -> tuple[Note, bool]:
        return await self._database.write(
            lambda c: notes.add(c, note_id, conversation_id, author, content, now_ms=self._clock_ms())
        )

    async def notes(self, conversation_id: str) -> list[Note]:
        return await self._database.read(lambda c: notes.newest(c, conversation_id))

    async def snapshot(self, conversation_id: str, after_seq: int | None) -> Snapshot | None:
        return await self._database.read(lambda c: messages.snapshot(c, conversation_id, after_seq))

    async def page_after(self, conversation_id: str, after_seq: int, limit: int) -> MessagePage:
        return await self._database.read(lambda c: messages.page_after(c, conversation_id, after_seq, limit))

    async def page_before(self, conversation_id: str, before_seq: int | None, limit: int) -> MessagePage:
        return await self._database.read(lambda c: messages.page_before(c, conversation_id, before_seq, limit))

    async def heads(self, conversation_ids: Sequence[str]) -> dict[str, Head]:
        return await self._database.read(lambda c: conversations.heads(c, conversation_ids))

    async def mark_read(self, conversation_id: str, user_id: str, seq: int) -> ReadMark | None:
        return await self._database.write(lambda c: read_marks.move(c, conversation_id, user_id, seq))

    async def read_marks(self, conversation_id: str) -> list[ReadMark]:
        return await self._database.read(lambda c: read_marks.of_conversation(c, conversation_id))

    async def read_marks_of(self, conversation_ids: Sequence[str]) -> dict[str, list[ReadMark]]:
        return await self._database.read(lambda c: read_marks.of_conversations(c, conversation_ids))

    async def inbox_entries(self, conversation_ids: Sequence[str], user_id: str) -> list[InboxEntry]:
        return await self._database.read(lambda c: inbox.entries(c, conversation_ids, user_id))

    async def search(self, text: str) -> list[SearchHit]:
        return await self._database.read(lambda c: search.find(c, text))


def _verify_writable(connection: Connection) -> None:
    connection.execute(_TOUCH_EPOCH)

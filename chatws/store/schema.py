"""Tables of the database after the newest migration; a test compares them with the migrations.

Times are Unix milliseconds. A message keeps the sender's name and role of the time of sending. The sender does not need
a row in ``users``: a program that embeds the server may send messages as any user.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
)

REVISION = "0005"
"""Newest migration; stored here so that opening a new or current database does not import alembic (200 ms)."""

EPOCH = "epoch"
"""Name of the row of ``meta`` that contains the epoch."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

meta = Table(
    "meta",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)

users = Table(
    "users",
    metadata,
    Column("user_id", String(64), primary_key=True),
    Column("user_name", Text, nullable=False),
    Column("role", String(16), nullable=False),
    Column("email", String(320), nullable=True, unique=True),
    Column("password_hash", Text, nullable=True),
    Column("disabled", Boolean, nullable=False),
    Column("tokens_valid_after_ms", BigInteger, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    # Not unique: two browsers of one person are two customers. ``email`` is the login name of an account.
    Column("contact_email", String(320), nullable=True),
)

sessions = Table(
    "sessions",
    metadata,
    Column("session_sha256", String(64), primary_key=True),
    Column("user_id", String(64), ForeignKey("users.user_id"), nullable=False, index=True),
    Column("expires_at_ms", BigInteger, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
)

conversations = Table(
    "conversations",
    metadata,
    Column("conversation_id", String(64), primary_key=True),
    Column("customer_id", String(64), ForeignKey("users.user_id"), nullable=False),
    Column("status", String(16), nullable=False),
    Column("version", Integer, nullable=False),
    Column("assignee_id", String(64), ForeignKey("users.user_id"), nullable=True),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("updated_at_ms", BigInteger, nullable=False),
    Column("head_seq", BigInteger, nullable=False),
    Index(None, "updated_at_ms", "conversation_id"),
    Index(None, "status", "updated_at_ms", "conversation_id"),
    Index(None, "customer_id", "created_at_ms"),
    Index(None, "assignee_id"),
)

messages = Table(
    "messages",
    metadata,
    Column("conversation_id", String(64), ForeignKey("conversations.conversation_id"), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("message_id", String(36), nullable=False),
    Column("sender_id", String(64), nullable=False),
    Column("sender_name", Text, nullable=False),
    Column("sender_role", String(16), nullable=False),
    Column("content", Text, nullable=False),
    Column("client_message_id", String(64), nullable=True),
    Column("created_at_ms", BigInteger, nullable=False),
    PrimaryKeyConstraint("conversation_id", "seq"),
    # The messages of a conversation are adjacent: 50 of them are read in 170 us instead of 260 (60,000 messages in 250
    # conversations). With rowids, a message would be stored in 52 us instead of 64, because fewer pages are split.
    sqlite_with_rowid=False,
)

Index(
    None,
    # The client's id first: ids of this project's clients rise with time, so the entries of a commit share a page.
    messages.c.client_message_id,
    messages.c.conversation_id,
    messages.c.sender_id,
    unique=True,
    sqlite_where=messages.c.client_message_id.is_not(None),
    postgresql_where=messages.c.client_message_id.is_not(None),
)

read_marks = Table(
    "read_marks",
    metadata,
    Column("conversation_id", String(64), ForeignKey("conversations.conversation_id"), nullable=False),
    Column("user_id", String(64), nullable=False),
    Column("seq", BigInteger, nullable=False),
    PrimaryKeyConstraint("conversation_id", "user_id"),
)

notes = Table(
    "notes",
    metadata,
    Column("note_id", String(64), primary_key=True),
    Column("conversation_id", String(64), ForeignKey("conversations.conversation_id"), nullable=False),
    Column("after_seq", BigInteger, nullable=False),
    Column("author_id", String(64), nullable=False),
    Column("author_name", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Index(None, "conversation_id", "created_at_ms", "note_id"),
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("conversation_id", String(64), ForeignKey("conversations.conversation_id"), nullable=False),
    # Order within the conversation: both numbers are assigned while its row is locked.
    Column("seq", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("event_id", String(36), nullable=False),
    Column("status", String(16), nullable=True),
    Column("previous_status", String(16), nullable=True),
    Column("assignee_id", String(64), nullable=True),
    Column("reason", Text, nullable=True),
    Column("attempts", Integer, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("due_at_ms", BigInteger, nullable=False),
    PrimaryKeyConstraint("conversation_id", "seq", "version", "kind"),
    Index(None, "created_at_ms"),
    Index(None, "due_at_ms"),
    sqlite_with_rowid=False,
)

"""Table of the events that have to be sent to the webhook."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the table and its indexes."""
    op.create_table(
        "webhook_deliveries",
        sa.Column("conversation_id", sa.String(64), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("event_id", sa.String(36), nullable=False),
        sa.Column("status", sa.String(16), nullable=True),
        sa.Column("previous_status", sa.String(16), nullable=True),
        sa.Column("assignee_id", sa.String(64), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("due_at_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversations.conversation_id"], name="fk_webhook_deliveries_conversation_id"
        ),
        sa.PrimaryKeyConstraint("conversation_id", "seq", "version", "kind", name="pk_webhook_deliveries"),
        sqlite_with_rowid=False,
    )
    for column in ("created_at_ms", "due_at_ms"):
        op.create_index(f"ix_webhook_deliveries_{column}", "webhook_deliveries", [column])

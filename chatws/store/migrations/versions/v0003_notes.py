"""Table of the notes that agents write for each other."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the table and its index."""
    op.create_table(
        "notes",
        sa.Column("note_id", sa.String(64), nullable=False),
        sa.Column("conversation_id", sa.String(64), nullable=False),
        sa.Column("after_seq", sa.BigInteger(), nullable=False),
        sa.Column("author_id", sa.String(64), nullable=False),
        sa.Column("author_name", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversations.conversation_id"], name="fk_notes_conversation_id"
        ),
        sa.PrimaryKeyConstraint("note_id", name="pk_notes"),
    )
    op.create_index(
        "ix_notes_conversation_id_created_at_ms_note_id", "notes", ["conversation_id", "created_at_ms", "note_id"]
    )

"""Index on the user of a session, needed to delete a user or the sessions of a user."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the index."""
    op.create_index("ix_sessions_user_id", "sessions", ["user_id"])

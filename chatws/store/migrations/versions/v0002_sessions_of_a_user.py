"""An index on the sessions' users: whoever deletes a user, or a user's sessions, has to find them."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the index."""
    op.create_index("ix_sessions_user_id", "sessions", ["user_id"])

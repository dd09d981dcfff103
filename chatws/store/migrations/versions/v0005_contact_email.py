"""Column with the mail address of a customer; unlike ``email``, it is no login name and need not be unique."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the column."""
    op.add_column("users", sa.Column("contact_email", sa.String(320), nullable=True))

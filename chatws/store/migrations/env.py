"""Environment script of alembic: applies migrations on the given connection, inside its open transaction."""

from __future__ import annotations

from alembic import context

from chatws.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()

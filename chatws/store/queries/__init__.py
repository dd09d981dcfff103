"""Every query, as plain functions over a SQLAlchemy connection inside the caller's transaction.

They hold for any backend. A function that raises a ``StoreError`` has written nothing, so the caller may go on with
other work in the same transaction. Statements are built once, at import: building one costs more than running it.
"""

"""Queries for every backend, as functions over a SQLAlchemy connection in the caller's transaction.

A function that raises a ``StoreError`` has written nothing, so the caller may continue the transaction. Statements are
built once, at import: building one costs more than running it.
"""

"""Presence of users over all connections and all servers."""

"""Connections of clients: registry, authentication and expiry, binding to the engine."""

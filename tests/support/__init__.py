"""Shared test helpers: server processes, external programs and test clients."""

"""Traces: what a user, or the members of a conversation, send and are sent, for an operator who watches."""

"""Conversations with local members: delivery by ``seq``, the inbox, typing."""

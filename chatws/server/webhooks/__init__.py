"""Sender of the webhook: stored events, signed, in order per conversation."""

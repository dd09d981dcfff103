"""Throttle of the user's own typing events, which always sends the last state."""

from __future__ import annotations

from chatws.protocol.limits import TYPING_RESEND_MS


class TypingThrottle:
    """Conversations in which the user types, with the time of the last ``typing_start``."""

    def __init__(self) -> None:
        self.resend_s = TYPING_RESEND_MS / 1000
        """Taken from the server's timers once authenticated."""
        self._sent_at: dict[str, float] = {}

    def start(self, conversation_id: str, now: float) -> bool:
        """Record a key stroke; return True if ``typing_start`` is due."""
        sent_at = self._sent_at.get(conversation_id)
        if sent_at is not None and now < sent_at + self.resend_s:
            return False
        self._sent_at[conversation_id] = now
        return True

    def stop(self, conversation_id: str) -> bool:
        """Record the end of typing; return True if ``typing_stop`` is due."""
        return self._sent_at.pop(conversation_id, None) is not None

    def disconnect(self) -> None:
        """Clear the state after a disconnect; the server does the same."""
        self._sent_at.clear()

"""The user's own typing: told at most as often as the server asks for, and its last state never lost."""

from __future__ import annotations

from chatws.protocol.limits import TYPING_RESEND_MS


class TypingThrottle:
    """Which conversations the user types in, and when that was last said."""

    def __init__(self) -> None:
        self.resend_s = TYPING_RESEND_MS / 1000
        """From the server's timers once authenticated."""
        self._said_at: dict[str, float] = {}

    def start(self, conversation_id: str, now: float) -> bool:
        """Note a key stroke; true when it is time to tell the server."""
        said_at = self._said_at.get(conversation_id)
        if said_at is not None and now < said_at + self.resend_s:
            return False
        self._said_at[conversation_id] = now
        return True

    def stop(self, conversation_id: str) -> bool:
        """Note that typing ended; true when the server believes otherwise."""
        return self._said_at.pop(conversation_id, None) is not None

    def forget(self) -> None:
        """The link is gone, and typing with it."""
        self._said_at.clear()

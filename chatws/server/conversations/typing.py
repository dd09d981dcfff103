"""Who is typing in one conversation: state per user and connection, shown to others only when it changes.

A source is a connection here, or, as a string, another server: that one has its own connections and tells of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable

from chatws.protocol.entities import User
from chatws.server.requests.rate_limit import TokenBucket
from chatws.settings import Settings

Show = Callable[[User, bool], None]
"""Tells the others that a user began or stopped typing."""

RENEW_S = 1.0
"""Other servers hear that somebody still types at most this often; a client says so every two seconds."""


class TypingState:
    """One user's typing in one conversation."""

    __slots__ = ("bucket", "expiries", "flush", "shown", "told_at", "user")

    def __init__(self, user: User, bucket: TokenBucket) -> None:
        self.user = user
        self.bucket = bucket
        """Bounds how often changes are shown; the last state is shown in the end all the same."""
        self.expiries: dict[Hashable, asyncio.TimerHandle] = {}
        """The connections that are typing, and when they stop by themselves."""
        self.shown = False
        self.flush: asyncio.TimerHandle | None = None
        """Set while a change waits for its turn."""
        self.told_at: float | None = None
        """Set while other servers take the user for typing here: when they heard so last."""

    @property
    def is_typing_here(self) -> bool:
        """Whether a connection of this server is typing."""
        return any(not isinstance(source, str) for source in self.expiries)


class ConversationTyping:
    """The typists of one conversation."""

    __slots__ = ("_expire_s", "_settings", "_show", "_tell", "_typists")

    def __init__(self, settings: Settings, show: Show, tell: Show) -> None:
        self._settings = settings
        self._expire_s = settings.typing_expire_ms / 1000
        self._show = show
        self._tell = tell
        """Tells the other servers of typing here; again while it goes on."""
        self._typists: dict[str, TypingState] = {}

    def start(self, user: User, source: Hashable) -> None:
        """A connection types; it expires ``typing_expire_ms`` after the last call."""
        loop = asyncio.get_running_loop()
        typist = self._typists.get(user.user_id)
        if typist is None:
            settings = self._settings
            typist = TypingState(user, TokenBucket(settings.typing_per_s, settings.typing_burst, loop.time()))
            self._typists[user.user_id] = typist
        if (earlier := typist.expiries.get(source)) is not None:
            earlier.cancel()
        typist.expiries[source] = loop.call_later(self._expire_s, self.stop, user.user_id, source)
        if typist.is_typing_here and (typist.told_at is None or loop.time() - typist.told_at >= RENEW_S):
            typist.told_at = loop.time()
            self._tell(user, True)
        self._settle(typist)

    def stop(self, user_id: str, source: Hashable) -> None:
        """A connection does not type any more."""
        typist = self._typists.get(user_id)
        if typist is not None and (expiry := typist.expiries.pop(source, None)) is not None:
            expiry.cancel()
            self._tell_end(typist)
            self._settle(typist)

    def end(self, user_id: str, source: Hashable) -> None:
        """A connection has sent its message or left: shown at once, whatever the bound."""
        typist = self._typists.get(user_id)
        if typist is not None and (expiry := typist.expiries.pop(source, None)) is not None:
            expiry.cancel()
            self._tell_end(typist)
            if not typist.expiries:
                self._show_now(typist)

    def forget(self, user_id: str) -> None:
        """The user has left the conversation with the last connection here."""
        typist = self._typists.get(user_id)
        if typist is None:
            return
        for source in [source for source in typist.expiries if not isinstance(source, str)]:
            typist.expiries.pop(source).cancel()
        self._tell_end(typist)
        if not typist.expiries:
            del self._typists[user_id]
            self._show_now(typist)

    def local_users(self) -> list[User]:
        """Return the users who are typing on this server."""
        return [typist.user for typist in self._typists.values() if typist.is_typing_here]

    def users(self) -> list[str]:
        """Return the ids of the users who are shown as typing."""
        return [user_id for user_id, typist in self._typists.items() if typist.shown]

    def close(self) -> None:
        """Cancel every timer; nothing more is shown."""
        for typist in self._typists.values():
            for timer in (*typist.expiries.values(), typist.flush):
                if timer is not None:
                    timer.cancel()
        self._typists.clear()

    def _tell_end(self, typist: TypingState) -> None:
        if typist.told_at is not None and not typist.is_typing_here:
            typist.told_at = None
            self._tell(typist.user, False)

    def _settle(self, typist: TypingState) -> None:
        if typist.shown is bool(typist.expiries) or typist.flush is not None:
            return
        loop = asyncio.get_running_loop()
        wait_s = typist.bucket.take(loop.time())
        if not wait_s:
            self._show_now(typist)
        else:
            typist.flush = loop.call_later(wait_s, self._flush, typist)

    def _flush(self, typist: TypingState) -> None:
        typist.flush = None
        self._settle(typist)

    def _show_now(self, typist: TypingState) -> None:
        if typist.flush is not None:
            typist.flush.cancel()
            typist.flush = None
        is_typing = bool(typist.expiries)
        if typist.shown is not is_typing:
            typist.shown = is_typing
            self._show(typist.user, is_typing)

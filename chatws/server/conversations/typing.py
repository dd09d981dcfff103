"""Typing state of one conversation, by user and source; broadcasts only changes.

A source is a connection here, or the name of another server, which tracks its own connections.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable

from chatws.protocol.entities import User
from chatws.server.clock import Clock
from chatws.server.requests.rate_limit import TokenBucket
from chatws.settings import Settings

TypingListener = Callable[[User, bool], None]
"""Called with a user and whether the user is typing now."""

RENEW_S = 1.0
"""Shortest interval between publications to other servers while typing continues; clients renew every two seconds."""


class TypingState:
    """Typing of one user in one conversation."""

    __slots__ = ("bucket", "expiries", "flush", "published_at", "shown", "user")

    def __init__(self, user: User, bucket: TokenBucket) -> None:
        self.user = user
        self.bucket = bucket
        """Limits the rate of broadcasts; the final state is broadcast in any case."""
        self.expiries: dict[Hashable, asyncio.TimerHandle] = {}
        """Expiry timers of the sources that are typing."""
        self.shown = False
        """State as last broadcast to the members here."""
        self.flush: asyncio.TimerHandle | None = None
        """Set while a change waits for the rate limit."""
        self.published_at: float | None = None
        """Time of the last publication to other servers; None unless they show the user as typing here."""

    @property
    def is_typing_here(self) -> bool:
        """Whether a connection of this server is typing."""
        return any(not isinstance(source, str) for source in self.expiries)


class ConversationTyping:
    """Typing users of one conversation."""

    __slots__ = ("_clock", "_emit", "_expire_s", "_publish", "_settings", "_states")

    def __init__(self, settings: Settings, clock: Clock, emit: TypingListener, publish: TypingListener) -> None:
        self._settings = settings
        self._clock = clock
        self._expire_s = settings.typing_expire_ms / 1000
        self._emit = emit
        """Broadcasts to the members here."""
        self._publish = publish
        """Publishes typing on this server to the other servers; repeated while it continues."""
        self._states: dict[str, TypingState] = {}

    def start(self, user: User, source: Hashable) -> None:
        """Mark a source as typing; it expires ``typing_expire_ms`` after the last call."""
        now = self._clock.monotonic()
        state = self._states.get(user.user_id)
        if state is None:
            settings = self._settings
            state = TypingState(user, TokenBucket(settings.typing_per_s, settings.typing_burst, now))
            self._states[user.user_id] = state
        if (earlier := state.expiries.get(source)) is not None:
            earlier.cancel()
        state.expiries[source] = self._clock.call_later(self._expire_s, self.stop, user.user_id, source)
        if state.is_typing_here and (state.published_at is None or now - state.published_at >= RENEW_S):
            state.published_at = now
            self._publish(user, True)
        self._update(state)

    def stop(self, user_id: str, source: Hashable) -> None:
        """Mark a source as no longer typing."""
        state = self._states.get(user_id)
        if state is not None and (expiry := state.expiries.pop(source, None)) is not None:
            expiry.cancel()
            self._publish_end(state)
            self._update(state)

    def end(self, user_id: str, source: Hashable) -> None:
        """End the typing of a source that sent its message or left; broadcast regardless of the rate limit."""
        state = self._states.get(user_id)
        if state is not None and (expiry := state.expiries.pop(source, None)) is not None:
            expiry.cancel()
            self._publish_end(state)
            if not state.expiries:
                self._broadcast(state)

    def forget(self, user_id: str) -> None:
        """Remove a user whose last connection here has left the conversation."""
        state = self._states.get(user_id)
        if state is None:
            return
        for source in [source for source in state.expiries if not isinstance(source, str)]:
            state.expiries.pop(source).cancel()
        self._publish_end(state)
        if not state.expiries:
            del self._states[user_id]
            self._broadcast(state)

    def local_users(self) -> list[User]:
        """Return the users who are typing on this server."""
        return [state.user for state in self._states.values() if state.is_typing_here]

    def users(self) -> list[str]:
        """Return the ids of the users who are shown as typing."""
        return [user_id for user_id, state in self._states.items() if state.shown]

    def close(self) -> None:
        """Cancel every timer; no further change is broadcast."""
        for state in self._states.values():
            for timer in (*state.expiries.values(), state.flush):
                if timer is not None:
                    timer.cancel()
        self._states.clear()

    def _publish_end(self, state: TypingState) -> None:
        if state.published_at is not None and not state.is_typing_here:
            state.published_at = None
            self._publish(state.user, False)

    def _update(self, state: TypingState) -> None:
        if state.shown is bool(state.expiries) or state.flush is not None:
            return
        wait_s = state.bucket.take(self._clock.monotonic())
        if not wait_s:
            self._broadcast(state)
        else:
            state.flush = self._clock.call_later(wait_s, self._flush, state)

    def _flush(self, state: TypingState) -> None:
        state.flush = None
        self._update(state)

    def _broadcast(self, state: TypingState) -> None:
        if state.flush is not None:
            state.flush.cancel()
            state.flush = None
        is_typing = bool(state.expiries)
        if state.shown is not is_typing:
            state.shown = is_typing
            self._emit(state.user, is_typing)

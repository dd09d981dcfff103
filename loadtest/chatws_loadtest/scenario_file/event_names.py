"""Names of the events that a person of a scenario generates itself, as the guide's client library does."""

from __future__ import annotations

from typing import Final

DISCONNECT: Final = "disconnect"
"""The connection ended."""

RECONNECT: Final = "reconnect"
"""The connection was restored and every conversation rejoined."""

OWN_NAMES: Final = frozenset({DISCONNECT, RECONNECT})

UNCOUNTED: Final = frozenset({RECONNECT, "presence_update", "positions", "recovery_offset", "auth_expiring"})
"""Events that ``expect: nothing`` ignores unless ``of`` names them: they depend on timers and on other users."""

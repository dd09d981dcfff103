"""Credentials of a simulated user, whose token may expire during the run."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chatws_loadtest.ipc import ShortLivedToken


class UserCredentials:
    """Token or session of one user, and the token that replaces a short-lived one."""

    def __init__(self, auth: dict[str, str]) -> None:
        self._auth = auth
        # Set while the current token is a short-lived one.
        self._short_lived: ShortLivedToken | None = None

    @property
    def is_token(self) -> bool:
        """Whether it is an agent's token, not a customer's session."""
        return "token" in self._auth

    def current(self) -> dict[str, str]:
        """Return the credentials for CONNECT; an expired token is replaced."""
        self.renew()
        return self._auth

    def shorten(self, tokens: Mapping[str, ShortLivedToken]) -> str | None:
        """Replace the token by the one of ``tokens`` that expires soon, and return it; None if there is none."""
        self._short_lived = tokens.get(self._auth.get("token", ""))
        if self._short_lived is None:
            return None
        self._auth = {"token": self._short_lived.token}
        return self._short_lived.token

    def renew(self) -> str | None:
        """Return a fresh token only once the current one has expired, so that refusals are tested too."""
        short = self._short_lived
        if short is None or time.time() < short.expired_at_s:
            return None
        self._auth, self._short_lived = {"token": short.next_token}, None
        return short.next_token

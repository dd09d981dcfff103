"""Signatures of webhooks as Standard Webhooks defines them (https://www.standardwebhooks.com)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

ID_HEADER: Final = "webhook-id"
TIMESTAMP_HEADER: Final = "webhook-timestamp"
SIGNATURE_HEADER: Final = "webhook-signature"

TOLERANCE_S = 300
"""Age from which a receiver refuses a request: a recorded one cannot be repeated later."""

_PREFIX = "whsec_"
_VERSION = "v1,"
_MIN_KEY_BYTES, _MAX_KEY_BYTES = 24, 64
_NEW_KEY_BYTES = 32


class BadSecret(ValueError):
    """Text that is not a secret of Standard Webhooks; never contains that text."""

    def __init__(self) -> None:
        super().__init__(f"a secret is {_PREFIX} and the base64 of {_MIN_KEY_BYTES} to {_MAX_KEY_BYTES} bytes")


class BadSignature(Exception):
    """Request that the secret's owner did not sign, or signed too long ago; the text is the reason."""


class WebhookSigner:
    """Signs and verifies requests; with several keys, while a secret is replaced, each of them signs."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = tuple(keys)

    @classmethod
    def parse(cls, text: str) -> WebhookSigner:
        """Parse one secret, or several separated by spaces.

        Raises:
            BadSecret: there is none, or one is malformed.
        """
        keys = [_parse_secret(secret) for secret in text.split()]
        if not keys:
            raise BadSecret
        return cls(keys)

    def headers(self, event_id: str, unix_s: int, body: bytes) -> dict[str, str]:
        """Return the three headers of a request that is sent at this time."""
        signatures = " ".join(_VERSION + _digest(key, event_id, str(unix_s), body) for key in self._keys)
        return {ID_HEADER: event_id, TIMESTAMP_HEADER: str(unix_s), SIGNATURE_HEADER: signatures}

    def verify(self, event_id: str, timestamp: str, signatures: str, body: bytes, *, now_s: float) -> None:
        """Verify the headers of a received request.

        Raises:
            BadSignature: no signature matches, or the timestamp differs from ``now_s`` by more than ``TOLERANCE_S``.
        """
        if not timestamp.isascii() or not timestamp.isdigit():
            raise BadSignature("the timestamp is missing or malformed")
        given = [each.removeprefix(_VERSION) for each in signatures.split() if each.startswith(_VERSION)]
        expected = [_digest(key, event_id, timestamp, body) for key in self._keys]
        # Every pair is compared: the time taken does not depend on the position of a match.
        matches = [hmac.compare_digest(one.encode(), other.encode()) for one in given for other in expected]
        if not any(matches):
            raise BadSignature("no signature matches the secret")
        if abs(now_s - int(timestamp)) > TOLERANCE_S:
            raise BadSignature(f"the timestamp is more than {TOLERANCE_S // 60} minutes off")


def new_secret() -> str:
    """Return a random secret."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_NEW_KEY_BYTES)).decode()


def _parse_secret(text: str) -> bytes:
    if not text.startswith(_PREFIX):
        raise BadSecret
    try:
        key = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        raise BadSecret from None
    if not _MIN_KEY_BYTES <= len(key) <= _MAX_KEY_BYTES:
        raise BadSecret
    return key


def _digest(key: bytes, event_id: str, timestamp: str, body: bytes) -> str:
    signed = f"{event_id}.{timestamp}.".encode() + body
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()

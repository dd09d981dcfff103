"""Identity of customers, signed by the sites that embed the widget: JSON Web Tokens with a shared secret (HS256)."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

import jwt

from chatws.protocol.content import normalise_email, normalise_name
from chatws.protocol.entities import User
from chatws.protocol.errors import ChatError, ErrorCode
from chatws.server.auth.keys import MIN_SECRET_BYTES
from chatws.server.errors import StartError
from chatws.server.secret_file import read_material
from chatws.settings import Settings

_WHAT = "the identity key"
_ID_PREFIX = "site-"


class CustomerProfile(NamedTuple):
    """Customer as known when a session begins; ``email`` is the mail address."""

    user: User
    email: str | None


class SiteIdentities:
    """Verifier of the tokens that a site's back end signs for its logged-in users."""

    def __init__(self, settings: Settings) -> None:
        """Read the shared secret.

        Raises:
            StartError: the file is missing, readable by other users, or too short.
        """
        path = settings.identity_key_file
        self._secret = None if path is None else _load_secret(path)

    def verify(self, token: str) -> CustomerProfile:
        """Return the customer named by a token; the same ``sub`` is the same customer in every browser.

        Raises:
            ChatError: ``unauthorized`` if the token is forged or the server has no secret, ``token_expired``, or
                ``bad_request`` for an invalid name or mail address.
        """
        if self._secret is None:
            raise ChatError(ErrorCode.UNAUTHORIZED, "This server has no identity_key_file.")
        try:
            claims = jwt.decode(token, self._secret, algorithms=["HS256"], options={"require": ["exp", "sub"]})
        except jwt.ExpiredSignatureError:
            raise ChatError(ErrorCode.TOKEN_EXPIRED) from None
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError):
            raise ChatError(ErrorCode.UNAUTHORIZED) from None
        # A site's ids may have any form, and must not name an agent or another customer.
        user_id = f"{_ID_PREFIX}{hashlib.sha256(str(claims['sub']).encode()).hexdigest()[:32]}"
        name = claims.get("name")
        shown = normalise_name(name) if isinstance(name, str) else f"Customer {user_id[-4:]}"
        email = claims.get("email")
        return CustomerProfile(
            User(user_id=user_id, user_name=shown, role="customer"),
            normalise_email(email) if isinstance(email, str) and email else None,
        )


def is_site_customer(user: User) -> bool:
    """Return whether a site has signed the customer's identity."""
    return user.user_id.startswith(_ID_PREFIX)


def _load_secret(path: Path) -> bytes:
    secret = read_material(path, _WHAT, "identity_key_file")
    if len(secret) < MIN_SECRET_BYTES:
        what = f"{_WHAT} {path}"
        raise StartError(what, f"is shorter than {MIN_SECRET_BYTES} bytes", "use a random secret of at least 32 bytes")
    return secret

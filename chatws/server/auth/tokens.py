"""Tokens of agents and keys of services: JSON Web Tokens (RFC 7519) with fixed algorithms and a bounded lifetime.

TokenError
 ├─ TokenExpired   valid except for its time
 └─ TokenInvalid   any other defect, described in its text for the operator
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Any, Literal

import jwt

from chatws.protocol.limits import MAX_TOKEN_BYTES
from chatws.server.auth.keys import KeyRing
from chatws.settings import Settings

MAX_LIFETIME_S = 86_400
MAX_SERVICE_LIFETIME_S = 366 * 86_400
"""A program cannot log in again every day; its key ends by its expiry, or when its user is disabled."""

LEEWAY_S = 30
"""Clock skew allowed for ``iat`` and ``nbf``; none for ``exp``."""

OPERATOR_SCOPE = "operator"
"""Value of the claim ``scope`` (RFC 8693) of an operator's token; a login or a renewal never issues one."""

_SUBJECT = re.compile(r"[A-Za-z0-9_-]{1,64}")


class TokenError(Exception):
    """Rejected token."""


class TokenExpired(TokenError):
    """Token whose ``exp`` has passed."""


class TokenInvalid(TokenError):
    """Token that is malformed, forged, valid for too long, or meant for another audience or role."""


@dataclass(frozen=True, slots=True)
class Claims:
    """Claims of a verified token; times in Unix seconds."""

    subject: str
    name: str
    email: str | None
    issued_at_s: float
    expires_at_s: float
    login_at_s: float
    is_operator: bool
    is_service: bool


def mint(
    keys: KeyRing,
    settings: Settings,
    *,
    subject: str,
    name: str,
    email: str | None = None,
    ttl_s: int,
    login_at_s: float | None = None,
    now_s: float | None = None,
    is_operator: bool = False,
    role: Literal["admin", "service"] = "admin",
) -> str:
    """Sign a token for an agent or a service, valid for ``ttl_s`` seconds.

    ``login_at_s`` (claim ``auth_time``, OpenID Connect Core 2) bounds the time in which it can be renewed.
    """
    now = time.time() if now_s is None else now_s
    claims: dict[str, Any] = {
        "sub": subject,
        "name": name,
        "role": role,
        "iat": now,
        "exp": int(now + ttl_s),
        "auth_time": now if login_at_s is None else login_at_s,
    }
    if is_operator:
        claims["scope"] = OPERATOR_SCOPE
    optional = {"email": email, "iss": settings.jwt_issuer, "aud": settings.jwt_audience}
    claims.update({claim: value for claim, value in optional.items() if value is not None})
    headers = {"kid": keys.current.key_id} if keys.current.key_id else None
    return jwt.encode(claims, keys.current.material, algorithm=keys.algorithms[0], headers=headers)


def verify(token: str, keys: KeyRing, settings: Settings, *, now_s: float | None = None) -> Claims:
    """Check a token (RFC 8725) and return its claims.

    Raises:
        TokenExpired: it is valid except for its time.
        TokenInvalid: it has any other defect.
    """
    if len(token) > MAX_TOKEN_BYTES:
        raise TokenInvalid("longer than 8 KiB")
    return _check_claims(_verify_signature(token, keys, settings), time.time() if now_s is None else now_s)


def _verify_signature(token: str, keys: KeyRing, settings: Settings) -> dict[str, Any]:
    try:
        key_id = jwt.get_unverified_header(token).get("kid")
    except jwt.PyJWTError as error:
        raise TokenInvalid(str(error)) from None
    reason = "unknown kid"
    for key in keys.candidates(key_id):
        try:
            return jwt.decode(
                token,
                key.material,
                algorithms=list(keys.algorithms),
                issuer=settings.jwt_issuer,
                audience=settings.jwt_audience,
                options={
                    "require": ["exp", "sub"],
                    # `_check_claims` compares the times with the caller's clock.
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                    "verify_aud": settings.jwt_audience is not None,
                },
            )
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError) as error:
            reason = str(error)
    raise TokenInvalid(reason)


def _check_claims(payload: dict[str, Any], now_s: float) -> Claims:
    subject, role, expires = payload["sub"], payload.get("role"), _read_number(payload, "exp")
    if expires is None:
        raise TokenInvalid("exp is not a number")
    if not _SUBJECT.fullmatch(subject):
        raise TokenInvalid("sub is not an id")
    if role not in ("admin", "service"):  # not a set: the claim may be unhashable
        raise TokenInvalid("role is neither admin nor service")
    longest_s, text = (MAX_LIFETIME_S, "24 hours") if role == "admin" else (MAX_SERVICE_LIFETIME_S, "366 days")
    issued = _read_optional_number(payload, "iat", expires - longest_s)
    if max(issued, _read_optional_number(payload, "nbf", 0.0)) > now_s + LEEWAY_S:
        raise TokenInvalid("is not valid yet")
    if expires - max(issued, now_s - LEEWAY_S) > longest_s + LEEWAY_S:
        raise TokenInvalid(f"lifetime exceeds {text}")
    if expires <= now_s:
        raise TokenExpired
    name, email = payload.get("name"), payload.get("email")
    login = _read_number(payload, "auth_time")
    return Claims(
        subject=subject,
        name=name[:80] if isinstance(name, str) and name.strip() else subject,
        email=email if isinstance(email, str) else None,
        issued_at_s=issued,
        expires_at_s=expires,
        login_at_s=issued if login is None else login,
        is_operator=OPERATOR_SCOPE in _read_scopes(payload),
        is_service=role == "service",
    )


def _read_scopes(payload: dict[str, Any]) -> list[str]:
    scope = payload.get("scope")
    return scope.split() if isinstance(scope, str) else []


def _read_optional_number(payload: dict[str, Any], claim: str, default: float) -> float:
    if claim not in payload:
        return default
    value = _read_number(payload, claim)
    if value is None:
        raise TokenInvalid(f"{claim} is not a number")
    return value


def _read_number(payload: dict[str, Any], claim: str) -> float | None:
    value = payload.get(claim)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**40:
        return None
    return float(value)

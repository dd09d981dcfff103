"""Password hashing with argon2id, outside the event loop and at most two at a time."""

from __future__ import annotations

import asyncio
import secrets
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError
from argon2.low_level import ARGON2_VERSION

_hasher = PasswordHasher()
"""Library defaults (RFC 9106, low-memory profile): 64 MiB and about 0.1 s per hash, hence the limit of two."""


def _make_dummy_hash() -> str:
    """Compose a hash that matches no password; computing a real one would add 0.1 s to every server start."""
    salt, digest = (
        b64encode(secrets.token_bytes(size)).decode().rstrip("=") for size in (_hasher.salt_len, _hasher.hash_len)
    )
    costs = f"m={_hasher.memory_cost},t={_hasher.time_cost},p={_hasher.parallelism}"
    return f"$argon2id$v={ARGON2_VERSION}${costs}${salt}${digest}"


_DUMMY_HASH = _make_dummy_hash()
"""Verified if the account does not exist, so that response times do not reveal which accounts exist."""


def hash_password(password: str) -> str:
    """Hash a password; blocks the caller for about 0.1 s."""
    return _hasher.hash(password)


class PasswordChecker:
    """Checks passwords in two threads; further callers wait in a queue."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="chatws-password")

    async def matches(self, password: str, password_hash: str | None) -> bool:
        """Return whether the password matches the hash; None never matches, after the same time as a hash."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, _verify, password, password_hash)

    def close(self) -> None:
        """Stop the threads without waiting for them."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _verify(password: str, password_hash: str | None) -> bool:
    try:
        _hasher.verify(password_hash or _DUMMY_HASH, password)
    except (VerifyMismatchError, VerificationError, InvalidHashError):
        return False
    return password_hash is not None

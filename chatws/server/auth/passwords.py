"""Agents' passwords: argon2id, hashed off the event loop, at most two at a time."""

from __future__ import annotations

import asyncio
import secrets
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError
from argon2.low_level import ARGON2_VERSION

_hasher = PasswordHasher()
"""The library's defaults (RFC 9106, low-memory profile): 64 MiB and about 0.1 s a hash, hence the bound below."""


def _hash_of_nothing() -> str:
    """Write down a hash that no password has; making a real one would cost every start of the server 0.1 s."""
    salt, digest = (
        b64encode(secrets.token_bytes(size)).decode().rstrip("=") for size in (_hasher.salt_len, _hasher.hash_len)
    )
    costs = f"m={_hasher.memory_cost},t={_hasher.time_cost},p={_hasher.parallelism}"
    return f"$argon2id$v={ARGON2_VERSION}${costs}${salt}${digest}"


_NOBODY = _hash_of_nothing()
"""Checked when the account does not exist, so that both answers take the same time."""


def hash_password(password: str) -> str:
    """Hash a password; blocks for about 0.1 s."""
    return _hasher.hash(password)


class PasswordChecker:
    """Checks passwords in two threads of its own; more callers wait their turn."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="chatws-password")

    async def matches(self, password: str, password_hash: str | None) -> bool:
        """Whether the password is the one that was hashed; ``None`` costs as much time and is always false."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, _matches, password, password_hash)

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _matches(password: str, password_hash: str | None) -> bool:
    try:
        _hasher.verify(password_hash or _NOBODY, password)
    except (VerifyMismatchError, VerificationError, InvalidHashError):
        return False
    return password_hash is not None

from __future__ import annotations

import pytest
from argon2 import extract_parameters
from argon2.exceptions import VerifyMismatchError

from chatws.server.auth import passwords


def test_unknown_account_takes_as_long_as_a_wrong_password() -> None:
    assert extract_parameters(passwords._DUMMY_HASH) == extract_parameters(passwords.hash_password("a password"))
    with pytest.raises(VerifyMismatchError):  # a malformed hash would be rejected at once
        passwords._hasher.verify(passwords._DUMMY_HASH, "a password")


@pytest.mark.usefixtures("cheap_hashes")
async def test_unknown_account_matches_no_password() -> None:
    checker = passwords.PasswordChecker()
    assert not await checker.matches("", None)
    assert await checker.matches("a password", passwords.hash_password("a password"))
    checker.close()

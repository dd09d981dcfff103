"""Verification of tokens on connect: forged and malformed ones are rejected, valid ones accepted."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt

from tests.server.conftest import StartChat
from tests.support.chat import RunningChat
from tests.support.peer import PeerRefused

OTHER_KEY = b"another key of at least thirty-two bytes"


def secret_of(chat: RunningChat) -> bytes:
    return (chat.settings.data_dir / "secret").read_bytes().strip()


def claims(chat: RunningChat, **changes: Any) -> dict[str, Any]:
    """Return valid claims with these changes; None omits a claim."""
    now = chat.clock.now_ms() // 1000
    valid = {"sub": "agent-1", "role": "admin", "iat": now, "exp": now + 600, **changes}
    return {name: value for name, value in valid.items() if value is not None}


def signed(chat: RunningChat, **changes: Any) -> str:
    return jwt.encode(claims(chat, **changes), secret_of(chat), algorithm="HS256")


def assemble(header: dict[str, Any], payload: Any, signature: str = "") -> str:
    parts = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (header, payload))
    return f"{'.'.join(parts)}.{signature}"


async def code_of(chat: RunningChat, token: str) -> str | None:
    """Connect with a token; return the error code, or None if it is accepted."""
    try:
        await chat.connect({"token": token})
    except PeerRefused as refusal:
        return refusal.code
    return None


FORGED: dict[str, Callable[[RunningChat], str]] = {
    "alg none": lambda chat: assemble({"alg": "none", "typ": "JWT"}, claims(chat)),
    "alg None in capitals": lambda chat: assemble({"alg": "NONE"}, claims(chat)),
    "alg none with a signature": lambda chat: assemble({"alg": "none"}, claims(chat), "c2ln"),
    "HS512 with the right key": lambda chat: jwt.encode(claims(chat), secret_of(chat) * 2, algorithm="HS512"),
    "HS384 with the right key": lambda chat: jwt.encode(claims(chat), secret_of(chat), algorithm="HS384"),
    "another key": lambda chat: jwt.encode(claims(chat), OTHER_KEY, algorithm="HS256"),
    "unknown kid": lambda chat: jwt.encode(claims(chat), secret_of(chat), headers={"kid": "unknown"}),
    "kid that is a path": lambda chat: jwt.encode(claims(chat), b"\0" * 32, headers={"kid": "../../dev/null"}),
    "kid that is a number": lambda chat: assemble({"alg": "HS256", "kid": 7}, claims(chat), "c2ln"),
    "kid that is a list": lambda chat: assemble({"alg": "HS256", "kid": ["a"]}, claims(chat), "c2ln"),
    "alg that is a list": lambda chat: assemble({"alg": ["HS256"]}, claims(chat), "c2ln"),
    "payload that is a list": lambda _: assemble({"alg": "HS256"}, [1, 2], "c2ln"),
    "signature cut off": lambda chat: signed(chat).rpartition(".")[0] + ".",
    "one part": lambda _: "abc",
    "four parts": lambda chat: signed(chat) + ".abc",
    "not ASCII": lambda chat: "é" + signed(chat),
    "white space around": lambda chat: f" {signed(chat)}\n",
    "empty": lambda _: "",
    "9 KiB": lambda chat: signed(chat, name="x" * 9 * 1024),
    "no exp": lambda chat: signed(chat, exp=None),
    "exp as text": lambda chat: signed(chat, exp="4102444800"),
    "exp as true": lambda chat: signed(chat, exp=True),
    "exp not a number": lambda chat: jwt.encode(claims(chat, exp=float("nan")), secret_of(chat)),
    "exp infinite": lambda chat: jwt.encode(claims(chat, exp=float("inf")), secret_of(chat)),
    "ten years": lambda chat: signed(chat, exp=claims(chat)["exp"] + 315_360_000),
    "ten years, issued in the future": lambda chat: signed(
        chat, iat=claims(chat)["iat"] + 315_360_000, exp=claims(chat)["exp"] + 315_360_000
    ),
    "25 hours": lambda chat: signed(chat, exp=claims(chat)["iat"] + 90_000),
    "25 hours without iat": lambda chat: signed(chat, iat=None, exp=claims(chat)["iat"] + 90_000),
    "25 hours with an invalid iat": lambda chat: signed(chat, iat="now", exp=claims(chat)["iat"] + 90_000),
    "issued in the future": lambda chat: signed(chat, iat=claims(chat)["iat"] + 300),
    "nbf as text": lambda chat: signed(chat, nbf="1"),
    "not valid yet": lambda chat: signed(chat, nbf=claims(chat)["iat"] + 300),
    "no sub": lambda chat: signed(chat, sub=None),
    "empty sub": lambda chat: signed(chat, sub=""),
    "sub with spaces": lambda chat: signed(chat, sub="agent 1"),
    "sub of 65 characters": lambda chat: signed(chat, sub="a" * 65),
    "sub with a line end": lambda chat: signed(chat, sub="agent-1\n"),
    "sub as a number": lambda chat: sign_unchecked(chat, sub=7),
    "sub as a list": lambda chat: sign_unchecked(chat, sub=["agent-1"]),
    "no role": lambda chat: signed(chat, role=None),
    "role customer": lambda chat: signed(chat, role="customer"),
    "role bot": lambda chat: signed(chat, role="bot"),
    "roles in a list": lambda chat: signed(chat, role=["admin"]),
}


def sign_unchecked(chat: RunningChat, **changes: Any) -> str:
    """Sign claims that PyJWT would reject."""
    return jwt.PyJWS().encode(json.dumps(claims(chat, **changes)).encode(), secret_of(chat), algorithm="HS256")


async def test_forged_or_malformed_token_is_unauthorized(start_chat: StartChat) -> None:
    chat = await start_chat(limits="off")
    codes = {name: await code_of(chat, make(chat)) for name, make in FORGED.items()}
    assert {name: code for name, code in codes.items() if code != "unauthorized"} == {}
    assert chat.service.get_connection_count() == 0


async def test_expired_token_has_its_own_error_code(chat: RunningChat) -> None:
    token = chat.token(ttl_s=60)
    chat.clock.advance(61)
    assert await code_of(chat, token) == "token_expired"


async def test_expired_token_of_another_key_is_unauthorized(chat: RunningChat) -> None:
    forged = jwt.encode(claims(chat, exp=1), OTHER_KEY, algorithm="HS256")
    assert await code_of(chat, forged) == "unauthorized"


async def test_token_of_another_issuer_with_the_shared_key_is_accepted(chat: RunningChat) -> None:
    assert await code_of(chat, signed(chat, name="Ada", email="ada@example.org", department="sales")) is None
    assert await code_of(chat, signed(chat, iat=None)) is None


async def test_issuer_and_audience_are_required_when_configured(start_chat: StartChat) -> None:
    chat = await start_chat(jwt_issuer="https://login.example", jwt_audience="chat")
    assert await code_of(chat, chat.token()) is None
    valid = {"iss": "https://login.example", "aud": "chat"}
    invalid = [
        {**valid, "iss": "https://evil.example"},
        {**valid, "aud": "mail"},
        {"iss": valid["iss"]},
        {"aud": "chat"},
    ]
    assert [await code_of(chat, signed(chat, **one)) for one in [valid, *invalid]] == [None, *["unauthorized"] * 4]


async def test_both_keys_verify_while_keys_are_rotated(start_chat: StartChat, tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for path in (old, new):
        path.write_text(path.name * 32)
        path.chmod(0o600)
    chat = await start_chat(jwt_key_file=new, jwt_key_id="2026", jwt_previous_key_file=old, jwt_previous_key_id="2025")

    def token(path: Path, key_id: str | None) -> str:
        return jwt.encode(claims(chat), path.read_bytes(), headers={"kid": key_id} if key_id else None)

    assert await code_of(chat, chat.token()) is None
    assert [await code_of(chat, token(new, kid)) for kid in ("2026", "2025", None)] == [None, "unauthorized", None]
    assert [await code_of(chat, token(old, kid)) for kid in ("2025", "2026", None)] == [None, "unauthorized", None]


async def test_guesses_are_limited_per_address(start_chat: StartChat) -> None:
    chat = await start_chat(credential_failures_per_minute=3)
    codes = [await code_of(chat, "guess") for _ in range(5)]
    assert codes == ["unauthorized"] * 3 + ["rate_limited"] * 2
    chat.clock.advance(60)
    assert await code_of(chat, chat.token()) is None

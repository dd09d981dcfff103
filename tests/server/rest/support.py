"""Helpers for the REST tests: accounts, headers and complete responses."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import aiohttp
from yarl import URL

from chatws.protocol.entities import User
from chatws.server.auth.passwords import hash_password

if TYPE_CHECKING:
    from tests.support.chat import RunningChat

PASSWORD = "correct horse battery staple"
EMAIL = "agnes@example.org"


async def add_agent(chat: RunningChat, user_id: str = "agnes", email: str = EMAIL) -> None:
    """Add an account as ``chatws user add`` does."""
    hashed = await asyncio.to_thread(hash_password, PASSWORD)
    async with chat.other_store() as store:
        await store.add_account(User(user_id=user_id, user_name=user_id.title(), role="admin"), email, hashed)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def session_header(session_id: str) -> dict[str, str]:
    return {"X-Session-Id": session_id}


async def new_session(chat: RunningChat, **fields: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """Start a customer session; return it and its header."""
    status, session = await chat.post("/api/sessions", fields)
    assert status == 200
    return session, session_header(session["sessionId"])


async def fetch(chat: RunningChat, method: str, path: str, **options: Any) -> tuple[aiohttp.ClientResponse, str]:
    """Send a request without normalising its URL; return the response and its text."""
    async with chat.http.request(method, URL(chat.url + path, encoded=True), **options) as response:
        return response, await response.text()


def code_of(body: Any) -> str:
    """Return the error code of an error in the contract's form."""
    assert body["success"] is False
    assert isinstance(body["error"]["message"], str)
    assert isinstance(body["error"]["retryable"], bool)
    code: str = body["error"]["code"]
    return code

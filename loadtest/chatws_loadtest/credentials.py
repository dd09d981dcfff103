"""Credentials of the simulated users: tokens of agents, sessions and conversations of customers."""

from __future__ import annotations

import asyncio
import http.client
import json
import math
import ssl
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import jwt

from chatws.server.auth import tokens
from chatws.server.auth.keys import KeyRing, SigningKey
from chatws.settings import Settings
from chatws_loadtest.ipc import RoomAssignment, ShortLivedToken

MAX_AGENT_CONNECTIONS: Final = 10
"""Connections that an agent may have (contract: limits); each conversation of the load takes one."""

TOKEN_LIFE_S: Final = 24 * 3600
TIMEOUT_S: Final = 30.0
_CREATED = frozenset({200, 201})


class CredentialsMissing(Exception):
    """There are too few credentials, and the server creates none; the text names the option that helps."""


class ServerGone(CredentialsMissing):
    """The server no longer accepts the connection in which it would create sessions."""


@dataclass(frozen=True, slots=True)
class CustomerCredentials:
    """A customer's credentials and conversation."""

    session_id: str
    conversation_id: str


@dataclass(frozen=True, slots=True)
class Credentials:
    """Available credentials: a key to sign tokens with, or tokens; sessions, unless the server creates them."""

    keys: KeyRing | None = None
    tokens: Sequence[str] = ()
    sessions: Sequence[CustomerCredentials] = ()
    tag: str = field(default="load")

    def agents(self, connections: int) -> Iterator[str]:
        """Yield agents' tokens in rotation, without end: of at least two agents, and enough for these connections.

        Raises:
            CredentialsMissing: there is neither a key nor a token.
        """
        if self.keys is not None:
            count = max(2, math.ceil(connections / MAX_AGENT_CONNECTIONS))
            return cycle(mint_tokens(self.keys, [f"{self.tag}-agent-{number}" for number in range(count)]))
        if not self.tokens:
            raise CredentialsMissing("there are no agents; give --jwt-secret-file or --tokens")
        return cycle(self.tokens)


def mint_tokens(keys: KeyRing, names: Sequence[str]) -> list[str]:
    """Sign a token for each agent, valid for the whole run."""
    return [tokens.mint(keys, Settings(), subject=name, name=name, ttl_s=TOKEN_LIFE_S) for name in names]


def shorten_tokens(keys: KeyRing, current: Iterable[str], ttl_s: int) -> dict[str, ShortLivedToken]:
    """Sign for each token one that expires within ``ttl_s`` seconds, and the token that follows it."""
    expired_at_s = time.time() + ttl_s
    replacements = {}
    for token in set(current):
        name = str(jwt.decode(token, options={"verify_signature": False})["sub"])
        short = tokens.mint(keys, Settings(), subject=name, name=name, ttl_s=ttl_s)
        replacements[token] = ShortLivedToken(short, expired_at_s, mint_tokens(keys, [name])[0])
    return replacements


def read_key(path: Path) -> KeyRing:
    """Read the key that the server's tokens are signed with (HS256).

    Raises:
        CredentialsMissing: the file cannot be read, or is empty.
    """
    try:
        material = path.read_bytes().strip()
    except OSError as problem:
        raise CredentialsMissing(f"{path}: {problem.strerror}") from problem
    if not material:
        raise CredentialsMissing(f"{path} is empty")
    return KeyRing(("HS256",), SigningKey(None, material))


def read_lines(path: Path) -> list[str]:
    """Read a file with one secret per line.

    Raises:
        CredentialsMissing: the file cannot be read, or is empty.
    """
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except OSError as problem:
        raise CredentialsMissing(f"{path}: {problem.strerror}") from problem
    except UnicodeDecodeError as problem:
        raise CredentialsMissing(f"{path} is not UTF-8 text") from problem
    if not lines:
        raise CredentialsMissing(f"{path} is empty")
    return lines


def read_sessions(path: Path, tag: str) -> list[CustomerCredentials]:
    """Read a file of sessions: ``SESSION [CONVERSATION]`` per line; a missing conversation id is generated.

    Raises:
        CredentialsMissing: the file cannot be read, or is empty.
    """
    customers = []
    for number, line in enumerate(read_lines(path)):
        session_id, _, conversation_id = line.partition(" ")
        customers.append(CustomerCredentials(session_id, conversation_id.strip() or f"{tag}-{number}"))
    return customers


def divide_users(users: int, room_size: int) -> list[int]:
    """Divide users among rooms of this size; the last room takes the rest, unless it is a single user."""
    rooms, rest = divmod(users, room_size)
    return [room_size] * rooms + [rest] * (rest > 1)


async def make_rooms(
    url: str, credentials: Credentials, sizes: Sequence[int], ca_file: Path | None = None
) -> list[RoomAssignment]:
    """Assign a customer and agents to each room; ``sizes`` are the numbers of members.

    Raises:
        CredentialsMissing: there are too few credentials.
    """
    count = len(sizes)
    customers = list(credentials.sessions[:count]) or await start_sessions(url, count, ca_file)
    if len(customers) < count:
        raise CredentialsMissing(
            f"there are {len(customers)} sessions, {count} are needed; each customer is one connection"
        )
    agents = credentials.agents(sum(sizes) - count)
    return [
        RoomAssignment(
            customer.conversation_id,
            [{"sessionId": customer.session_id}, *({"token": token} for token in islice(agents, members - 1))],
        )
        for customer, members in zip(customers, sizes, strict=True)
    ]


async def start_sessions(url: str, count: int, ca_file: Path | None = None) -> list[CustomerCredentials]:
    """Create customer sessions over REST.

    Raises:
        CredentialsMissing: the server creates none.
    """
    return await asyncio.to_thread(start_sessions_now, url, count, ca_file)


def start_sessions_now(url: str, count: int, ca_file: Path | None = None) -> list[CustomerCredentials]:
    """Create customer sessions as `start_sessions` does, without an event loop."""
    client = open_http(url, ca_file)
    customers: list[CustomerCredentials] = []
    try:
        for _ in range(count):
            client.request("POST", "/api/sessions", body=b"{}", headers={"Content-Type": "application/json"})
            response = client.getresponse()
            body = response.read()
            if response.status not in _CREATED:
                raise CredentialsMissing(f"POST /api/sessions answered {response.status}; give --sessions FILE")
            fields = json.loads(body)
            customers.append(CustomerCredentials(fields["sessionId"], fields["conversationId"]))
    except ConnectionRefusedError as problem:
        raise ServerGone(f"POST /api/sessions failed: {problem.strerror}") from problem
    except (OSError, ValueError, KeyError, TypeError, http.client.HTTPException) as problem:
        raise CredentialsMissing(f"POST /api/sessions failed ({problem!r}); give --sessions FILE") from problem
    finally:
        client.close()
    return customers


def open_http(url: str, ca_file: Path | None = None) -> http.client.HTTPConnection:
    """Create an HTTP client for REST requests; ``ca_file`` holds certificates to trust instead of the system's."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "https":
        return http.client.HTTPConnection(host, parts.port, timeout=TIMEOUT_S)
    return http.client.HTTPSConnection(host, parts.port, timeout=TIMEOUT_S, context=tls_context(url, ca_file))


def tls_context(url: str, ca_file: Path | None) -> ssl.SSLContext:
    """Create the context of connections to a server.

    For HTTP it has no certificates: loading those of the system takes 50 ms.
    """
    if ca_file is None and urlsplit(url).scheme == "http":
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return ssl.create_default_context(cafile=ca_file)

"""Probe of a server with one connection: finds out early that its path or event names are not the expected ones."""

from __future__ import annotations

import asyncio
import http.client
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from chatws.client.mapping import GUIDE_MAPPING, AckShapeError, ServerMapping
from chatws.exit_codes import ExitCode
from chatws_loadtest.credentials import Credentials, CredentialsMissing, open_http, tls_context
from chatws_loadtest.errors import CommandExit
from chatws_loadtest.server_address import REPLY_TIMEOUT_S, ServerAddress

INVALID_NAMESPACE: Final = "Invalid namespace"
"""Reply of the official server to CONNECT for a namespace that it does not have."""

ADVICE: Final = "if its names differ from the guide's, describe them in a file and give --mapping FILE"
MAPPED_ADVICE: Final = "correct the mapping file"


def refuse_other_server(
    url: str,
    ca_file: Path | None,
    credentials: Credentials,
    mapping: ServerMapping,
    reply_timeout_s: float = REPLY_TIMEOUT_S,
) -> None:
    """Refuse a server whose path or events are certainly not those of the mapping.

    Raises:
        CommandExit: they are not.
    """
    mismatch = asyncio.run(find_mismatch(url, ca_file, credentials, mapping, reply_timeout_s))
    if mismatch is not None:
        raise CommandExit(mismatch, ExitCode.CANNOT_CONNECT)


async def find_mismatch(
    url: str,
    ca_file: Path | None,
    credentials: Credentials,
    mapping: ServerMapping,
    reply_timeout_s: float = REPLY_TIMEOUT_S,
) -> str | None:
    """Return why this cannot be the server that the mapping describes, with advice; None if nothing is certain.

    Refused credentials, and a server that is only slow, are left for the users to report.
    """
    reason = _find_endpoint(url, ca_file, mapping)
    if reason is None:
        server = ServerAddress(url.rstrip("/"), tls_context(url, ca_file), mapping, reply_timeout_s=reply_timeout_s)
        reason = await _find_events(server, credentials)
    return None if reason is None else f"{reason}; {advise(mapping)}"


def advise(mapping: ServerMapping) -> str:
    """Return advice for a server that does not answer as expected."""
    return ADVICE if mapping == GUIDE_MAPPING else MAPPED_ADVICE


def _find_endpoint(url: str, ca_file: Path | None, mapping: ServerMapping) -> str | None:
    path = urlsplit(url).path.rstrip("/") + mapping.server.path
    client = open_http(url, ca_file)
    try:
        client.request("GET", f"{path}?EIO=4&transport=polling")
        status = client.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        client.close()
    return f"{url} has no Socket.IO endpoint {path} (HTTP 404)" if status == http.client.NOT_FOUND else None


async def _find_events(server: ServerAddress, credentials: Credentials) -> str | None:
    # Imported here: aiohttp costs 150 ms of start-up time, which a run with the bundled server does not need.
    from chatws_loadtest.raw_client import ConnectErrorReceived, PacketMissing, RawClient  # noqa: PLC0415

    try:
        token = next(credentials.agents(1))
    except CredentialsMissing:
        return None
    url, mapping = server.url, server.mapping
    try:
        client = await RawClient.open(server, {"token": token})
    except PacketMissing:
        return f"{url} does not ack {mapping.auth.event}"
    except AckShapeError as problem:
        return f"{url} acks {mapping.auth.event} in another form: {problem}"
    except ConnectErrorReceived as problem:
        if INVALID_NAMESPACE in str(problem):
            return f"{url} has no namespace {mapping.server.namespace}"
        return None
    try:
        await client.expect("authenticated")
    except PacketMissing:
        received = sorted({name for name, _ in client.events} - {"error"})
        expected = mapping.authenticated.event
        return f"{url} sends {', '.join(received)}, but no {expected}" if received else None
    finally:
        await client.close()
    return None

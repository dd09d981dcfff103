"""The customer's session: given, or made over REST and kept in a file, so that history is there the next time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from chatws.client import RequestRefused, RestClient
from chatws.protocol.errors import ErrorCode
from chatws.protocol.ids import new_id
from chatws_cli.outbox_file import server_name
from chatws_cli.output import hint
from chatws_cli.secrets import find_secret, read_secret, write_secret

if TYPE_CHECKING:
    from pathlib import Path

    from chatws.client import ClientOptions
    from chatws.protocol.responses import SessionAck

_VARIABLE = "CHATWS_SESSION"
_OVER = {ErrorCode.UNAUTHORIZED, ErrorCode.SESSION_EXPIRED}


class SavedSession(NamedTuple):
    """A session the server knows, and the conversation that is its own."""

    session_id: str
    conversation_id: str


class SessionLookup(NamedTuple):
    """A session id if there is one, where a new one is kept, and whether an expired one may be replaced."""

    session_id: str | None
    file: Path
    is_replaceable: bool


def session_path(data_dir: Path, url: str) -> Path:
    """Return where the session for one server is kept."""
    return data_dir / "sessions" / server_name(url)


def find_session(file: Path | None, kept: Path) -> SessionLookup:
    """Look into ``file``, CHATWS_SESSION and ``kept``; a ``file`` that is missing is where to keep a new session.

    Raises:
        CommandError: a file can not be read; exit code 2.
    """
    if file is not None:
        is_there = str(file) == "-" or file.exists()
        return SessionLookup(find_secret(file, _VARIABLE) if is_there else None, file, is_replaceable=False)
    given = find_secret(None, _VARIABLE)
    if given is not None:
        return SessionLookup(given, kept, is_replaceable=False)
    return SessionLookup(read_secret(kept) or None if kept.exists() else None, kept, is_replaceable=True)


async def obtain_session(url: str, options: ClientOptions, found: SessionLookup, name: str | None) -> SavedSession:
    """Return the session that was found, or make one and keep it; ``name`` is for a new one.

    Raises:
        ClientError: the server can not be reached, or refuses a session that somebody gave.
    """
    async with RestClient(url, session_id=found.session_id, options=options) as rest:
        if found.session_id is not None:
            try:
                return _session(found.session_id, await rest.current_session())
            except RequestRefused as refusal:
                if not found.is_replaceable or refusal.code not in _OVER:
                    raise
                hint("the session kept for this server is over; starting a new one")
        rest.session_id = None
        made = await rest.create_session(name)
    write_secret(found.file, made.session_id)
    return _session(made.session_id, made)


def _session(session_id: str, ack: SessionAck) -> SavedSession:
    # A development server makes the conversation when its first customer joins (guide), so any new id will do.
    return SavedSession(session_id, ack.conversation_id or new_id(time.time_ns() // 1_000_000))

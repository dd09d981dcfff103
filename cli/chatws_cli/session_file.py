"""Session of a customer: from an option or variable, or created over REST and saved for the next time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from chatws.client import RequestRefused, RestClient
from chatws.protocol.errors import ErrorCode
from chatws.protocol.ids import new_id
from chatws_cli.outbox_file import server_name
from chatws_cli.output import hint
from chatws_cli.presentation.sanitize import clean_line
from chatws_cli.secrets import find_secret, read_secret, write_secret

if TYPE_CHECKING:
    from pathlib import Path

    from chatws.client import ClientOptions
    from chatws.protocol.responses import SessionAck

_VARIABLE = "CHATWS_SESSION"
_EXPIRED = {ErrorCode.UNAUTHORIZED, ErrorCode.SESSION_EXPIRED}


class SavedSession(NamedTuple):
    """Session id, and the conversation of its customer."""

    session_id: str
    conversation_id: str


class SessionLookup(NamedTuple):
    """Session id if there is one, the file for a new one, and whether an expired session may be replaced."""

    session_id: str | None
    file: Path
    is_replaceable: bool


def session_path(data_dir: Path, url: str) -> Path:
    """Return the file of the session for one server."""
    return data_dir / "sessions" / server_name(url)


def find_session(file: Path | None, saved: Path) -> SessionLookup:
    """Search ``file``, CHATWS_SESSION and ``saved``; if ``file`` does not exist, a new session will be saved there.

    Raises:
        CommandError: a file cannot be read; exit code 2.
    """
    if file is not None:
        exists = str(file) == "-" or file.exists()
        return SessionLookup(find_secret(file, _VARIABLE) if exists else None, file, is_replaceable=False)
    given = find_secret(None, _VARIABLE)
    if given is not None:
        return SessionLookup(given, saved, is_replaceable=False)
    return SessionLookup(read_secret(saved) or None if saved.exists() else None, saved, is_replaceable=True)


async def obtain_session(url: str, options: ClientOptions, found: SessionLookup, name: str | None) -> SavedSession:
    """Return the session that was found, or create and save one; ``name`` applies to a new one.

    Raises:
        ClientError: the server cannot be reached, or refuses a session that was given.
    """
    async with RestClient(url, session_id=found.session_id, options=options) as rest:
        if found.session_id is not None:
            try:
                current = await rest.current_session()
                if name is not None and name.strip() != current.user_name:
                    hint(_name_is_kept(current.user_name))
                return _session(found.session_id, current)
            except RequestRefused as refusal:
                if not found.is_replaceable or refusal.code not in _EXPIRED:
                    raise
                hint("the saved session for this server has expired; starting a new one")
        rest.session_id = None
        made = await rest.create_session(name)
    write_secret(found.file, made.session_id)
    return _session(made.session_id, made)


async def announce_new_conversation(
    url: str, options: ClientOptions, session: SavedSession, conversation_id: str | None
) -> None:
    """Print a hint if joining the conversation would create it: it may be a mistyped id.

    Raises:
        ClientError: the server cannot be reached, or refuses the session.
    """
    if conversation_id is None or conversation_id == session.conversation_id:
        return
    async with RestClient(url, session_id=session.session_id, options=options) as rest:
        try:
            await rest.messages(conversation_id, limit=1)
        except RequestRefused as refusal:
            if refusal.code is not ErrorCode.FORBIDDEN:
                raise
            hint(f"you had no conversation {conversation_id}; a development server creates it now")


def _name_is_kept(name: str) -> str:
    return (
        f"--name is ignored: this session keeps the name {clean_line(name)!r}; --session-file FILE starts another one"
    )


def _session(session_id: str, ack: SessionAck) -> SavedSession:
    # A development server creates the conversation when its customer joins (guide), so any new id works.
    return SavedSession(session_id, ack.conversation_id or new_id(time.time_ns() // 1_000_000))

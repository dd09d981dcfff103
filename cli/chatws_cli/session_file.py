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
    """Session id, the conversation of its customer, and what the user should know about them."""

    session_id: str
    conversation_id: str
    remark: str = ""


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


async def obtain_session(
    url: str, options: ClientOptions, found: SessionLookup, name: str | None, conversation_id: str | None
) -> SavedSession:
    """Return the session that was found, or create and save one; ``name`` applies to a new one.

    Prints a remark if the name is not used, if the session has expired, or if joining ``conversation_id`` would create
    a conversation, because the id may be mistyped.

    Raises:
        ClientError: the server cannot be reached, or refuses a session that was given.
    """
    remarks: list[str] = []
    async with RestClient(url, session_id=found.session_id, options=options) as rest:
        ack = await _current_session(rest, found, name, remarks)
        if ack is None:
            rest.session_id = None
            ack = await rest.create_session(name)
            write_secret(found.file, ack.session_id)
            rest.session_id = ack.session_id
        # A development server creates the conversation when its customer joins (guide), so any new id works.
        own_id = ack.conversation_id or new_id(time.time_ns() // 1_000_000)
        if conversation_id is not None and conversation_id != own_id and await _is_new(rest, conversation_id):
            remarks.append(f"you had no conversation {conversation_id}; a development server creates it now")
    for remark in remarks:
        hint(remark)
    return SavedSession(ack.session_id, own_id, "; ".join(remarks))


async def _current_session(
    rest: RestClient, found: SessionLookup, name: str | None, remarks: list[str]
) -> SessionAck | None:
    """Return the session that was found; None if there is none, or if it has expired and may be replaced."""
    if found.session_id is None:
        return None
    try:
        current = await rest.current_session()
    except RequestRefused as refusal:
        if not found.is_replaceable or refusal.code not in _EXPIRED:
            raise
        remarks.append("the saved session for this server has expired; this is a new one")
        return None
    if name is not None and name.strip() != current.user_name:
        remarks.append(_name_is_kept(current.user_name))
    return current


async def _is_new(rest: RestClient, conversation_id: str) -> bool:
    try:
        await rest.messages(conversation_id, limit=1)
    except RequestRefused as refusal:
        if refusal.code is not ErrorCode.FORBIDDEN:
            raise
        return True
    return False


def _name_is_kept(name: str) -> str:
    return (
        f"--name is ignored: this session keeps the name {clean_line(name)!r}; --session-file FILE starts another one"
    )

"""Client of the one-shot commands: an agent's, or that of the customer whose session is saved."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import typer

from chatws.exit_codes import ExitCode
from chatws_cli.agent_token import find_agent_token
from chatws_cli.errors import CommandError
from chatws_cli.options import data_dir_settings

if TYPE_CHECKING:
    from chatws.client import AgentClient, ClientOptions, CustomerClient

Role = Literal["agent", "customer"]

RoleOption = Annotated[Role, typer.Option("--as", help="Role to connect as.")]
SecretFile = Annotated[
    Path | None,
    typer.Option(
        "--secret-file", metavar="FILE", help="File with the token or session; default: CHATWS_TOKEN or CHATWS_SESSION."
    ),
]


class ClientIdentity(NamedTuple):
    """Options that identify the user."""

    role: Role
    secret_file: Path | None
    data_dir: Path | None


class IdentifiedClient(NamedTuple):
    """Client that is not connected yet, and the customer's own conversation."""

    client: AgentClient | CustomerClient
    conversation_id: str | None


async def make_client(
    url: str, options: ClientOptions, identity: ClientIdentity, conversation_id: str | None
) -> IdentifiedClient:
    """Create the client for a conversation; a customer without a session gets a new one, which is saved.

    Raises:
        CommandError: no token was found.
        ClientError: the server cannot be reached, or refuses the session.
    """
    from chatws.client import AgentClient, CustomerClient
    from chatws_cli.session_file import find_session, obtain_session, session_path

    if identity.role == "agent":
        token = find_agent_token(url, identity.secret_file, identity.data_dir)
        return IdentifiedClient(AgentClient(url, token, options=options), None)
    kept = session_path(data_dir_settings(identity.data_dir).data_dir, url)
    session = await obtain_session(url, options, find_session(identity.secret_file, kept), None, conversation_id)
    return IdentifiedClient(CustomerClient(url, session.session_id, options=options), session.conversation_id)


def choose_conversation(given: str | None, own: str | None) -> str:
    """Return the conversation to use.

    Raises:
        CommandError: none is given, and an agent has no default; exit code 2.
    """
    if given is None and own is None:
        advice = "choose one with --conversation"
        raise CommandError("no conversation is chosen", advice=advice, code=ExitCode.USAGE)
    return given or own or ""

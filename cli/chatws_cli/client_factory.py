"""Who a short command speaks as: an agent or the customer whose session is kept, and the client for it."""

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

RoleOption = Annotated[Role, typer.Option("--as", help="Who speaks.")]
SecretFile = Annotated[
    Path | None,
    typer.Option(
        "--secret-file", metavar="FILE", help="File of the token or session; else CHATWS_TOKEN or CHATWS_SESSION."
    ),
]


class ClientIdentity(NamedTuple):
    """What the options say about who it is."""

    role: Role
    secret_file: Path | None
    data_dir: Path | None


class IdentifiedClient(NamedTuple):
    """A client that is not connected yet, and the conversation that is its own."""

    client: AgentClient | CustomerClient
    conversation_id: str | None


async def make_client(url: str, options: ClientOptions, identity: ClientIdentity) -> IdentifiedClient:
    """Make the client; a customer without a session gets one, which is kept.

    Raises:
        CommandError: there is no token.
        ClientError: the server can not be reached, or refuses the session.
    """
    from chatws.client import AgentClient, CustomerClient
    from chatws_cli.session_file import find_session, obtain_session, session_path

    if identity.role == "agent":
        token = find_agent_token(url, identity.secret_file, identity.data_dir)
        return IdentifiedClient(AgentClient(url, token, options=options), None)
    kept = session_path(data_dir_settings(identity.data_dir).data_dir, url)
    session = await obtain_session(url, options, find_session(identity.secret_file, kept), None)
    return IdentifiedClient(CustomerClient(url, session.session_id, options=options), session.conversation_id)


def choose_conversation(given: str | None, own: str | None) -> str:
    """Return the conversation that is meant.

    Raises:
        CommandError: an agent has not said which; exit code 2.
    """
    if given is None and own is None:
        advice = "say which with --conversation"
        raise CommandError("an agent has no conversation of its own", advice=advice, code=ExitCode.USAGE)
    return given or own or ""

"""``chatws connections``: connections of a running server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from chatws_cli.defaults import DEFAULT_URL
from chatws_cli.lazy_group import make_app
from chatws_cli.operator_client import OperatorAccess, TokenFile
from chatws_cli.options import CaFile, DataDir, Url, check_conversation_id, check_user_id
from chatws_cli.output import hint, print_json, table
from chatws_cli.presentation.sanitize import clean_line

if TYPE_CHECKING:
    from chatws.protocol.responses import ConnectionSummary

app = make_app()

_HEADER = ("CONNECTION", "USER", "NAME", "ROLE", "ADDRESS", "SINCE", "CONVERSATIONS")
_SHOWN_CONVERSATIONS = 2


@app.command(epilog="Example: chatws connections --user alice")
def connections(  # noqa: PLR0917  these are options, never positional
    url: Url = DEFAULT_URL,
    user: Annotated[
        str | None, typer.Option(metavar="ID", help="Only those of this user.", callback=check_user_id)
    ] = None,
    conversation: Annotated[
        str | None,
        typer.Option(
            "--conversation", "-c", metavar="ID", help="Only those that joined it.", callback=check_conversation_id
        ),
    ] = None,
    token_file: TokenFile = None,
    data_dir: DataDir = None,
    ca_file: CaFile = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per connection.")] = False,
) -> None:
    """List the connections of a running server.

    Requires an operator's token, see 'chatws token create --operator'. Of several servers it lists the one at --url.
    """
    access = OperatorAccess(url, token_file, data_dir, ca_file)
    reply = access.run(lambda rest: rest.connections(user_id=user, conversation_id=conversation))
    if as_json:
        for connection in reply.connections:
            print_json(connection)
    else:
        print(table([_HEADER, *map(_row, reply.connections)]))
    if reply.total > len(reply.connections):
        hint(f"{reply.total - len(reply.connections)} more; choose with --user or --conversation")


def _row(connection: ConnectionSummary) -> tuple[str, ...]:
    joined = connection.conversations
    shown = [*joined[:_SHOWN_CONVERSATIONS], *(["inbox"] if connection.has_inbox else [])]
    more = f" and {len(joined) - _SHOWN_CONVERSATIONS} more" if len(joined) > _SHOWN_CONVERSATIONS else ""
    return (
        connection.socket_id,
        connection.user_id,
        clean_line(connection.user_name),
        connection.role,
        connection.address,
        connection.connected_at,
        (", ".join(shown) or "-") + more,
    )

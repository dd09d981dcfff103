"""``chatws tail``: print events as lines."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from chatws_cli.client_factory import ClientIdentity, RoleOption, SecretFile, make_client
from chatws_cli.defaults import DEFAULT_URL
from chatws_cli.lazy_group import make_app
from chatws_cli.options import CaFile, ConversationId, DataDir, History, Url

if TYPE_CHECKING:
    from chatws.client import ClientOptions
    from chatws_cli.text_ui.tail import TailOptions

app = make_app()


@app.command(epilog="Example: chatws tail --json --conversation CONVERSATION-ID")
def tail(  # noqa: PLR0917  these are options, never positional
    url: Url = DEFAULT_URL,
    conversation: ConversationId = None,
    role: RoleOption = "agent",
    secret_file: SecretFile = None,
    data_dir: DataDir = None,
    history: History = None,
    count: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="End after this many messages, or changes of the inbox.")
    ] = None,
    ca_file: CaFile = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line, as agent --json prints.")] = False,
) -> None:
    """Follow a conversation, or an agent's inbox, until Ctrl-C.

    An agent follows the whole inbox without --conversation. The command reconnects automatically and misses no
    message of a conversation.
    """
    from chatws.client import ClientError
    from chatws_cli.chat_session import client_options, explain
    from chatws_cli.text_ui.tail import TailOptions

    shown = history if history is not None else 0 if as_json else 10
    try:
        tail_options = TailOptions(conversation, history=shown, limit=count, as_json=as_json)
        code = asyncio.run(
            _tail(url, client_options(url, ca_file), ClientIdentity(role, secret_file, data_dir), tail_options)
        )
    except ClientError as problem:
        raise explain(url, problem) from problem
    raise typer.Exit(code)


async def _tail(url: str, options: ClientOptions, identity: ClientIdentity, tail_options: TailOptions) -> int:
    from chatws_cli.text_ui.tail import TailLoop

    client, own = await make_client(url, options, identity, tail_options.conversation_id)
    return await TailLoop(client, tail_options, own).run()

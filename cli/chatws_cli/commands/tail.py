"""``chatws tail``: what happens, as lines."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from chatws_cli.defaults import DEFAULT_URL
from chatws_cli.identity import As, Identity, SecretFile, make_speaker
from chatws_cli.options import CaFile, ConversationId, DataDir, History, Url
from chatws_cli.tree import make_app

if TYPE_CHECKING:
    from chatws.client import ClientOptions
    from chatws_cli.line.watch import Watching

app = make_app()


@app.command(epilog="Example: chatws tail --json --conversation CONVERSATION-ID")
def tail(  # noqa: PLR0917  these are options, never positional
    url: Url = DEFAULT_URL,
    conversation: ConversationId = None,
    role: As = "agent",
    secret_file: SecretFile = None,
    data_dir: DataDir = None,
    history: History = None,
    count: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="End after so many messages, or changes of the inbox.")
    ] = None,
    ca_file: CaFile = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line, as agent --json has it.")] = False,
) -> None:
    """Follow a conversation, or an agent's whole inbox without --conversation, until Ctrl-C.

    It reconnects by itself and misses nothing of a conversation.
    """
    from chatws.client import ClientError
    from chatws_cli.connecting import client_options, explain
    from chatws_cli.line.watch import Watching

    shown = history if history is not None else 0 if as_json else 10
    try:
        watching = Watching(conversation, history=shown, limit=count, as_json=as_json)
        code = asyncio.run(_tail(url, client_options(url, ca_file), Identity(role, secret_file, data_dir), watching))
    except ClientError as problem:
        raise explain(url, problem) from problem
    raise typer.Exit(code)


async def _tail(url: str, options: ClientOptions, identity: Identity, watching: Watching) -> int:
    from chatws_cli.line.watch import Watch

    client, own = await make_speaker(url, options, identity)
    return await Watch(client, watching, own).run()

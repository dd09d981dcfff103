"""``chatws agent``: chat as an agent."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chatws_cli.agent_token import find_agent_token
from chatws_cli.defaults import DEFAULT_URL
from chatws_cli.lazy_group import make_app
from chatws_cli.options import (
    AsJson,
    CaFile,
    ConversationId,
    DataDir,
    History,
    NotifyChoice,
    Plain,
    ThemeChoice,
    TransportChoice,
    Url,
    Wait,
    data_dir_settings,
)

if TYPE_CHECKING:
    from chatws_cli.text_ui.chat_loop import ChatOptions

app = make_app()


@app.command(epilog="Example: chatws agent --conversation CONVERSATION-ID")
def agent(  # noqa: PLR0917  these are options, never positional
    url: Url = DEFAULT_URL,
    conversation: ConversationId = None,
    token_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File with the token; default: CHATWS_TOKEN.")
    ] = None,
    data_dir: DataDir = None,
    wait: Wait = 0,
    history: History = None,
    ca_file: CaFile = None,
    transport: TransportChoice = "auto",
    theme: ThemeChoice = None,
    notify: NotifyChoice = None,
    *,
    plain: Plain = False,
    as_json: AsJson = False,
) -> None:
    """Answer customers.

    Without --conversation, join the newest open one, or wait for the first. In development mode on the server's
    machine, the token of the development agent is used automatically.
    """
    from chatws.client import AgentClient
    from chatws_cli.chat_session import DisplayMode, chat_options, client_options, run_session

    options = client_options(url, ca_file, transport)
    token = find_agent_token(url, token_file, data_dir)

    async def create_client() -> tuple[AgentClient, ChatOptions]:
        client = AgentClient(url, token, options=options)
        return client, chat_options(conversation, wait, history, as_json=as_json)

    mode = DisplayMode(data_dir_settings(data_dir).data_dir, plain=plain, as_json=as_json, theme=theme, notify=notify)
    raise typer.Exit(run_session(url, create_client, mode))

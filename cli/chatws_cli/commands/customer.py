"""``chatws customer``: chat as a customer."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

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


@app.command(epilog="Example: echo hello | chatws customer --json")
def customer(  # noqa: PLR0917  these are options, never positional
    url: Url = DEFAULT_URL,
    conversation: ConversationId = None,
    session_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="File with the session, created if missing; default: CHATWS_SESSION."),
    ] = None,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Name shown to agents, for a new session.")] = None,
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
    """Write to the agents.

    The session is saved for each server, so the conversation continues the next time.
    """
    from chatws.client import CustomerClient
    from chatws_cli.chat_session import DisplayMode, chat_options, client_options, run_session
    from chatws_cli.session_file import find_session, obtain_session, session_path

    options = client_options(url, ca_file, transport)
    mode = DisplayMode(data_dir_settings(data_dir).data_dir, plain=plain, as_json=as_json, theme=theme, notify=notify)
    found = find_session(session_file, session_path(mode.data_dir, url))

    async def create_client() -> tuple[CustomerClient, ChatOptions]:
        session = await obtain_session(url, options, found, name, conversation)
        client = CustomerClient(url, session.session_id, options=options)
        shown = chat_options(conversation or session.conversation_id, wait, history, as_json=as_json)
        return client, dataclasses.replace(shown, remark=session.remark)

    raise typer.Exit(run_session(url, create_client, mode))

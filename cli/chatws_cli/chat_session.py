"""Chat session of the commands ``agent`` and ``customer``: full screen, line mode or JSON mode."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple
from urllib.parse import urlsplit

from chatws.client import AgentClient, CannotConnect, ClientError, ClientOptions, RequestRefused
from chatws.exit_codes import ExitCode
from chatws.protocol.errors import ErrorCode
from chatws_cli.defaults import DEFAULT_URL
from chatws_cli.errors import CommandError
from chatws_cli.reachability import cannot_connect
from chatws_cli.text_ui.chat_loop import ChatOptions
from chatws_cli.text_ui.completion import completions
from chatws_cli.text_ui.input_source import PipeConsole
from chatws_cli.text_ui.json_mode import JsonMode
from chatws_cli.text_ui.terminal import Terminal, can_show_screen, is_capable
from chatws_cli.text_ui.text_mode import TextMode

if TYPE_CHECKING:
    from pathlib import Path

    from chatws.client import CustomerClient
    from chatws_cli.screen.notification import NotificationKind
    from chatws_cli.screen.themes import ThemeName

_PLAIN_HISTORY = 20


def client_options(
    url: str, ca_file: Path | None, transport: Literal["auto", "websocket", "polling"] = "auto"
) -> ClientOptions:
    """Return the SDK options for a server.

    Raises:
        CommandError: the address or the certificate file cannot be used; exit code 2.
    """
    if not _is_server_address(url):
        raise CommandError(
            f"{url!r} is not the address of a server", advice=f"use one like {DEFAULT_URL}", code=ExitCode.USAGE
        )
    options = ClientOptions(
        ca_file=ca_file,
        transports=("websocket", "polling") if transport == "auto" else (transport,),
        user_agent="chatws-terminal",
    )
    try:
        options.ssl_context()
    except OSError as problem:
        raise CommandError(
            f"--ca-file {ca_file} cannot be used", str(problem), "give a PEM file", code=ExitCode.USAGE
        ) from problem
    return options


def _is_server_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        # `port` raises ValueError unless it is a number up to 65535; the encoding of a host such as `a..b` does, too.
        is_usable = parts.port != 0 and bool((parts.hostname or "").encode("idna"))
    except ValueError:
        return False
    return is_usable and re.fullmatch(r"https?://[^/\s]+(/\S*)?", url) is not None


def chat_options(conversation_id: str | None, linger_s: float, history: int | None, *, as_json: bool) -> ChatOptions:
    """Return the options of the chat loop; the default history depends on the output format."""
    shown = history if history is not None else 0 if as_json else _PLAIN_HISTORY
    return ChatOptions(conversation_id=conversation_id, linger_s=linger_s, history=shown)


class DisplayMode(NamedTuple):
    """Output format and colours (None: the preference); the full screen saves unsent messages in ``data_dir``."""

    data_dir: Path
    plain: bool = False
    as_json: bool = False
    theme: ThemeName | None = None
    notify: NotificationKind | None = None


ClientFactory = Callable[[], Awaitable[tuple["AgentClient | CustomerClient", ChatOptions]]]
"""Creates the client on the event loop of the session."""


def run_session(url: str, create_client: ClientFactory, mode: DisplayMode) -> int:
    """Run a chat session and return its exit code.

    Raises:
        CommandError: the connection failed or was refused; exit code 3 or 4.
    """
    try:
        return asyncio.run(_run(url, create_client, mode))
    except ClientError as problem:
        raise explain(url, problem) from problem


def explain(url: str, problem: ClientError, forbidden: str = "check the conversation's id") -> CommandError:
    """Translate an error of the SDK into the error of a command, with its exit code.

    ``forbidden`` is the advice if the user may not do this.
    """
    if isinstance(problem, CannotConnect):
        return cannot_connect(url, problem.reason)
    if isinstance(problem, RequestRefused):
        advice = forbidden if problem.code is ErrorCode.FORBIDDEN else _ADVICE.get(problem.code, "")
        return CommandError(f"{url} refused", problem.message.rstrip("."), advice, code=ExitCode.REFUSED)
    return CommandError(str(problem))


_ADVICE = {
    ErrorCode.UNAUTHORIZED: "check that the token or session is valid",
    ErrorCode.TOKEN_EXPIRED: "create a new token with 'chatws token create'",
    ErrorCode.SESSION_EXPIRED: "start a new session with 'chatws session create'",
}


async def _run(url: str, create_client: ClientFactory, mode: DisplayMode) -> int:
    if not (mode.as_json or mode.plain) and can_show_screen():
        return await _run_screen(url, create_client, mode)
    client, options = await create_client()
    if mode.as_json:
        return await JsonMode(client, PipeConsole(), options).run()
    if not is_capable():
        return await TextMode(client, PipeConsole(), options).run()
    with contextlib.ExitStack() as stack:
        terminal = stack.enter_context(Terminal(partial(completions, is_agent=isinstance(client, AgentClient))))
        return await TextMode(client, terminal, options).run()


async def _run_screen(url: str, create_client: ClientFactory, mode: DisplayMode) -> int:
    from chatws_cli.outbox_file import server_name
    from chatws_cli.tui.app import run_screen
    from chatws_cli.tui.controller import ChatController
    from chatws_cli.tui.preferences import load_preferences

    preferences = load_preferences().override(mode.theme, mode.notify)
    client, options = await create_client()
    return await run_screen(
        [ChatController(client, options.conversation_id, mode.data_dir, server_name(url), options.remark)], preferences
    )

"""``chatws top``: live metrics of servers."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from chatws_cli.lazy_group import make_app
from chatws_cli.options import CaFile

app = make_app()


@app.command(epilog="Example: chatws top 10.0.0.5:3000 10.0.0.6:3000 --interval 5")
def top(
    urls: Annotated[
        list[str] | None, typer.Argument(metavar="[URL]...", help="Servers; default: those of the settings.")
    ] = None,
    interval: Annotated[float, typer.Option(metavar="SECONDS", min=0.1, help="Time between two samples.")] = 2.0,
    count: Annotated[int | None, typer.Option(metavar="N", min=1, help="End after this many samples.")] = None,
    ca_file: CaFile = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per sample.")] = False,
) -> None:
    """Show live metrics of servers, per server and in total.

    The metrics are those of /metrics: connections, messages, latencies, queues. Each server is queried directly, not
    through a proxy. In a pipe the command prints one line per sample. Ctrl-C ends it.
    """
    from chatws_cli.chat_session import client_options
    from chatws_cli.server_urls import own_servers
    from chatws_cli.settings import load_settings
    from chatws_cli.top.app import watch

    named = [url if "://" in url else f"http://{url}" for url in urls or []]
    servers = named or own_servers(load_settings().settings)
    options = [client_options(url, ca_file) for url in servers]
    watching = watch(servers, options[0].ssl_context(), interval_s=interval, limit=count, as_json=as_json)
    raise typer.Exit(asyncio.run(watching))

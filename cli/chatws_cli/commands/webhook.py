"""``chatws webhook``: receive and verify the events of the webhook, and show its secret."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chatws.exit_codes import ExitCode
from chatws_cli.errors import CommandError
from chatws_cli.lazy_group import make_app
from chatws_cli.options import DataDir, data_dir_settings
from chatws_cli.output import hint, print_json
from chatws_cli.secrets import read_secret

if TYPE_CHECKING:
    from chatws.protocol.webhook_signature import WebhookSigner
    from chatws_cli.webhook_listener import WebhookRecord

app = make_app("Receive and verify the events of a webhook.")

_PORT = 8080


@app.command(epilog="Example: chatws webhook listen --port 8080")
def listen(
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port on 127.0.0.1; 0 picks a free one.")] = _PORT,
    secret_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File with the secret; by default the server's, as below.")
    ] = None,
    status: Annotated[
        int, typer.Option(metavar="CODE", min=200, max=599, help="Answer to verified events; 500 causes repetitions.")
    ] = 204,
    count: Annotated[int | None, typer.Option(metavar="N", min=1, help="End after this many requests.")] = None,
    data_dir: DataDir = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per request.")] = False,
) -> None:
    """Print the events that arrive; mark those that are not genuine.

    Not genuine is a request whose signature is wrong or older than five minutes.
    Without --secret-file, the secret is that of a server with the same settings: of CHATWS_WEBHOOK_SECRET, else in the
    file webhook_secret_file, else in the data directory. With --count, the exit code is 1 if a request failed.
    """
    signer = _load_signer(secret_file, data_dir)
    raise typer.Exit(asyncio.run(_listen(signer, port, status=status, count=count, as_json=as_json)))


@app.command(epilog="Example: chatws webhook secret --new")
def secret(
    data_dir: DataDir = None,
    *,
    new: Annotated[bool, typer.Option("--new", help="Print a new random secret, and change nothing.")] = False,
) -> None:
    """Print the secret that signs the events; create it if needed."""
    from chatws.protocol.webhook_signature import new_secret
    from chatws.server.errors import StartError
    from chatws.server.webhooks.secret import load_secret

    if new:
        print(new_secret())
        return
    try:
        print(load_secret(data_dir_settings(data_dir)))
    except StartError as problem:
        raise CommandError(problem.what, problem.why, problem.advice) from problem


def _load_signer(secret_file: Path | None, data_dir: Path | None) -> WebhookSigner:
    from chatws.protocol.webhook_signature import BadSecret, WebhookSigner
    from chatws.server.errors import StartError
    from chatws.server.webhooks.secret import load_signer

    try:
        if secret_file is not None:
            return WebhookSigner.parse(read_secret(secret_file))
        return load_signer(data_dir_settings(data_dir))
    except BadSecret as problem:
        raise CommandError(f"{secret_file} cannot be used", str(problem), code=ExitCode.USAGE) from problem
    except StartError as problem:
        raise CommandError(problem.what, problem.why, problem.advice, code=ExitCode.USAGE) from problem


async def _listen(signer: WebhookSigner, port: int, *, status: int, count: int | None, as_json: bool) -> int:
    from chatws_cli.webhook_listener import WebhookListener, describe

    def show(record: WebhookRecord) -> None:
        if as_json:
            print_json(record)
        else:
            print(describe(record), flush=True)

    def announce(url: str) -> None:
        hint(f"listening on {url}; start the server with: chatws serve --set webhook_url={url}")

    return await WebhookListener(signer, show, status=status, count=count).run(port, announce)

"""``chatws trace``: events of a user or a conversation on a running server, live."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from chatws.exit_codes import ExitCode
from chatws_cli.defaults import DEFAULT_URL
from chatws_cli.errors import CommandError
from chatws_cli.lazy_group import make_app
from chatws_cli.operator_client import OperatorAccess, TokenFile
from chatws_cli.options import CaFile, DataDir, Url, check_trace_target
from chatws_cli.output import hint, print_json
from chatws_cli.presentation.sanitize import clean_line

if TYPE_CHECKING:
    from chatws.client import RestClient
    from chatws.protocol.responses import TraceRecord

app = make_app()


@app.command(epilog="Example: chatws trace 019a2b3c4d5e7f60a1b2c3d4e5f60718")
def trace(  # noqa: PLR0917  these are options, never positional
    target: Annotated[
        str,
        typer.Argument(metavar="USER|CONVERSATION", help="Id to watch.", callback=check_trace_target),
    ],
    url: Url = DEFAULT_URL,
    count: Annotated[int | None, typer.Option(metavar="N", min=1, help="End after this many events.")] = None,
    token_file: TokenFile = None,
    data_dir: DataDir = None,
    ca_file: CaFile = None,
    *,
    with_content: Annotated[bool, typer.Option("--with-content", help="Also print payloads: personal data.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per event.")] = False,
) -> None:
    """Watch what a user sends and is sent, live.

    Requires an operator's token, see 'chatws token create --operator'. Of several servers it watches the one at --url.
    With a conversation it shows the events of its members there. Each line has the latency: of a request until its
    reply, of a message since it was stored. The server logs each trace.
    """
    access = OperatorAccess(url, token_file, data_dir, ca_file)

    async def follow(rest: RestClient) -> None:
        is_conversation = await _is_conversation(rest, target)
        shown = 0
        async for record in rest.trace(
            user_id=None if is_conversation else target,
            conversation_id=target if is_conversation else None,
            with_content=with_content,
            on_open=lambda: hint(f"tracing {'conversation' if is_conversation else 'user'} {target}; Ctrl-C ends it"),
        ):
            print_json(record) if as_json else print(describe(record), flush=True)
            shown += 1
            if shown == count:
                return
        raise CommandError("the server ended the trace", "it stops, or the token has expired")

    try:
        access.run(follow)
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.INTERRUPTED) from None


async def _is_conversation(rest: RestClient, target: str) -> bool:
    from chatws.client import RequestRefused
    from chatws.protocol.errors import ErrorCode

    try:
        await rest.messages(target, limit=1)
    except RequestRefused as refusal:
        if refusal.code is not ErrorCode.NOT_FOUND:
            raise
        return False
    return True


def describe(record: TraceRecord) -> str:
    """Return a record as one line."""
    arrow = "->" if record.direction == "in" else "<-"
    parts = [record.at, record.user_id, arrow, clean_line(record.event), f"{record.size} B"]
    if record.latency_ms is not None:
        parts.append(f"{record.latency_ms:g} ms")
    if record.result not in {None, "ok"}:
        parts.append(str(record.result))
    if record.dropped:
        parts.append(f"({record.dropped} events before it are missing)")
    if isinstance(record.payload, msgspec.Raw):
        parts.append(clean_line(bytes(record.payload).decode()))
    return "  ".join(parts)

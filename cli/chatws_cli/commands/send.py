"""``chatws send``: send one message."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from chatws_cli.client_factory import ClientIdentity, RoleOption, SecretFile, choose_conversation, make_client
from chatws_cli.defaults import DEFAULT_URL
from chatws_cli.errors import CommandError
from chatws_cli.lazy_group import make_app
from chatws_cli.options import CaFile, ConversationId, DataDir, Url
from chatws_cli.output import print_json

if TYPE_CHECKING:
    from chatws.client import ClientOptions
    from chatws.protocol.responses import SendAck

app = make_app()


class OutgoingMessage(NamedTuple):
    """Message to send; without a conversation it goes to the customer's own."""

    conversation_id: str | None
    content: str


@app.command(epilog='Example: chatws send "Where is my parcel?"')
def send(  # noqa: PLR0917  these are options, never positional
    text: Annotated[
        str | None, typer.Argument(metavar="[TEXT]", help="The message; default: standard input.", show_default=False)
    ] = None,
    url: Url = DEFAULT_URL,
    conversation: ConversationId = None,
    role: RoleOption = "customer",
    secret_file: SecretFile = None,
    data_dir: DataDir = None,
    timeout_s: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=0.1, help="Time to wait for the ack of the server.")
    ] = 15.0,
    ca_file: CaFile = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the ack as one JSON object.")] = False,
) -> None:
    """Send one message and wait until the server has stored it.

    Exit codes: 0 stored, 1 no ack in time, 2 wrong usage, 3 cannot connect, 4 refused by the server.
    """
    from chatws.client import ClientError
    from chatws_cli.chat_session import client_options, explain

    content = sys.stdin.read().rstrip("\n") if text is None else text
    identity = ClientIdentity(role, secret_file, data_dir)
    try:
        options = client_options(url, ca_file)
        ack = asyncio.run(_send(url, options, identity, OutgoingMessage(conversation, content), timeout_s))
    except TimeoutError as problem:
        why = f"no ack within {timeout_s:g} s; it may have been stored nevertheless"
        raise CommandError("the message was not acked", why, "check with 'chatws tail'") from problem
    except ClientError as problem:
        raise explain(url, problem) from problem
    if as_json:
        print_json(ack)
    else:
        print(f"stored as message {ack.seq} ({ack.message_id})")


async def _send(
    url: str, options: ClientOptions, identity: ClientIdentity, message: OutgoingMessage, timeout_s: float
) -> SendAck:
    async with asyncio.timeout(timeout_s):
        client, own = await make_client(url, options, identity, message.conversation_id)
        target = choose_conversation(message.conversation_id, own)
        async with client:
            await client.join_conversation(target)
            return await client.send_message(target, message.content)

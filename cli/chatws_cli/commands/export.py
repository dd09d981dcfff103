"""``chatws export``: stored messages as JSON lines or Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from chatws.exit_codes import ExitCode
from chatws_cli.errors import CommandError
from chatws_cli.lazy_group import make_app
from chatws_cli.options import DatabaseUrl, DataDir, check_conversation_id, database_settings
from chatws_cli.output import print_json
from chatws_cli.stored_messages import Since, parse_since, read_messages

if TYPE_CHECKING:
    from chatws.protocol.entities import Message

app = make_app()


@app.command(epilog="Example: chatws export --since 7d --format markdown > week.md")
def export(
    conversation: Annotated[
        str | None,
        typer.Argument(
            metavar="[CONVERSATION]", help="Id; default: all.", callback=check_conversation_id, show_default=False
        ),
    ] = None,
    since: Since = None,
    output_format: Annotated[
        Literal["jsonl", "markdown"], typer.Option("--format", help="JSON lines, or text for people.")
    ] = "jsonl",
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Print stored messages as JSON lines or Markdown.

    The command reads the database, which servers may have open; it needs no server. Choose a conversation, a time, or
    both. Messages are ordered by conversation.
    """
    from chatws.store.queries.export import MessageFilter

    if conversation is None and since is None:
        advice = "give its id, or --since TIME for all conversations"
        raise CommandError("no conversation is chosen", advice=advice, code=ExitCode.USAGE)
    wanted = MessageFilter(conversation, parse_since(since))
    show = print_json if output_format == "jsonl" else MarkdownOutput().show
    read_messages(database_settings(data_dir, database_url), wanted, show)


class MarkdownOutput:
    """Prints messages with a heading for each conversation."""

    def __init__(self) -> None:
        self._conversation_id = ""

    def show(self, message: Message) -> None:
        """Print a message."""
        from chatws_cli.markdown import heading, paragraph

        if message.conversation_id != self._conversation_id:
            self._conversation_id = message.conversation_id
            print(heading(message.conversation_id))
        print(paragraph(message))

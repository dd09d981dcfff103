"""``chatws grep``: search in stored messages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from chatws.exit_codes import ExitCode
from chatws_cli.errors import CommandError
from chatws_cli.lazy_group import make_app
from chatws_cli.options import DatabaseUrl, DataDir, check_conversation_id, database_settings
from chatws_cli.output import print_json
from chatws_cli.presentation.sanitize import clean_line
from chatws_cli.stored_messages import Since, parse_since, read_messages

if TYPE_CHECKING:
    from chatws.protocol.entities import Message

app = make_app()


@app.command(epilog="Example: chatws grep -i 'parcel|delivery' --since 7d")
def grep(
    pattern: Annotated[str, typer.Argument(metavar="PATTERN", help="Regular expression (Python).", show_default=False)],
    conversation: Annotated[
        str | None,
        typer.Option(
            "--conversation",
            "-c",
            metavar="ID",
            help="Conversation to search; default: all.",
            callback=check_conversation_id,
        ),
    ] = None,
    since: Since = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    *,
    ignore_case: Annotated[bool, typer.Option("--ignore-case", "-i", help="Ignore upper and lower case.")] = False,
    fixed: Annotated[bool, typer.Option("--fixed-strings", "-F", help="Search for the text of the pattern.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per message.")] = False,
) -> None:
    """Search in stored messages.

    Prints each matching line after conversation, number, time and sender. The command reads the database, which servers
    may have open; it needs no server. Exit code 1 without a match.
    """
    from chatws.store.queries.export import MessageFilter

    wanted = MessageFilter(conversation, parse_since(since))
    search = MessageSearch(_compile(pattern, fixed=fixed, ignore_case=ignore_case), as_json=as_json)
    read_messages(database_settings(data_dir, database_url), wanted, search.show_if_found)
    raise typer.Exit(ExitCode.DONE if search.has_found else ExitCode.FAILED)


class MessageSearch:
    """Prints the messages, or their lines, that match a pattern."""

    def __init__(self, pattern: re.Pattern[str], *, as_json: bool) -> None:
        self._pattern = pattern
        self._as_json = as_json
        self.has_found = False

    def show_if_found(self, message: Message) -> None:
        """Print the message if a line of it matches."""
        lines = [line for line in message.content.split("\n") if self._pattern.search(line)]
        if not lines:
            return
        self.has_found = True
        if self._as_json:
            print_json(message)
            return
        name = clean_line(message.sender.user_name)
        for line in lines:
            print(f"{message.conversation_id}:{message.seq} {message.timestamp} {name}: {clean_line(line)}", flush=True)


def _compile(pattern: str, *, fixed: bool, ignore_case: bool) -> re.Pattern[str]:
    try:
        return re.compile(re.escape(pattern) if fixed else pattern, re.IGNORECASE if ignore_case else 0)
    except re.error as problem:
        advice = "use --fixed-strings to search for its text"
        raise CommandError(
            f"{pattern!r} is not a regular expression", str(problem), advice, code=ExitCode.USAGE
        ) from None

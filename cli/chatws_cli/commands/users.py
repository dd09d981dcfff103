"""``chatws user``: manage the accounts of agents, and erase users."""

from __future__ import annotations

import re
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from chatws.exit_codes import ExitCode
from chatws_cli.errors import CommandError
from chatws_cli.lazy_group import make_app
from chatws_cli.options import DatabaseUrl, DataDir, database_settings
from chatws_cli.output import print_json, table
from chatws_cli.secrets import prompt_secret

if TYPE_CHECKING:
    from chatws.store import Account, Store
    from chatws.store.sql_store import Database

app = make_app("Manage the accounts of agents, and erase users.")

UserId = Annotated[str, typer.Argument(metavar="ID", help="Id of the agent.", show_default=False)]
PasswordStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]

_MIN_PASSWORD = 8


@app.command(epilog="Example: chatws user add alice --name Alice --email alice@example.org")
def add(
    user_id: UserId,
    email: Annotated[str, typer.Option(metavar="EMAIL", help="Email address to log in with.")],
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Name shown to customers; default: the id.")] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    *,
    password_stdin: PasswordStdin = False,
) -> None:
    """Add an agent; prompts for the password."""
    from chatws.protocol.entities import User
    from chatws_cli.database import with_store

    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", user_id):
        raise CommandError(f"the id cannot be {user_id!r}", advice="use 1-64 of A-Z a-z 0-9 _ -", code=ExitCode.USAGE)
    settings = database_settings(data_dir, database_url)
    password_hash = _read_password_hash(from_stdin=password_stdin)
    user = User(user_id=user_id, user_name=name or user_id, role="admin")
    with_store(settings, lambda store: store.add_account(user, email, password_hash), may_create=True)
    print(f"added {user_id}")


@app.command("list", epilog="Example: chatws user list --json")
def list_users(
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """List the agents."""
    from chatws_cli.database import with_store

    accounts = with_store(database_settings(data_dir, database_url), lambda store: store.accounts())
    if as_json:
        for account in accounts:
            print_json(_described(account))
    else:
        print(table([("ID", "NAME", "EMAIL", "STATE"), *(_row(account) for account in accounts)]))


@app.command(epilog="Example: chatws user passwd alice")
def passwd(
    user_id: UserId,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    *,
    password_stdin: PasswordStdin = False,
) -> None:
    """Change the password of an agent. Earlier tokens are revoked and open connections end within a second."""
    from chatws_cli.database import with_store

    settings = database_settings(data_dir, database_url)
    password_hash = _read_password_hash(from_stdin=password_stdin)

    async def change(store: Store) -> None:
        await store.set_password(user_id, password_hash)
        await store.revoke_tokens(user_id, time.time_ns() // 1_000_000)

    with_store(settings, change)
    print(f"changed the password of {user_id}")


@app.command(epilog="Example: chatws user disable alice")
def disable(user_id: UserId, data_dir: DataDir = None, database_url: DatabaseUrl = None) -> None:
    """Disable an agent. Log-in and tokens are refused, open connections end within a second."""
    from chatws_cli.database import with_store

    async def disable_account(store: Store) -> None:
        await store.set_disabled(user_id, disabled=True)
        await store.revoke_tokens(user_id, time.time_ns() // 1_000_000)

    with_store(database_settings(data_dir, database_url), disable_account)
    print(f"disabled {user_id}")


@app.command(epilog="Example: chatws user enable alice")
def enable(user_id: UserId, data_dir: DataDir = None, database_url: DatabaseUrl = None) -> None:
    """Enable a disabled agent; a new log-in is required."""
    from chatws_cli.database import with_store

    with_store(database_settings(data_dir, database_url), lambda store: store.set_disabled(user_id, disabled=False))
    print(f"enabled {user_id}")


@app.command(epilog="Example: chatws user erase 019a2b3c4d5e7f60a1b2c3d4e5f60718")
def erase(
    user_id: Annotated[str, typer.Argument(metavar="ID", help="Id of an agent or a customer.", show_default=False)],
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Erase a user permanently.

    This removes name, email, password, sessions and the text of every message. Servers may keep running; connections
    of the user end within a second. Conversations keep their order.
    """
    from chatws.store import retention
    from chatws_cli.database import with_database

    async def run(database: Database) -> retention.Erased:
        return await retention.erase(database, user_id, time.time_ns() // 1_000_000)

    erased = with_database(database_settings(data_dir, database_url), run)
    print(f"erased {user_id}: {erased.messages} messages, {erased.sessions} sessions")


def _read_password_hash(*, from_stdin: bool) -> str:
    from chatws.server.auth.passwords import hash_password

    if from_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    elif sys.stdin.isatty():
        password = prompt_secret("Password", twice=True)
    else:
        raise CommandError(
            "there is no terminal to prompt for the password", advice="use --password-stdin", code=ExitCode.USAGE
        )
    if len(password) < _MIN_PASSWORD:
        raise CommandError(
            "the password is too short", advice=f"use {_MIN_PASSWORD} characters or more", code=ExitCode.USAGE
        )
    return hash_password(password)


def _described(account: Account) -> dict[str, object]:
    return {
        "userId": account.user.user_id,
        "userName": account.user.user_name,
        "email": account.email,
        "disabled": account.disabled,
        "hasPassword": account.password_hash is not None,
    }


def _row(account: Account) -> tuple[str, str, str, str]:
    state = "disabled" if account.disabled else "active" if account.password_hash else "active, tokens only"
    return account.user.user_id, ascii(account.user.user_name).strip("'"), account.email or "-", state

"""What ``doctor`` looks at: each part is looked at alone, changes nothing, and gets one line with one advice."""

from __future__ import annotations

import os
import socket
import sqlite3
import stat
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Literal, NamedTuple

from chatws.port_owner import find_listeners

if TYPE_CHECKING:
    from pathlib import Path

    from chatws.settings import Settings

State = Literal["ok", "note", "broken"]
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_MIN_SIZE = (40, 12)


class DoctorResult(NamedTuple):
    """``note``: works, but better known; ``broken``: will not work."""

    name: str
    state: State
    what: str
    advice: str = ""


def run_checks(settings: Settings, port: int) -> list[DoctorResult]:
    """Look at everything."""
    return [
        check_port(settings.host, port),
        check_directory(settings.data_dir),
        check_database(settings),
        check_secret(settings),
        check_assets(),
        check_terminal(),
    ]


def check_port(host: str, port: int) -> DoctorResult:
    """Try to listen."""
    try:
        with socket.create_server((host, port)):
            return DoctorResult("port", "ok", f"{port} is free")
    except OSError as problem:
        listeners = find_listeners(port)
        if listeners:
            what = f"{port} is in use by process {listeners[0]}"
            return DoctorResult("port", "note", what, f"if that is not your server, use another: --port {port + 1}")
        return DoctorResult(
            "port", "broken", f"{port} can not be used: {problem.strerror}", "choose another with --port"
        )


def check_directory(directory: Path) -> DoctorResult:
    """See whether the server can write there and nobody else can read."""
    if not directory.exists():
        return DoctorResult("data directory", "ok", f"{directory} will be made at the first start")
    if not directory.is_dir() or not os.access(directory, os.R_OK | os.W_OK | os.X_OK):
        advice = "give it to your user, or choose another with --data-dir"
        return DoctorResult("data directory", "broken", f"{directory} can not be written", advice)
    if directory.stat().st_mode & stat.S_IWOTH:
        return DoctorResult("data directory", "broken", f"everybody can write to {directory}", f"chmod 700 {directory}")
    return DoctorResult("data directory", "ok", str(directory))


def check_database(settings: Settings) -> DoctorResult:
    """Open an SQLite file without writing, and let SQLite check it."""
    prefix, _, path = settings.database.partition(":///")
    if not prefix.startswith("sqlite"):
        return DoctorResult("database", "note", "is not a file here", "`chatws db upgrade` tries to reach it")
    if not os.path.exists(path):  # noqa: PTH110  the path comes out of a URL
        return DoctorResult("database", "ok", "will be made at the first start")
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=2)) as connection:
            (answer,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            (messages,) = connection.execute("SELECT count(*) FROM messages").fetchone()
    except sqlite3.Error as problem:
        return DoctorResult("database", "broken", f"{path}: {problem}", "restore a copy with `chatws db restore`")
    if answer != "ok":
        return DoctorResult("database", "broken", f"{path} is damaged", "restore a copy with `chatws db restore`")
    return DoctorResult("database", "ok", f"{path}, {messages} messages")


def check_secret(settings: Settings) -> DoctorResult:
    """See whether the key that signs tokens is there, and private."""
    from chatws.server.auth.keys import load_keys
    from chatws.server.errors import StartError

    if settings.jwt_key_file is None and not (settings.data_dir / "secret").exists():
        return DoctorResult("secret", "ok", "will be made at the first start")
    try:
        load_keys(settings, create=False)
    except StartError as problem:
        return DoctorResult("secret", "broken", f"{problem.what}: {problem.why}", problem.advice)
    return DoctorResult("secret", "ok", "is there, and only you can read it")


def check_assets() -> DoctorResult:
    """See whether the pages have the official client beside them."""
    from chatws.server.frontend.static import VENDOR

    if (VENDOR / "socket.io.min.js").exists():
        return DoctorResult("browser assets", "ok", "the official client is served from here")
    advice = "to serve it yourself, install chatws again where npm can be found"
    return DoctorResult("browser assets", "note", "the pages load the official client from a CDN", advice)


def check_terminal() -> DoctorResult:
    """See which of the terminals this one can show."""
    if not (sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()):
        return DoctorResult("terminal", "note", "input or output is not a terminal", "the line mode is used")
    if os.environ.get("TERM", "dumb") == "dumb":
        return DoctorResult("terminal", "note", "TERM is dumb", "the line mode is used; set TERM for the full screen")
    columns, rows = os.get_terminal_size()
    if (columns, rows) < _MIN_SIZE or rows < _MIN_SIZE[1]:
        what = f"{columns} x {rows} is small"
        return DoctorResult("terminal", "note", what, f"{_MIN_SIZE[0]} x {_MIN_SIZE[1]} are enough; or use --plain")
    if (sys.stdout.encoding or "").lower().replace("-", "") != "utf8":
        return DoctorResult("terminal", "note", f"the encoding is {sys.stdout.encoding}", "set LANG to a UTF-8 locale")
    return DoctorResult("terminal", "ok", f"{os.environ['TERM']}, {columns} x {rows}")

"""Checks of ``chatws doctor``: independent, read-only, each with one result and one advice."""

from __future__ import annotations

import os
import socket
import sqlite3
import stat
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Literal, NamedTuple

from chatws.port_owner import find_listeners
from chatws.settings.validation import errors, warnings

if TYPE_CHECKING:
    from pathlib import Path

    from chatws.settings import Settings

State = Literal["ok", "note", "broken"]
_MIN_SIZE = (40, 12)


class DoctorResult(NamedTuple):
    """Result of a check. ``note``: works, with a remark; ``broken``: will not work."""

    name: str
    state: State
    what: str
    advice: str = ""


def run_checks(settings: Settings, port: int) -> list[DoctorResult]:
    """Run all checks."""
    return [
        *check_settings(settings),
        check_port(settings.host, port),
        check_directory(settings.data_dir),
        check_database(settings),
        check_secret(settings),
        check_assets(),
        check_terminal(),
    ]


def check_settings(settings: Settings) -> list[DoctorResult]:
    """Check combinations of settings: those that prevent a start, and those that weaken the server's protection."""
    found = [DoctorResult("settings", "broken", f"{what}: {why}", advice) for what, why, advice in errors(settings)]
    found += [DoctorResult("settings", "note", f"{what}: {why}", advice) for what, why, advice in warnings(settings)]
    return found or [DoctorResult("settings", "ok", f"no issues in {settings.mode} mode")]


def check_port(host: str, port: int) -> DoctorResult:
    """Check that the port is free."""
    try:
        with socket.create_server((host, port)):
            return DoctorResult("port", "ok", f"{port} is free")
    except OSError as problem:
        listeners = find_listeners(port)
        if listeners:
            what = f"{port} is in use by process {listeners[0]}"
            return DoctorResult(
                "port", "note", what, f"if that is not your server, use another port: --port {port + 1}"
            )
        return DoctorResult(
            "port", "broken", f"{port} cannot be used: {problem.strerror}", "choose another with --port"
        )


def check_directory(directory: Path) -> DoctorResult:
    """Check that the server can write to the directory and other users cannot."""
    if not directory.exists():
        return DoctorResult("data directory", "ok", f"{directory} will be created at the first start")
    if not directory.is_dir() or not os.access(directory, os.R_OK | os.W_OK | os.X_OK):
        advice = "make it writable, or choose another with --data-dir"
        return DoctorResult("data directory", "broken", f"{directory} cannot be written", advice)
    if directory.stat().st_mode & stat.S_IWOTH:
        return DoctorResult("data directory", "broken", f"any user can write to {directory}", f"chmod 700 {directory}")
    return DoctorResult("data directory", "ok", str(directory))


def check_database(settings: Settings) -> DoctorResult:
    """Open an SQLite file read-only and run SQLite's own check."""
    prefix, _, path = settings.database.partition(":///")
    if not prefix.startswith("sqlite"):
        return DoctorResult("database", "note", "is not a local file", "`chatws db upgrade` tests the connection")
    if not os.path.exists(path):  # noqa: PTH110  the path is part of a URL
        return DoctorResult("database", "ok", "will be created at the first start")
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=2)) as connection:
            (answer,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            (messages,) = connection.execute("SELECT count(*) FROM messages").fetchone()
    except sqlite3.Error as problem:
        return DoctorResult("database", "broken", f"{path}: {problem}", "restore a backup with `chatws db restore`")
    if answer != "ok":
        return DoctorResult("database", "broken", f"{path} is damaged", "restore a backup with `chatws db restore`")
    return DoctorResult("database", "ok", f"{path}, {messages} messages")


def check_secret(settings: Settings) -> DoctorResult:
    """Check that the key that signs tokens exists and is private."""
    from chatws.server.auth.keys import load_keys
    from chatws.server.errors import StartError

    if settings.jwt_key_file is None and not (settings.data_dir / "secret").exists():
        return DoctorResult("secret", "ok", "will be created at the first start")
    try:
        load_keys(settings, create=False)
    except StartError as problem:
        return DoctorResult("secret", "broken", f"{problem.what}: {problem.why}", problem.advice)
    return DoctorResult("secret", "ok", "exists, and only you can read it")


def check_assets() -> DoctorResult:
    """Check that the official Socket.IO client is bundled."""
    from chatws.server.frontend.static import VENDOR

    if (VENDOR / "socket.io.min.js").exists():
        return DoctorResult("browser assets", "ok", "the official client is served locally")
    advice = "to serve it yourself, reinstall chatws with npm on the PATH"
    return DoctorResult("browser assets", "note", "the pages load the official client from a CDN", advice)


def check_terminal() -> DoctorResult:
    """Check whether the terminal can show the full screen."""
    if not (sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()):
        return DoctorResult("terminal", "note", "input or output is not a terminal", "the line mode is used")
    if os.environ.get("TERM", "dumb") == "dumb":
        return DoctorResult("terminal", "note", "TERM is dumb", "the line mode is used; set TERM for the full screen")
    columns, rows = os.get_terminal_size()
    if (columns, rows) < _MIN_SIZE or rows < _MIN_SIZE[1]:
        what = f"{columns} x {rows} is small"
        return DoctorResult("terminal", "note", what, f"use at least {_MIN_SIZE[0]} x {_MIN_SIZE[1]}, or --plain")
    if (sys.stdout.encoding or "").lower().replace("-", "") != "utf8":
        return DoctorResult("terminal", "note", f"the encoding is {sys.stdout.encoding}", "set LANG to a UTF-8 locale")
    return DoctorResult("terminal", "ok", f"{os.environ['TERM']}, {columns} x {rows}")

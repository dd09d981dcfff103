from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from chatws import __version__
from chatws.exit_codes import ExitCode
from chatws_cli.lazy_group import MODULES
from tests.support.commands import UnreadCommand, run_chatws
from tests.support.preloaded import CHATWS, run_preloaded
from tests.support.server import environment_of_children

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import RunCommand
    from tests.support.server import ServerProcess

OTHER_PROGRAMS = ("loadtest", "run", "check", "check-client", "tap", "record", "timeline", "replay", "simulate")
"""Commands that replace the process, and have a help of their own."""

LIBRARIES = ("rich", "socketio", "aiohttp", "sqlalchemy", "textual", "locust", "jwt", "argon2", "pydantic")
HEAVY = (*LIBRARIES, "msgspec", "asyncio")
NETWORK = ("asyncio", "aiohttp", "socketio")
DISPLAY = ("rich", "textual", "typer", "pydantic")
CLIENTS = {
    "import chatws.client": (*NETWORK, "msgspec"),
    "import chatws.client.gevent.driver": NETWORK,
    "import chatws_loadtest.locust_worker.__main__": (*NETWORK, *DISPLAY),
    "from chatws.client import AgentClient": ("aiohttp", "socketio"),
    "import chatws_loadtest.cli": (
        *("aiohttp", "chatws.settings.loader", "prometheus_client", "pydantic", "rich", "socketio", "yaml"),
    ),
    "import chatws_loadtest.scenario_file.command": ("aiohttp", "pydantic", "rich", "socketio"),
}
NEW_DATABASE = """
import asyncio
from chatws.store.factory import make_store
async def open_new():
    store = make_store("sqlite://", server=True)
    await store.open()
    await store.close()
asyncio.run(open_new())
"""
SERVER = {
    "import chatws.server.runner": ("alembic", "asyncpg", "locust", "redis", "socketio", "yaml", *DISPLAY),
    NEW_DATABASE: ("alembic", "asyncpg"),
}


@pytest.mark.parametrize(
    "steps",
    [
        {"-V": HEAVY, "--version": HEAVY, "token create --sub ann": (*NETWORK, "pydantic", "rich", "sqlalchemy")},
        {"--help": LIBRARIES},
    ],
    ids=["version and token", "help"],
)
def test_commands_import_no_library_that_they_do_not_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: dict[str, tuple[str, ...]]
) -> None:
    """Each command runs in the process of those before it."""
    monkeypatch.setenv("CHATWS_DATA_DIR", str(tmp_path))
    script = ["import sys", "from chatws_cli.main import run"]
    for arguments, unneeded in steps.items():
        script += [
            f"sys.argv = ['chatws', *{arguments.split()!r}]",
            "try: run()\nexcept SystemExit as end: code = end.code or 0",
            f"print('exit code', code, *(name for name in {unneeded!r} if name in sys.modules))",
        ]
    lines = run_script(script).splitlines()
    assert [line for line in lines if line.startswith("exit code")] == ["exit code 0"] * len(steps)
    versions = [line for line in lines if line == f"chatws {__version__}"]
    assert len(versions) == ("-V" in steps) + ("--version" in steps)


@pytest.mark.parametrize("steps", [CLIENTS, SERVER], ids=["clients", "server"])
def test_programs_import_no_library_that_they_do_not_use(steps: dict[str, tuple[str, ...]]) -> None:
    """Each program runs in the process of those before it, which need no library that it must not import."""
    script = ["import sys"]
    for program, unneeded in steps.items():
        script += [program, f"print(*({program!r} + name for name in {unneeded!r} if name in sys.modules))"]
    assert run_script(script).split() == []


def run_script(lines: list[str]) -> str:
    command = [sys.executable, "-c", "\n".join(lines)]
    return subprocess.run(command, capture_output=True, text=True, timeout=110, check=True).stdout


def test_help_names_every_command_and_the_first_step() -> None:
    done = run_chatws("-h")
    assert done.returncode == 0
    assert all(f"\n  {name} " in done.stdout for name in MODULES)
    assert "chatws serve" in done.stdout


@pytest.mark.parametrize(
    "command",
    [
        "serve", "agent", "customer", "send", "tail", "demo", "doctor", "completion", "token create",
        "token inspect", "session create", "user add",
        "user list", "user passwd", "user disable", "user enable", "user erase", "db upgrade",
        "db backup", "db restore", "db new-epoch", "db copy", "db prune", "config show", "config reference",
        "help", "version", "connections", "kick", "trace", "export", "grep", "webhook listen", "webhook secret",
    ],
)  # fmt: skip
def test_help_of_every_command_has_an_example(chatws: RunCommand, command: str) -> None:
    done = chatws(*command.split(), "--help")
    assert done.returncode == 0
    assert "Example: " in done.stdout
    assert f"chatws {command}" in done.stdout


def test_help_command_prints_what_the_option_prints(chatws: RunCommand) -> None:
    assert chatws("help") == chatws("--help")
    assert chatws("help", "token", "create") == chatws("token", "create", "--help")
    unknown = chatws("help", "sevre")
    assert (unknown.returncode, "Did you mean 'serve'" in unknown.stderr) == (2, True)


def test_version_command_prints_what_the_option_prints(chatws: RunCommand) -> None:
    assert chatws("version") == chatws("--version")


def test_help_fits_80_columns_and_cuts_no_summary(chatws: RunCommand) -> None:
    groups = [(), ("token",), ("session",), ("user",), ("db",), ("config",), ("proxy-config",), ("webhook",)]
    for group in groups:
        shown = chatws(*group, "--help", env={"COLUMNS": "80"}).stdout
        assert "..." not in shown.partition("Commands:")[2]
    for command in (*(name for name in MODULES if name not in OTHER_PROGRAMS), "proxy-config nginx", "config show"):
        shown = chatws(*command.split(), "--help", env={"COLUMNS": "80"}).stdout
        assert "list[" not in shown
        too_wide = [line for line in shown.splitlines() if len(line) > 80 and "Example: " not in line]
        assert too_wide == []


def test_help_of_send_lists_its_exit_codes(chatws: RunCommand) -> None:
    assert "Exit codes: 0 stored, 1 no ack in time, 2 " in chatws("send", "--help").stdout


def test_a_mistyped_command_is_a_usage_error_with_a_suggestion(chatws: RunCommand) -> None:
    done = chatws("sevre")
    assert done.returncode == 2
    assert "Did you mean 'serve'" in done.stderr


def test_an_error_is_one_line_and_debug_shows_the_traceback() -> None:
    arguments = ("config", "show", "--set", "prot=1")
    done = run_chatws(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "chatws: prot (in --set) is not a setting; did you mean port?\n"
    assert "Traceback" in run_chatws("--debug", *arguments).stderr
    env = {**environment_of_children(), "CHATWS_DEBUG": "1"}
    assert "Traceback" in run_preloaded(*arguments, env=env, timeout_s=60).stderr


def test_config_show_names_values_and_sources_and_masks_passwords(chatws: RunCommand) -> None:
    env = {"CHATWS_DATABASE_URL": "postgresql://me:hunter2@db/chat", "WEBSOCKET_CORS_ORIGIN": "https://a.example"}
    done = chatws("config", "show", "--json", env=env)
    shown = json.loads(done.stdout)
    assert shown["database_url"]["value"] == "postgresql://me:***@db/chat"
    assert shown["cors_origin"]["value"] == ["https://a.example"]
    assert shown["cors_origin"]["source"] == "environment variable WEBSOCKET_CORS_ORIGIN"
    plain = chatws("config", "show", env=env).stdout
    assert "hunter2" not in plain
    assert "https://a.example" in plain


def test_closed_output_pipe_ends_a_command_without_an_error() -> None:
    with closing(UnreadCommand("config", "reference", has_reader=False)) as child:
        assert (child.wait(timeout=60), child.errors) == (141, "")


@pytest.mark.parametrize("words", ["config show", "timeline --schema"])
def test_full_disk_below_the_output_is_reported_in_one_line(words: str) -> None:
    command = f"exec {CHATWS} {words} > /dev/full"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == ExitCode.FAILED
    assert re.fullmatch(r"chatws[ a-z]*: the output cannot be written: No space left on device\n", done.stderr)


def test_commands_run_with_closed_standard_streams(shared_server: ServerProcess, tmp_path: Path) -> None:
    options = ["--url", shared_server.url, "--session-file", str(tmp_path / "session")]
    script = f"exec {shlex.join([str(CHATWS), 'customer', *options])}"
    line = ["bash", "-c", f"{script} <&- >&-"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_programs_run_with_closed_standard_streams(tmp_path: Path) -> None:
    script = f"exec {shlex.join([str(CHATWS), 'timeline', str(tmp_path / 'missing'), '--screen'])}"
    done = subprocess.run(["bash", "-c", f"{script} <&- >&-"], capture_output=True, text=True, timeout=60, check=False)
    line = "chatws timeline: --screen needs a terminal; without it, the command writes a page\n"
    assert (done.returncode, done.stderr) == (ExitCode.USAGE, line)


def test_ctrl_c_during_the_imports_ends_the_command_silently() -> None:
    script = """
import os, signal, sys
from chatws_cli.program import run

class Interrupter:
    def find_spec(self, name, *_):
        if name == "typer":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupter())
run()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")


def test_session_that_cannot_be_saved_is_reported_in_one_line(shared_server: ServerProcess) -> None:
    done = run_chatws("customer", "--url", shared_server.url, "--session-file", "/proc/no/session")
    assert done.returncode == 1
    assert done.stderr.startswith("chatws: /proc/no/session cannot be written: No such file or directory; ")
    assert len(done.stderr.splitlines()) == 1


def test_demo_runs_to_its_end() -> None:
    done = run_chatws("demo", "--typing", "0")
    assert done.returncode == 0, done.stderr
    for line in ("is typing…", "✓ read by Ada", "connection lost", "… queued:", "reconnected, ", "Grace is offline"):
        assert line in done.stdout
    assert done.stdout.count("Grace (customer): It should have come on Monday.") == 1


def test_terminated_demo_leaves_no_files(tmp_path: Path) -> None:
    with closing(UnreadCommand("demo", TMPDIR=str(tmp_path))) as child:
        child.stdout.readline()
        assert list(tmp_path.iterdir())
        child.terminate()
        assert (child.wait(timeout=60), child.errors) == (143, "")
    assert not list(tmp_path.iterdir())


def test_characters_that_the_output_cannot_encode_are_replaced() -> None:
    done = run_chatws("config", "show", "--set", "data_dir=/é", env={"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"^data_dir +/\? ", done.stdout, re.MULTILINE)

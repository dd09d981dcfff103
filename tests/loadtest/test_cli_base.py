"""Ends of the programs that the commands of the load test's package start; 4 s."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from chatws.exit_codes import ExitCode
from chatws_loadtest.cli_base import DEBUG_VARIABLE, make_app, run_app
from tests.support.commands import UnreadCommand, run_chatws

PROGRAMS = (
    *("", ".check", ".chatlog_timeline", ".client_check", ".replay", ".scenario_file", ".simulate", ".tap"),
    ".tap.record_program",
)
INTERRUPTED_IMPORT = """
import os, runpy, signal, sys

class Interrupter:
    def find_spec(self, name, *_):
        if name == "msgspec":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupter())
"""
"""Program that presses Ctrl-C, so to speak, at the import of a package that all commands need."""


@pytest.mark.parametrize("name", PROGRAMS)
def test_ctrl_c_during_the_imports_of_a_program_ends_it_silently(name: str) -> None:
    script = f"{INTERRUPTED_IMPORT}runpy.run_module('chatws_loadtest{name}', run_name='__main__', alter_sys=True)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


@pytest.mark.parametrize("words", [("check-client", "--list"), ("timeline", "--schema")])
def test_closed_output_pipe_ends_a_program_without_an_error(words: tuple[str, ...]) -> None:
    with closing(UnreadCommand(*words, has_reader=False)) as child:
        assert (child.wait(timeout=60), child.errors) == (ExitCode.BROKEN_PIPE, "")


def test_bug_is_one_line_and_debug_raises_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app()

    @app.command()
    def fail() -> None:
        raise ZeroDivisionError("nothing by zero")

    monkeypatch.setattr(sys, "argv", ["program"])
    monkeypatch.delenv(DEBUG_VARIABLE, raising=False)
    with pytest.raises(SystemExit) as end:
        run_app(app, "chatws fail")
    assert end.value.code == ExitCode.FAILED
    line = "chatws fail: this is a bug: ZeroDivisionError: nothing by zero; run it again with CHATWS_DEBUG=1\n"
    assert capsys.readouterr().err == line
    monkeypatch.setenv(DEBUG_VARIABLE, "1")
    with pytest.raises(ZeroDivisionError):
        run_app(app, "chatws fail")


def test_characters_that_the_output_cannot_encode_are_replaced(tmp_path: Path) -> None:
    file = tmp_path / "é.yaml"
    file.write_text("people: {ben: customer}\nsteps: [{ben: {send: Hello}}]\n", encoding="utf-8")
    done = run_chatws("run", "--check", str(file), env={"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{tmp_path}/?.yaml: 1 person, 1 step\n", "")

"""Commands whose program needs the packages of the extra ``loadtest``, without these packages; 1 s."""

from __future__ import annotations

import subprocess
import sys

from chatws.exit_codes import ExitCode

PROGRAM = """
import sys
from chatws_cli.main import run

sys.modules["hdrh"] = sys.modules["locust"] = None
for command in sys.argv[1:]:
    sys.argv = ["chatws", command, "--help"]
    try:
        run()
    except SystemExit as end:
        print(command, end.code)
"""
COMMANDS = ["loadtest", "run", "replay", "tap", "record", "timeline", "simulate", "check-client"]


def test_missing_packages_are_named_in_one_line_by_each_command() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *COMMANDS], capture_output=True, text=True, check=False, timeout=60
    )
    line = "chatws: the load test is not installed; pip install 'chatws[loadtest]'"
    assert done.stderr.splitlines() == [line] * len(COMMANDS)
    assert done.stdout.splitlines() == [f"{command} {ExitCode.USAGE.value}" for command in COMMANDS]

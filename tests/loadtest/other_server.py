"""Runner of the example server with its own event names, and credentials for it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.node import NODE_DIR
from tests.support.tools import require_tool

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "other-server"
MAPPING = EXAMPLE / "mapping.toml"


@contextmanager
def run_example_server(folder: Path, fault: str = "") -> Iterator[str]:
    """Yield the URL of the server in ``examples/other-server``; its packages are those of ``tests/node``."""
    program = folder / "server.mjs"
    program.write_bytes((EXAMPLE / "server.mjs").read_bytes())
    modules = folder / "node_modules"
    if not modules.exists():
        modules.symlink_to(NODE_DIR / "node_modules")
    node = require_tool("node", "apt install nodejs")
    with subprocess.Popen([node, program, fault], stdout=subprocess.PIPE) as child:
        try:
            assert child.stdout is not None
            port = json.loads(child.stdout.readline())["port"]
            yield f"http://127.0.0.1:{port}"
        finally:
            child.kill()


def make_nicknames(folder: Path) -> tuple[str, ...]:
    """Return options that name files of nicknames, the example's credentials."""
    guests, staff = folder / "guests", folder / "staff"
    guests.write_text("".join(f"guest-{number}\n" for number in range(20)))
    staff.write_text("staff-1\nstaff-2\n")
    return ("--sessions", str(guests), "--tokens", str(staff))

"""Runner of the example server with its own event names, and credentials for it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.node import NODE_DIR
from tests.support.tools import require_tool

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "other-server"
MAPPING = EXAMPLE / "mapping.toml"


@asynccontextmanager
async def run_example_server(folder: Path, fault: str = "") -> AsyncIterator[str]:
    """Yield the URL of the server in ``examples/other-server``; its packages are those of ``tests/node``."""
    program = folder / "server.mjs"
    program.write_bytes((EXAMPLE / "server.mjs").read_bytes())
    modules = folder / "node_modules"
    if not modules.exists():
        modules.symlink_to(NODE_DIR / "node_modules")
    child = await asyncio.create_subprocess_exec(
        require_tool("node", "apt install nodejs"), program, fault, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert child.stdout is not None
        port = json.loads(await child.stdout.readline())["port"]
        yield f"http://127.0.0.1:{port}"
    finally:
        child.kill()
        await child.wait()


def make_nicknames(folder: Path) -> tuple[str, ...]:
    """Return options that name files of nicknames, the example's credentials."""
    guests, staff = folder / "guests", folder / "staff"
    guests.write_text("".join(f"guest-{number}\n" for number in range(20)))
    staff.write_text("staff-1\nstaff-2\n")
    return ("--sessions", str(guests), "--tokens", str(staff))

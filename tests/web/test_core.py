from __future__ import annotations

import subprocess
from pathlib import Path

from tests.support.tools import require_tool

CORE = Path(__file__).parent / "core"


def test_browser_core_passes_its_node_tests() -> None:
    node = require_tool("node", "apt install nodejs")
    done = subprocess.run([node, "--test", str(CORE)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "# fail 0" in done.stdout

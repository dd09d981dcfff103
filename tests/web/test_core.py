from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.support.tools import require_tool

CORE = Path(__file__).parent / "core"


def test_browser_core_passes_its_node_tests() -> None:
    node = require_tool("node", "apt install nodejs")
    # `node --test` would start a process for each file.
    imports = [f"await import({json.dumps(file.as_uri())});" for file in sorted(CORE.glob("*.test.mjs"))]
    command = [node, "--input-type=module", "--eval", "".join(imports)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "# fail 0" in done.stdout
    assert len(imports) > 5

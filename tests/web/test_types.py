from __future__ import annotations

import subprocess
from pathlib import Path

from tests.support.node import NODE_DIR, NodeRunner
from tools import typescript


def test_type_declarations_match_the_protocol_table() -> None:
    assert typescript.FILE.read_text() == typescript.render_declarations(), f"run: {typescript.COMMAND}"


def test_browser_sources_and_guide_examples_pass_the_type_check(node: NodeRunner) -> None:
    compiler = NODE_DIR / "node_modules" / "typescript" / "bin" / "tsc"
    # A compiler that runs for seconds is finished before optimizations of its own code pay off.
    command = [node.program, "--no-opt", str(compiler), "--project", str(Path(__file__).parent / "guide")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout

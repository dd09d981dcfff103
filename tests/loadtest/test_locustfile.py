from __future__ import annotations

import asyncio
import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from tests.support.server import ServerProcess

LOADTEST_DIR = Path(__file__).parent.parent.parent / "loadtest"


async def test_packaged_locustfile_runs_under_locusts_own_command(shared_server: ServerProcess) -> None:
    spec = find_spec("chatws_loadtest")
    assert spec is not None
    assert spec.origin is not None
    file = Path(spec.origin).parent / "load" / "locustfile.py"
    key = shared_server.data_dir / "secret"
    child = await asyncio.create_subprocess_exec(
        *(Path(sys.executable).with_name("locust"), "-f", file, "--headless", "--host", shared_server.url),
        *("-u", "6", "-r", "6", "-t", "3s", "--jwt-secret-file", key),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    _, stderr = await child.communicate()
    assert child.returncode == 0, stderr.decode()
    [account] = [json.loads(line) for line in stderr.splitlines() if line.startswith(b'{"sent"')]
    assert account["sent"] == account["acked"] == account["delivered"] > 0


def test_workflow_to_copy_is_one_and_lets_an_invalid_run_pass_with_a_warning() -> None:
    workflow = msgspec.yaml.decode((LOADTEST_DIR / "ci-workflow.yml").read_bytes())
    [job] = workflow["jobs"].values()
    scripts = [step["run"] for step in job["steps"] if "run" in step]
    assert any("chatws loadtest --report loadtest-report" in script and "98" in script for script in scripts)

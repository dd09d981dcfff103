"""Official JavaScript client, run on Node.js."""

from __future__ import annotations

import asyncio
import fcntl
import json
import subprocess
from pathlib import Path

NODE_DIR = Path(__file__).parent.parent / "node"
PACKAGE_JSON = NODE_DIR / "package.json"
SCENARIO_TIMEOUT_S = 60.0


class NodeRunner:
    """Runner of the scenarios in ``tests/node``: modules that print one JSON object per line."""

    def __init__(self, program: str) -> None:
        self.program = program

    async def run(self, scenario: str, *arguments: str) -> list[dict[str, object]]:
        """Run ``tests/node/<scenario>`` until it exits and return the objects it printed.

        Raises:
            AssertionError: it failed or did not exit in time; the message contains its standard error.
        """
        child = await asyncio.create_subprocess_exec(
            self.program,
            NODE_DIR / scenario,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(SCENARIO_TIMEOUT_S):
                stdout, stderr = await child.communicate()
        except TimeoutError as error:
            raise AssertionError(f"{scenario} did not end within {SCENARIO_TIMEOUT_S} s") from error
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
        assert child.returncode == 0, f"{scenario}: exit code {child.returncode}\n{stderr.decode()}"
        return [json.loads(line) for line in stdout.splitlines()]


def install_packages(npm: str) -> None:
    """Install the dependencies of ``tests/node/package.json`` once; a lock serialises parallel test runs.

    Raises:
        subprocess.CalledProcessError: npm failed; its output is on standard error.
    """
    with PACKAGE_JSON.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        dependencies: dict[str, str] = json.loads(PACKAGE_JSON.read_text())["dependencies"]
        if all(_installed_version(name) == version for name, version in dependencies.items()):
            return
        subprocess.run([npm, "install", "--no-audit", "--no-fund", "--no-package-lock"], cwd=NODE_DIR, check=True)


def _installed_version(name: str) -> str | None:
    manifest = NODE_DIR / "node_modules" / name / "package.json"
    if not manifest.exists():
        return None
    version: str = json.loads(manifest.read_text())["version"]
    return version

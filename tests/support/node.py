"""The official JavaScript client, run on Node as its users run it."""

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
    """Runs the scenarios of ``tests/node``: modules that print one JSON object per line."""

    def __init__(self, program: str) -> None:
        self.program = program

    async def run(self, scenario: str, *arguments: str) -> list[dict[str, object]]:
        """Run ``tests/node/<scenario>`` to its end and return the objects it printed.

        Raises:
            AssertionError: it failed or did not end; the text holds what it wrote to standard error.
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
    """Install what ``tests/node/package.json`` names beside it, once; parallel test runs wait for each other.

    Raises:
        subprocess.CalledProcessError: npm failed; its output went to standard error.
    """
    with PACKAGE_JSON.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted: dict[str, str] = json.loads(PACKAGE_JSON.read_text())["dependencies"]
        if all(_installed_version(name) == version for name, version in wanted.items()):
            return
        subprocess.run([npm, "install", "--no-audit", "--no-fund", "--no-package-lock"], cwd=NODE_DIR, check=True)


def _installed_version(name: str) -> str | None:
    manifest = NODE_DIR / "node_modules" / name / "package.json"
    if not manifest.exists():
        return None
    version: str = json.loads(manifest.read_text())["version"]
    return version

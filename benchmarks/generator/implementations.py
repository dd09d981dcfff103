"""Who makes the load: the contenders, what each needs to be installed, and the command that runs it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from typing import Final

NODE_DIR: Final = Path(__file__).parent / "node"
INSTALL_TIMEOUT_S: Final = 180.0
PROGRAM: Final = "talk.mjs"


class GeneratorImplementation(StrEnum):
    """Who makes the load; those of Node are named like the folder of their program."""

    OURS = "ours"
    OURS_MESSAGES = "ours-messages"
    LOCUST = "locust"
    NPM = "npm"
    ARTILLERY = "artillery"


TITLES: Final = {
    GeneratorImplementation.OURS: "chatws loadtest: messages, typing, history, read marks",
    GeneratorImplementation.OURS_MESSAGES: "chatws loadtest: messages only",
    GeneratorImplementation.LOCUST: "Locust's SocketIOUser: messages only",
    GeneratorImplementation.NPM: "npm socket.io-client: messages only",
    GeneratorImplementation.ARTILLERY: "Artillery: messages only, no schedule",
}

OURS: Final = frozenset({GeneratorImplementation.OURS, GeneratorImplementation.OURS_MESSAGES})
ON_NODE: Final = frozenset({GeneratorImplementation.NPM, GeneratorImplementation.ARTILLERY})


class NotInstalled(Exception):
    """A contender cannot take part; the text says why."""


def command(contender: GeneratorImplementation, node_dir: Path) -> list[str]:
    """Give what runs a contender; those of Node have been installed into ``node_dir``."""
    if contender in ON_NODE:
        return ["node", str(node_dir / contender / PROGRAM)]
    program = "chatws_user" if contender in OURS else "locust_user"
    return [sys.executable, "-m", f"benchmarks.generator.{program}"]


def install(contender: GeneratorImplementation, node_dir: Path) -> dict[str, str]:
    """Install what a contender of Node needs into a folder of its own; versions by package.

    Raises:
        NotInstalled: there is no Node, or npm failed or took longer than three minutes.
    """
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise NotInstalled("there is no Node with npm")
    folder = node_dir / contender
    shutil.copytree(NODE_DIR / contender, folder)
    options = ("--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--loglevel=error")
    try:
        subprocess.run(
            [npm, "install", *options], cwd=folder, check=True, timeout=INSTALL_TIMEOUT_S, stdout=subprocess.DEVNULL
        )
    except subprocess.CalledProcessError as problem:
        raise NotInstalled(f"npm install failed with exit code {problem.returncode}") from problem
    except subprocess.TimeoutExpired as problem:
        raise NotInstalled(f"npm install took longer than {INSTALL_TIMEOUT_S:.0f} s") from problem
    versions: dict[str, str] = json.loads((folder / "package.json").read_text())["dependencies"]
    return versions

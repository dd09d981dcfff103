"""Compared load generators: titles, installation, and commands."""

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
PROGRAM: Final = "load.mjs"


class GeneratorImplementation(StrEnum):
    """Compared generators, by the name used in options and results; for Node, also the folder of the program."""

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
    """A generator cannot be installed; the text gives the reason."""


def command(implementation: GeneratorImplementation, node_dir: Path) -> list[str]:
    """Return the command that runs a generator; `install` has installed those on Node into ``node_dir``."""
    if implementation in ON_NODE:
        return ["node", str(node_dir / implementation / PROGRAM)]
    program = "chatws_user" if implementation in OURS else "locust_user"
    return [sys.executable, "-m", f"benchmarks.generator.{program}"]


def install(implementation: GeneratorImplementation, node_dir: Path) -> dict[str, str]:
    """Install a generator on Node into its own folder and return the versions by package.

    Raises:
        NotInstalled: Node or npm is missing, or npm failed or took longer than three minutes.
    """
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise NotInstalled("Node or npm is missing")
    folder = node_dir / implementation
    shutil.copytree(NODE_DIR / implementation, folder)
    options = ("--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--loglevel=error")
    try:
        subprocess.run(
            [npm, "install", *options], cwd=folder, check=True, timeout=INSTALL_TIMEOUT_S, stdout=subprocess.DEVNULL
        )
    except subprocess.CalledProcessError as error:
        raise NotInstalled(f"npm install failed with exit code {error.returncode}") from error
    except subprocess.TimeoutExpired as error:
        raise NotInstalled(f"npm install took longer than {INSTALL_TIMEOUT_S:.0f} s") from error
    versions: dict[str, str] = json.loads((folder / "package.json").read_text())["dependencies"]
    return versions

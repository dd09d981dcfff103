"""Build hook: brings the official Socket.IO client into the package and compiles the dashboard's TypeScript.

Both come from npm, pinned and checked in ``pyproject.toml``, and neither is committed. Without npm the package is built
without them: pages then load the official client from a CDN, and the dashboard says what it misses.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

VENDOR = Path("chatws/web/vendor")
TYPESCRIPT = Path("chatws/web/admin/src")
STAMP = VENDOR / "stamp.json"
REQUIRE = "CHATWS_REQUIRE_ASSETS"
"""Set to 1 where a package without the assets is a mistake: when releasing, and in continuous integration."""

NPM_TIMEOUT_S = 60
NODE_TIMEOUT_S = 60

_TRANSPILE = """
const fs = require("node:fs");
const ts = require(process.argv[1]);
for (const path of process.argv.slice(2)) {
  const { outputText } = ts.transpileModule(fs.readFileSync(path, "utf8"), {
    fileName: path,
    compilerOptions: { target: "ES2022", module: "ESNext", verbatimModuleSyntax: true },
  });
  fs.writeFileSync(path.replace(/\\.ts$/, ".js"), outputText);
}
"""


class AssetsMissing(Exception):
    """They could not be fetched or made; the text says why."""


class WebAssetsHook(BuildHookInterface[Any]):
    """Runs before every wheel, sdist and editable install; does nothing when the assets are there already."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Make the assets, or warn.

        Raises:
            AssetsMissing: they are required by the environment.
        """
        try:
            ensure_assets(Path(self.root), self.config["packages"])
        except AssetsMissing as problem:
            if os.environ.get(REQUIRE) == "1":
                raise
            self.app.display_warning(f"chatws is built without its browser assets: {problem}")


def ensure_assets(root: Path, packages: dict[str, dict[str, Any]]) -> None:
    """Fetch and compile what the stamp does not vouch for.

    Raises:
        AssetsMissing: npm or node is missing, failed, or brought something else than was pinned.
    """
    wanted = _fingerprint(root, packages)
    if _is_current(root, wanted):
        return
    (root / STAMP).unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        for name, package in packages.items():
            tarball = _fetch(name, package, Path(scratch))
            if "files" in package:
                _extract_named(tarball, package["files"], root / VENDOR)
            else:
                _compile(tarball, sorted((root / TYPESCRIPT).rglob("*.ts")), Path(scratch))
    (root / STAMP).write_text(json.dumps(wanted, indent=1) + "\n")


def _fingerprint(root: Path, packages: dict[str, dict[str, Any]]) -> dict[str, str]:
    pinned = {name: f"{package['version']} {package['integrity']}" for name, package in packages.items()}
    sources = sorted((root / TYPESCRIPT).rglob("*.ts"))
    return pinned | {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sources}


def _is_current(root: Path, wanted: dict[str, str]) -> bool:
    try:
        found = json.loads((root / STAMP).read_text())
    except (FileNotFoundError, ValueError):
        return False
    compiled = all(path.with_suffix(".js").exists() for path in (root / TYPESCRIPT).rglob("*.ts"))
    return bool(found == wanted) and compiled


def _fetch(name: str, package: dict[str, Any], scratch: Path) -> Path:
    """Let npm download one tarball, by its own configuration, and compare it with the pinned sha512."""
    npm = shutil.which("npm")
    if npm is None:
        raise AssetsMissing("npm is not installed")
    # Without these npm retries for more than a minute where there is no network.
    options = [
        "--ignore-scripts",
        "--json",
        "--fetch-retries=0",
        "--fetch-timeout=15000",
        f"--pack-destination={scratch}",
    ]
    command = [npm, "pack", f"{name}@{package['version']}", *options]
    try:
        # The scratch directory: npm would otherwise read a project's package.json from here.
        done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, timeout=NPM_TIMEOUT_S, check=True)
        tarball = scratch / str(json.loads(done.stdout)[0]["filename"])
        digest = base64.b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode()
    except (OSError, subprocess.SubprocessError, ValueError, LookupError) as problem:
        raise AssetsMissing(f"npm could not fetch {name}: {type(problem).__name__}") from problem
    if f"sha512-{digest}" != package["integrity"]:
        raise AssetsMissing(f"{name} {package['version']} is not what was pinned")
    return tarball


def _extract_named(tarball: Path, files: dict[str, str], target: Path) -> None:
    """Copy the named members and nothing else; names in the archive never become paths."""
    target.mkdir(parents=True, exist_ok=True)
    with tarfile.open(tarball) as archive:
        for member, name in files.items():
            content = archive.extractfile(f"package/{member}")
            if content is None:
                raise AssetsMissing(f"{member} is not in the archive")
            (target / name).write_bytes(content.read())


def _compile(tarball: Path, sources: list[Path], scratch: Path) -> None:
    """Strip the types: one JavaScript module beside each source."""
    node = shutil.which("node")
    if node is None:
        raise AssetsMissing("node is not installed")
    unpacked = scratch / "compiler"
    with tarfile.open(tarball) as archive:
        archive.extractall(unpacked, filter="data")
    compiler = unpacked / "package" / "lib" / "typescript.js"
    command = [node, "--eval", _TRANSPILE, "--", str(compiler), *(str(path) for path in sources)]
    try:
        subprocess.run(command, capture_output=True, text=True, timeout=NODE_TIMEOUT_S, check=True)
    except (OSError, subprocess.SubprocessError) as problem:
        raise AssetsMissing(f"TypeScript could not be compiled: {type(problem).__name__}") from problem

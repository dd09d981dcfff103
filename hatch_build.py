"""Build hook that adds the official Socket.IO client, the compiled dashboard and the bundled widget to the package.

The client, the compiler and the bundler come from npm, pinned by version and digest in ``pyproject.toml``; none is
committed. Without npm the package is built without these assets: pages then load the official client from a CDN and
their modules one by one, and the dashboard shows an explanation instead.
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
WEB = Path("chatws/web")
BUNDLER = WEB / "bundle.cjs"
MANIFEST = WEB / "built" / "manifest.json"
STAMP = VENDOR / "stamp.json"
REQUIRE_VARIABLE = "CHATWS_REQUIRE_ASSETS"
"""Environment variable; 1 makes a build without the assets fail, for releases and continuous integration."""

NPM_TIMEOUT_S = 120
NODE_TIMEOUT_S = 180

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
    """The browser assets could not be fetched or compiled."""


class WebAssetsHook(BuildHookInterface[Any]):
    """Hatch hook, run before every wheel, sdist and editable install; does nothing if the assets are up to date."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Fetch and compile the assets, and warn if that fails.

        Raises:
            AssetsMissing: it failed and ``CHATWS_REQUIRE_ASSETS`` is 1.
        """
        try:
            ensure_assets(Path(self.root), self.config["packages"])
        except AssetsMissing as error:
            if os.environ.get(REQUIRE_VARIABLE) == "1":
                raise
            self.app.display_warning(f"chatws is built without its browser assets: {error}")


def ensure_assets(root: Path, packages: dict[str, dict[str, Any]]) -> None:
    """Fetch and compile the assets unless the stamp file shows that they are up to date.

    Raises:
        AssetsMissing: npm or node is missing or failed, or a download does not match its pinned digest.
    """
    expected = _fingerprint(root, packages)
    if _is_current(root, expected) and ("esbuild-wasm" not in packages or _is_bundle_current(root)):
        return
    (root / STAMP).unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        for name, package in packages.items():
            tarball = _fetch(name, package, Path(scratch))
            if "files" in package:
                _extract_named(tarball, package["files"], root / VENDOR)
            elif name == "esbuild-wasm":
                _bundle(tarball, root, Path(scratch))
            else:
                _compile(tarball, sorted((root / TYPESCRIPT).rglob("*.ts")), Path(scratch))
    (root / STAMP).write_text(json.dumps(expected, indent=1) + "\n")


def _fingerprint(root: Path, packages: dict[str, dict[str, Any]]) -> dict[str, str]:
    pinned = {name: f"{package['version']} {package['integrity']}" for name, package in packages.items()}
    sources = sorted((root / TYPESCRIPT).rglob("*.ts"))
    return pinned | {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sources}


def _is_current(root: Path, expected: dict[str, str]) -> bool:
    try:
        found = json.loads((root / STAMP).read_text())
    except (FileNotFoundError, ValueError):
        return False
    compiled = all(path.with_suffix(".js").exists() for path in (root / TYPESCRIPT).rglob("*.ts"))
    return bool(found == expected) and compiled


def _is_bundle_current(root: Path) -> bool:
    try:
        sources: dict[str, str] = json.loads((root / MANIFEST).read_text())["sources"]
        return all(hashlib.sha256((root / WEB / name).read_bytes()).hexdigest() == sources[name] for name in sources)
    except (FileNotFoundError, ValueError, LookupError):
        return False


def _fetch(name: str, package: dict[str, Any], scratch: Path) -> Path:
    """Download one tarball with npm, under the user's npm configuration, and verify its pinned sha512."""
    npm = shutil.which("npm")
    if npm is None:
        raise AssetsMissing("npm is not installed")
    # By default npm retries for more than a minute without a network.
    options = [
        "--ignore-scripts",
        "--json",
        "--fetch-retries=0",
        "--fetch-timeout=15000",
        f"--pack-destination={scratch}",
    ]
    command = [npm, "pack", f"{name}@{package['version']}", *options]
    try:
        # In the scratch directory, so that npm does not read a package.json of the current one.
        done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, timeout=NPM_TIMEOUT_S, check=True)
        tarball = scratch / str(json.loads(done.stdout)[0]["filename"])
        digest = base64.b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode()
    except (OSError, subprocess.SubprocessError, ValueError, LookupError) as error:
        raise AssetsMissing(f"npm could not fetch {name}: {type(error).__name__}") from error
    if f"sha512-{digest}" != package["integrity"]:
        raise AssetsMissing(f"{name} {package['version']} does not match its pinned digest")
    return tarball


def _extract_named(tarball: Path, files: dict[str, str], target: Path) -> None:
    """Copy only the named members; names in the archive are not used as paths."""
    target.mkdir(parents=True, exist_ok=True)
    with tarfile.open(tarball) as archive:
        for member, name in files.items():
            content = archive.extractfile(f"package/{member}")
            if content is None:
                raise AssetsMissing(f"{member} is not in the archive")
            (target / name).write_bytes(content.read())


def _compile(tarball: Path, sources: list[Path], scratch: Path) -> None:
    """Strip the types and write a JavaScript module beside each source."""
    compiler = _unpack(tarball, scratch / "compiler") / "lib" / "typescript.js"
    _run_node("TypeScript could not be compiled", "--eval", _TRANSPILE, "--", compiler, *sources)


def _bundle(tarball: Path, root: Path, scratch: Path) -> None:
    """Bundle and compress the modules of the pages; the official client must be in its place."""
    esbuild = _unpack(tarball, scratch / "bundler") / "lib" / "main.js"
    _run_node("The pages could not be bundled", root / BUNDLER, esbuild, root / WEB)


def _unpack(tarball: Path, target: Path) -> Path:
    """Write the files of an archive whose digest is verified; `tarfile` has filters since Python 3.11.4 only."""
    with tarfile.open(tarball) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isfile() else None
            if content is not None:
                path = target / member.name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content.read())
    return target / "package"


def _run_node(failure: str, *arguments: str | Path) -> None:
    node = shutil.which("node")
    if node is None:
        raise AssetsMissing("node is not installed")
    command = [node, *(str(argument) for argument in arguments)]
    try:
        subprocess.run(command, capture_output=True, text=True, timeout=NODE_TIMEOUT_S, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise AssetsMissing(f"{failure}: {type(error).__name__}") from error

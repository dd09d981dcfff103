"""Build hook: assets taken from npm, downloads that it rejects, and installation without npm."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import os
import shutil
import tarfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import hatch_build
from chatws.server.frontend.bundle import load_manifest
from chatws.server.frontend.static import ROOT, VENDOR

NPM = """#!/bin/sh
echo "$@" >> "{calls}"
for argument in "$@"; do case "$argument" in --pack-destination=*) cp "{tarball}" "${{argument#*=}}/";; esac; done
echo '[{{"filename": "client.tgz"}}]'
"""
FILES = {"dist/io.js": "io.js"}
ESBUILD = """
exports.build = async ({ stdin }) => ({ metafile: { inputs: {} }, outputFiles: [{ text: stdin.contents }] });
"""
PAGE = """<!-- bundle -->
<link rel="stylesheet" href="/ui/a.css">
<script src="/socket.io/io.js"></script>
<script type="module" src="/widget/b.js"></script>
<!-- /bundle -->"""


class FakeNpm:
    """Executable named npm that serves one tarball and records its command lines."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.bin.mkdir()
        self._tarball = folder / "client.tgz"
        self._calls = folder / "calls"
        program = self.bin / "npm"
        program.write_text(NPM.format(tarball=self._tarball, calls=self._calls))
        program.chmod(0o755)

    def publish(self, **members: str) -> dict[str, Any]:
        """Create the archive and return the configuration that pins it."""
        with tarfile.open(self._tarball, "w:gz") as archive:
            for name, content in members.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content.encode()))
        digest = base64.b64encode(hashlib.sha512(self._tarball.read_bytes()).digest()).decode()
        return {"client": {"version": "1.0.0", "integrity": f"sha512-{digest}", "files": FILES}}

    def calls(self) -> list[str]:
        return self._calls.read_text().splitlines() if self._calls.exists() else []


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeNpm:
    npm = FakeNpm(tmp_path)
    monkeypatch.setenv("PATH", f"{npm.bin}:{os.environ['PATH']}")
    return npm


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Create a source tree without assets."""
    root = tmp_path / "tree"
    (root / hatch_build.TYPESCRIPT).mkdir(parents=True)
    return root


def hook(root: Path, packages: dict[str, Any], warnings: list[str]) -> hatch_build.WebAssetsHook:
    app: Any = SimpleNamespace(display_warning=warnings.append)
    unused: Any = None
    return hatch_build.WebAssetsHook(str(root), {"packages": packages}, unused, unused, str(root), "wheel", app)


def test_only_named_files_are_extracted_and_an_unchanged_build_fetches_nothing(npm: FakeNpm, root: Path) -> None:
    packages = npm.publish(**{"package/dist/io.js": "client();", "package/dist/other.js": "", "../escaped": "x"})
    for _ in range(2):
        hatch_build.ensure_assets(root, packages)
    vendor = root / hatch_build.VENDOR
    assert (vendor / "io.js").read_text() == "client();"
    assert sorted(path.name for path in vendor.iterdir()) == ["io.js", "stamp.json"]
    assert len(npm.calls()) == 1
    assert "--ignore-scripts" in npm.calls()[0]


def test_pages_are_bundled_again_after_a_change(npm: FakeNpm, root: Path) -> None:
    web = root / hatch_build.WEB
    (web / "vendor").mkdir()
    (web / "vendor" / "io.js").write_text("client();\n//# sourceMappingURL=io.js.map")
    (web / "page.html").write_text(PAGE)
    shutil.copy(ROOT / "bundle.cjs", root / hatch_build.BUNDLER)
    packages = {"esbuild-wasm": npm.publish(**{"package/lib/main.js": ESBUILD})["client"]}
    del packages["esbuild-wasm"]["files"]
    built = []
    for page in (PAGE, PAGE, PAGE.replace("b.js", "c.js")):
        (web / "page.html").write_text(page)
        hatch_build.ensure_assets(root, packages)
        built.append(json.loads((root / hatch_build.MANIFEST).read_text())["pages"]["page.html"])
    assert len(npm.calls()) == 2
    assert built[0] == built[1]
    assert built[1]["script"] != built[2]["script"]
    script = web / "built" / built[2]["script"]
    assert script.read_text() == 'client();\n\nimport "./widget/c.js";'
    assert gzip.decompress(Path(f"{script}.gz").read_bytes()) == script.read_bytes()
    assert sorted(path.name for path in (web / "built").glob("page-*.js")) == [script.name]


def test_changed_pin_is_fetched_again(npm: FakeNpm, root: Path) -> None:
    hatch_build.ensure_assets(root, npm.publish(**{"package/dist/io.js": "old"}))
    hatch_build.ensure_assets(root, npm.publish(**{"package/dist/io.js": "new"}))
    assert (root / hatch_build.VENDOR / "io.js").read_text() == "new"


def test_tarball_with_another_digest_is_rejected(npm: FakeNpm, root: Path) -> None:
    packages = npm.publish(**{"package/dist/io.js": "client();"})
    npm.publish(**{"package/dist/io.js": "steal();"})
    with pytest.raises(hatch_build.AssetsMissing, match="does not match its pinned digest"):
        hatch_build.ensure_assets(root, packages)
    assert not (root / hatch_build.VENDOR / "io.js").exists()


def test_build_without_npm_warns_unless_assets_are_required(
    npm: FakeNpm, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = npm.publish()
    monkeypatch.setenv("PATH", str(root))
    warnings: list[str] = []
    hook(root, packages, warnings).initialize("standard", {})
    assert len(warnings) == 1
    assert "npm is not installed" in warnings[0]
    monkeypatch.setenv(hatch_build.REQUIRE_VARIABLE, "1")
    with pytest.raises(hatch_build.AssetsMissing):
        hook(root, packages, warnings).initialize("standard", {})


def test_failing_npm_does_not_fail_the_build(npm: FakeNpm, root: Path) -> None:
    packages = npm.publish()
    (npm.bin / "npm").write_text("#!/bin/sh\nexit 1\n")
    warnings: list[str] = []
    hook(root, packages, warnings).initialize("standard", {})
    assert "npm could not fetch client" in warnings[0]


@pytest.mark.usefixtures("assets")
def test_compiled_dashboard_client_matches_its_sources() -> None:
    stamp = json.loads((VENDOR / "stamp.json").read_text())
    for source in (ROOT / "admin" / "src").rglob("*.ts"):
        assert stamp[source.name] == hashlib.sha256(source.read_bytes()).hexdigest(), "outdated: run pip install -e ."
        assert source.with_suffix(".js").exists()


@pytest.mark.usefixtures("assets")
def test_bundled_pages_match_their_sources() -> None:
    assert load_manifest(ROOT).pages, "outdated: run pip install -e ."

"""Bundles of the build: scripts and style sheets with a hash in their names, which replace the modules of a page."""

from __future__ import annotations

import hashlib
import logging
import re
from pathlib import Path

import msgspec

_log = logging.getLogger("chatws.frontend")

FOLDER = "built"

_BLOCK = re.compile(r"<!-- bundle -->.*?<!-- /bundle -->", re.DOTALL)
"""Tags that a bundle replaces."""


class PageBundle(msgspec.Struct, frozen=True):
    """Names of the bundled script and style sheet of one page."""

    script: str
    style: str

    def insert_into(self, page: str) -> str:
        """Return the page with the bundle's tags in place of those of its modules and style sheets."""
        tags = (
            f'<link rel="stylesheet" href="/{FOLDER}/{self.style}">\n'
            f'    <script type="module" src="/{FOLDER}/{self.script}"></script>'
        )
        return _BLOCK.sub(tags, page)


class Manifest(msgspec.Struct, frozen=True):
    """Result of the build: bundles by page, minified scripts by name, and the digests of all sources."""

    pages: dict[str, PageBundle] = {}
    scripts: dict[str, str] = {}
    sources: dict[str, str] = {}


def load_manifest(root: Path) -> Manifest:
    """Return the bundles of the build; none without a build, or after a source was changed."""
    try:
        manifest = msgspec.json.decode((root / FOLDER / "manifest.json").read_bytes(), type=Manifest)
        outdated = [name for name, digest in manifest.sources.items() if _digest(root / name) != digest]
    except (FileNotFoundError, msgspec.DecodeError):
        return Manifest()
    if outdated:
        _log.info("bundle_outdated", extra={"keys": {"sources": len(outdated)}})
        return Manifest()
    return manifest


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()

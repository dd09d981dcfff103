"""Files of ``chatws/web`` by URL path, found once, so that no request maps to a path of the file system."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import chatws
from chatws.server.frontend.bundle import FOLDER, Manifest, load_manifest
from chatws.server.frontend.client_asset import CLIENT_FILES

ROOT = Path(chatws.__file__).parent / "web"
VENDOR = ROOT / "vendor"
BUILT = ROOT / FOLDER

CONTENT_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".map": "application/json",
    ".svg": "image/svg+xml",
}
"""Served file types; build sources and settings are not served."""

ENCODINGS = {"br": ".br", "gzip": ".gz"}
"""Suffix of the compressed variants by content coding, the smallest first."""


@dataclass(slots=True)
class WebFile:
    """File served over HTTP; its content is read at the first request and again after a change on disk."""

    path: Path
    content_type: str
    variants: dict[str, WebFile] = field(default_factory=dict)
    """Compressed files by content coding, made by the build."""
    _version: tuple[int, int] | None = None
    """Modification time and size at the last read."""
    _body: bytes = field(default=b"", repr=False)

    def read(self) -> bytes:
        """Return the content.

        Raises:
            FileNotFoundError: it was removed after the server started.
        """
        status = self.path.stat()
        version = (status.st_mtime_ns, status.st_size)
        if version != self._version:
            self._body, self._version = self.path.read_bytes(), version
        return self._body


def etag_of(body: bytes) -> str:
    """Return the entity tag of a content."""
    return hashlib.sha256(body).hexdigest()[:32]


@cache
def find_manifest() -> Manifest:
    """Return the bundles of the build; the digests of all sources are compared once."""
    return load_manifest(ROOT)


@cache
def find_web_files() -> dict[str, WebFile]:
    """Map each URL path to its file; an ``index.html`` has the path of its folder.

    A script that the build has minified is served in place of its source.
    """
    found: dict[str, WebFile] = {}
    for path in sorted(ROOT.rglob("*")):
        url_path = _url_path(path)
        if url_path is not None:
            found[url_path] = _web_file(path)
    for name, built in find_manifest().scripts.items():
        found[f"/{name}"] = _web_file(BUILT / built)
    return found


def _web_file(path: Path) -> WebFile:
    content_type = CONTENT_TYPES[path.suffix]
    compressed = {coding: path.with_name(path.name + suffix) for coding, suffix in ENCODINGS.items()}
    variants = {coding: WebFile(file, content_type) for coding, file in compressed.items() if file.exists()}
    return WebFile(path, content_type, variants)


def _url_path(path: Path) -> str | None:
    if path.suffix not in CONTENT_TYPES or not path.is_file():
        return None
    if path.parent == VENDOR:
        return f"/socket.io/{path.name}" if path.name in CLIENT_FILES else None
    return f"/{path.relative_to(ROOT).as_posix()}".removesuffix("index.html")

"""A certificate for this machine that nobody else trusts."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.support.tools import require_tool

_NAMES = "DNS:localhost,IP:127.0.0.1"
_KEY_USAGE = "keyUsage=critical,digitalSignature,keyCertSign"


class Certificate(NamedTuple):
    """PEM files; the certificate is its own authority."""

    cert: Path
    key: Path


def make_certificate(folder: Path, names: str = _NAMES) -> Certificate:
    """Make a self-signed certificate for this machine, or for these names, with a key of its own."""
    openssl = require_tool("openssl", "apt install openssl")
    made = Certificate(folder / "cert.pem", folder / "key.pem")
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(made.key)]
    extensions = [part for extension in (f"subjectAltName={names}", _KEY_USAGE) for part in ("-addext", extension)]
    command = [openssl, "req", "-x509", "-days", "2", "-subj", "/CN=localhost", *key, *extensions]
    subprocess.run([*command, "-out", str(made.cert)], check=True, capture_output=True)
    return made

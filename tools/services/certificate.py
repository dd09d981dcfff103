"""Self-signed TLS certificates for tests and benchmarks."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final, NamedTuple

from tools.services.programs import find_program

LOCAL_NAMES: Final = "DNS:localhost,IP:127.0.0.1"
_KEY_USAGE: Final = "keyUsage=critical,digitalSignature,keyCertSign"


class Certificate(NamedTuple):
    """PEM files of a self-signed certificate and its key."""

    cert: Path
    key: Path


def create_certificate(folder: Path, names: str = LOCAL_NAMES) -> Certificate:
    """Create a key and a self-signed certificate, by default for localhost.

    Raises:
        ProgramMissing: OpenSSL is not installed.
    """
    openssl = find_program("openssl", "apt install openssl")
    certificate = Certificate(folder / "cert.pem", folder / "key.pem")
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(certificate.key)]
    extensions = [part for extension in (f"subjectAltName={names}", _KEY_USAGE) for part in ("-addext", extension)]
    command = [openssl, "req", "-x509", "-days", "2", "-subj", "/CN=localhost", *key, *extensions]
    subprocess.run([*command, "-out", str(certificate.cert)], check=True, capture_output=True)
    return certificate

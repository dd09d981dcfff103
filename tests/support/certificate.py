"""Self-signed TLS certificates for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.tools import skip_if_missing
from tools.services.certificate import LOCAL_NAMES, Certificate, create_certificate

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Certificate", "make_certificate"]


def make_certificate(folder: Path, names: str = LOCAL_NAMES) -> Certificate:
    """Create a key and a self-signed certificate, by default for localhost; skip the test without OpenSSL."""
    with skip_if_missing():
        return create_certificate(folder, names)

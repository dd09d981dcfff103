from __future__ import annotations

from chatws.wire.handshake_key import accept_value


def test_accept_value_is_the_one_of_the_rfc() -> None:
    assert accept_value(b"dGhlIHNhbXBsZSBub25jZQ==") == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

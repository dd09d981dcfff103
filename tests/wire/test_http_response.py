from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatws.wire import http_response
from chatws.wire.errors import HttpError, ViolationKind
from chatws.wire.http_response import MAX_HEAD_BYTES, HttpResponse, HttpResponseParser

WITH_LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nSet-Cookie: a=1\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n"
    b"2\r\nhe\r\n3;name=value\r\nllo\r\n0\r\nTrailer: x\r\n\r\n"
)


def parse(stream: bytes, step: int) -> list[HttpResponse]:
    parser = HttpResponseParser()
    received = (parser.receive(stream[at : at + step]) for at in range(0, len(stream), step))
    return [response for response in received if response is not None]


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1_000])
@pytest.mark.parametrize("stream", [WITH_LENGTH, CHUNKED])
def test_body_is_the_same_for_every_split_of_the_bytes(stream: bytes, step: int) -> None:
    [response] = parse(stream, step)
    assert (response.status_line, response.body, response.keeps_alive) == ("HTTP/1.1 200 OK", b"hello", True)


def test_responses_of_one_connection_follow_each_other() -> None:
    parser = HttpResponseParser()
    bodies = [parser.receive(stream) for stream in (CHUNKED, WITH_LENGTH, CHUNKED)]
    assert [response and response.body for response in bodies] == [b"hello"] * 3


def test_headers_are_read_by_lower_case_name() -> None:
    response = HttpResponseParser().receive(
        b"HTTP/1.1 503 Service Unavailable\r\nRETRY-AFTER: 7\r\nServer:x\r\nContent-Length: 0\r\n\r\n"
    )
    assert response is not None
    assert not response.is_success
    assert response.seconds("retry-after") == 7.0
    assert response.seconds("server") is None
    assert response.header("server") == "x"
    assert response.keep_alive_s is None


def test_announced_time_of_an_idle_connection_is_read() -> None:
    response = HttpResponseParser().receive(
        b"HTTP/1.1 200 OK\r\nKeep-Alive: max=9, timeout=5\r\nContent-Length: 0\r\n\r\n"
    )
    assert response is not None
    assert response.keep_alive_s == 5.0


def test_status_without_a_body_needs_no_length() -> None:
    response = HttpResponseParser().receive(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert response is not None
    assert response.is_success
    assert response.keeps_alive


def test_body_without_a_length_ends_with_the_connection() -> None:
    parser = HttpResponseParser()
    assert parser.receive(b"HTTP/1.0 200 OK\r\n\r\nhel") is None
    assert parser.receive(b"lo") is None
    response = parser.end()
    assert response is not None
    assert (response.body, response.keeps_alive) == (b"hello", False)


@pytest.mark.parametrize("incomplete", [b"", b"HTTP/1.1 200", WITH_LENGTH[:-1], CHUNKED[:-2]])
def test_end_of_the_connection_completes_no_other_response(incomplete: bytes) -> None:
    parser = HttpResponseParser()
    assert parser.receive(incomplete) is None
    assert parser.end() is None


@pytest.mark.parametrize(
    ("head", "keeps_alive"),
    [
        (b"HTTP/1.1 200 OK\r\nConnection: close", False),
        (b"HTTP/1.1 200 OK\r\nConnection: Keep-Alive", True),
        (b"HTTP/1.0 200 OK", False),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive", True),
    ],
)
def test_connection_is_kept_as_the_server_announces(head: bytes, *, keeps_alive: bool) -> None:
    response = HttpResponseParser().receive(head + b"\r\nContent-Length: 0\r\n\r\n")
    assert response is not None
    assert response.keeps_alive is keeps_alive


@pytest.mark.parametrize(
    ("stream", "kind"),
    [
        (b"SSH-2.0-x\r\n\r\n", ViolationKind.MALFORMED),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", ViolationKind.MALFORMED),
        (b"HTTP/1.1 200 OK\r\nno header\r\n\r\n", ViolationKind.MALFORMED),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", ViolationKind.MALFORMED),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", ViolationKind.MALFORMED),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", ViolationKind.MALFORMED),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", ViolationKind.MALFORMED),
        (b"x" * (MAX_HEAD_BYTES + 1), ViolationKind.OVERSIZE),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", ViolationKind.OVERSIZE),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * (MAX_HEAD_BYTES + 1),
            ViolationKind.OVERSIZE,
        ),
        (WITH_LENGTH + b"x", ViolationKind.ORDER),
    ],
)
def test_invalid_response_is_refused(stream: bytes, kind: ViolationKind) -> None:
    with pytest.raises(HttpError) as caught:
        HttpResponseParser().receive(stream)
    assert caught.value.kind is kind


@pytest.mark.parametrize("head", [b"", b"Transfer-Encoding: chunked\r\n"])
def test_endless_body_is_refused(head: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_response, "MAX_BODY_BYTES", 1_000)
    parser = HttpResponseParser()
    parser.receive(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n")
    chunks = [parser.receive(b"a\r\n0123456789\r\n") for _ in range(60)]
    assert chunks == [None] * 60
    with pytest.raises(HttpError):
        parser.receive(b"a\r\n0123456789\r\n" * 50)


@given(st.binary())
def test_any_bytes_are_parsed_or_raise_http_error(stream: bytes) -> None:
    try:
        HttpResponseParser().receive(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + stream)
    except HttpError:
        return

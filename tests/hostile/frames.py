"""Frames and packets that violate the protocol, each with its close code (contract, Errors and endings)."""

from __future__ import annotations

import struct
from typing import NamedTuple

from chatws.wire.frames import Opcode, client_frame, close_payload

MASK = b"abcd"
TERABYTE = b"\x81\xff" + struct.pack("!Q", 2**40) + MASK


class HostileFrames(NamedTuple):
    """Input sent over one WebSocket: text, a binary message, or with ``is_raw`` bytes for the TCP connection."""

    sent: tuple[str | bytes, ...]
    code: int = 1002
    is_connected: bool = True
    is_raw: bool = False


def _text(*sent: str | bytes, code: int = 1002) -> HostileFrames:
    return HostileFrames(sent, code)


def _early(*sent: str | bytes) -> HostileFrames:
    return HostileFrames(sent, is_connected=False)


def _raw(*sent: bytes, code: int = 1002) -> HostileFrames:
    return HostileFrames(sent, code, is_raw=True)


ENGINE_PACKETS = {
    "empty frame": _text(""),
    "letter": _text("a"),
    "space": _text(" "),
    "null character": _text("\x00"),
    "packet type 7": _text("7"),
    "Arabic digit": _text("\u0664\u0662"),
    "superscript digit": _text("\u00b2"),
    "OPEN of a client": _text('0{"sid":"x"}'),
    "PING of a client": _text("2"),
    "probe without upgrade": _text("2probe"),
    "UPGRADE without probe": _text("5"),
    "separator of polling": _text('42["echo"]\x1e42["echo"]'),
    "unannounced binary": _text(b"\x04\x00"),
    "empty binary": _text(b""),
    "frame of 64 KiB and a byte": _text("4" * 65_537, code=1009),
}

SOCKET_PACKETS = {
    "MESSAGE without packet": _text("4"),
    "packet type letter": _text("4abc"),
    "packet type 7 in MESSAGE": _text("47"),
    "packet type 9 in MESSAGE": _text('49["echo"]'),
    "second CONNECT": _text("40"),
    "second CONNECT with credentials": _text('40{"sessionId":"other"}'),
    "CONNECT_ERROR of a client": _text('44{"message":"x"}'),
    "CONNECT with an array": _text("40[]"),
    "CONNECT with a string": _text('40"token"'),
    "CONNECT with a cut object": _text('40{"token":'),
    "CONNECT with two objects": _text("40/x,{}{}"),
    "CONNECT with an ack id": _text("40/x,7{}"),
    "namespace of 129 characters": _text("40/" + "n" * 129 + ","),
    "DISCONNECT with a payload": _text("41{}"),
    "DISCONNECT of an unknown namespace": _text("41/other,"),
    "event before CONNECT": _early('42["send_message",{}]'),
    "ack before CONNECT": _early("431[]"),
    "DISCONNECT before CONNECT": _early("41"),
    "binary before CONNECT": _early(b"x"),
    "garbage before CONNECT": _early("GET / HTTP/1.1"),
    "CONNECT nested 33 levels": _early('40{"a":' + "[" * 32 + "]" * 32 + "}"),
    "CONNECT with 1,001 values": _early('40{"a":[' + "1," * 999 + "1]}"),
    "event of an unknown namespace": _text('42/other,["echo"]'),
    "ack of an unknown namespace": _text("43/other,1[]"),
    "ack without id": _text("43[]"),
    "ack with an object": _text("431{}"),
    "ack with nothing": _text("431"),
    "ack that is cut": _text("431["),
    "attachments while disabled": _text('451-["echo",{"_placeholder":true,"num":0}]'),
    "attachment bomb": _text('459999999999-["echo"]'),
    "attachments without a count": _text('45["echo"]'),
    "attachments counted minus one": _text('45-1-["echo"]'),
    "binary ack": _text("461-1[]"),
    "attachments on an event": _text('421-["echo"]'),
}

EVENTS = {
    "event without payload": _text("42"),
    "event with an object": _text("42{}"),
    "event with a brace": _text("42{"),
    "event with a string": _text('42"send_message"'),
    "event without a name": _text("42[]"),
    "event named by a number": _text("42[1]"),
    "event named by null": _text("42[null]"),
    "event named by a list": _text('42[["send_message"]]'),
    "event that is cut": _text('42["send_message",{"content":"'),
    "event with a comma too many": _text('42["send_message",]'),
    "event with more behind it": _text('42["send_message"][]'),
    "event with NaN": _text('42["send_message",NaN]'),
    "event with Infinity": _text('42["send_message",-Infinity]'),
    "event with a leading zero": _text('42["send_message",01]'),
    "event with a hexadecimal number": _text('42["send_message",0x10]'),
    "event in single quotes": _text("42['send_message']"),
    "event with a comment": _text('42["send_message"/**/]'),
    "event with a lone surrogate": _text('42["send_message","\\ud800"]'),
    "event with a raw newline in a string": _text('42["send_message","a\nb"]'),
    "event with a broken escape": _text('42["send_message","\\x41"]'),
    "event nested 33 levels": _text('42["e",' + "[" * 32 + "]" * 32 + "]"),
    "event nested 900 levels": _text('42["e",' + "[" * 900 + "]" * 900 + "]"),
    "event nested 30,000 levels": _text('42["e",' + "[" * 30_000 + "]" * 30_000 + "]"),
    "event of 30,000 opening brackets": _text("42" + "[" * 30_000),
    "event nested in objects": _text('42["e",' + '{"a":' * 40 + "1" + "}" * 40 + "]"),
    "event of 1,001 values": _text('42["e"' + ",1" * 999 + "]"),
    "event of 20,000 empty lists": _text('42["e"' + ",[]" * 20_000 + "]"),
    "ack of 2,000 values": _text("431[0" + ",1" * 2_000 + "]"),
    "ack id of 17 digits": _text('4212345678901234567["echo"]'),
    "ack id above 2^53": _text('429007199254740992["echo"]'),
    "ack id of 100 digits": _text("42" + "9" * 100 + '["echo"]'),
    "ack id in Arabic": _text('42\u0664["echo"]'),
    "ack id in superscript": _text('42\u00b2["echo"]'),
    "ack id minus one": _text('42-1["echo"]'),
    "ack id of letters": _text('42abc["echo"]'),
    "reserved connect": _text('421["connect",{"REMOTE_ADDR":"6.6.6.6"},{"token":"forged"}]'),
    "reserved connect_error": _text('421["connect_error"]'),
    "reserved disconnect": _text('421["disconnect","x"]'),
    "reserved disconnecting": _text('421["disconnecting"]'),
    "reserved newListener": _text('421["newListener"]'),
    "reserved removeListener": _text('421["removeListener"]'),
    "reserved name in escapes": _text('421["\\u0063onnect"]'),
}

WEBSOCKET_FRAMES = {
    "text that is not UTF-8": _raw(client_frame(b'42["\xff"]', MASK), code=1007),
    "text that is a UTF-16 surrogate": _raw(client_frame(b"4\xed\xa0\x80", MASK), code=1007),
    "text that ends within a character": _raw(client_frame(b'42["\xe2\x82', MASK), code=1007),
    "reserved bit": _raw(b"\xc1\x80" + MASK),
    "compressed without agreement": _raw(b"\xc1\x83" + MASK + b"\x00\x00\x00"),
    "unknown opcode": _raw(b"\x83\x80" + MASK),
    "unknown control opcode": _raw(b"\x8b\x80" + MASK),
    "continuation of nothing": _raw(client_frame(b"x", MASK, Opcode.CONTINUATION)),
    "new message within a message": _raw(client_frame(b"4", MASK, is_last=False), client_frame(b"4", MASK)),
    "ping in fragments": _raw(client_frame(b"x", MASK, Opcode.PING, is_last=False)),
    "ping of 126 bytes": _raw(client_frame(bytes(126), MASK, Opcode.PING)),
    "close of one byte": _raw(client_frame(b"\x03", MASK, Opcode.CLOSE)),
    "close with code 999": _raw(client_frame(close_payload(999), MASK, Opcode.CLOSE)),
    "close with a reason that is not UTF-8": _raw(client_frame(b"\x03\xe8\xff", MASK, Opcode.CLOSE), code=1007),
    "announced terabyte": _raw(TERABYTE, code=1009),
    "megabyte": _raw(client_frame(bytes(1_000_000), MASK), code=1009),
    "fragments above the limit": _raw(
        client_frame(bytes(40_000), MASK, is_last=False),
        client_frame(bytes(40_000), MASK, Opcode.CONTINUATION),
        code=1009,
    ),
}

FRAMES = ENGINE_PACKETS | SOCKET_PACKETS | EVENTS | WEBSOCKET_FRAMES

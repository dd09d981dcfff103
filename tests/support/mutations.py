"""Randomly mutated packets."""

from __future__ import annotations

import random

SEEDS = (
    b'421["echo",{"a":[1,2.5,null,true],"b":"\xe2\x82\xac"}]',
    b'42["send_message",{"conversationId":"conv-1","content":"hello","clientMessageId":"m-1"}]',
    b'42/chat,17["join_conversation","conv-1"]',
    b'42["connect",{}]',
    b'451-["echo",{"_placeholder":true,"num":0}]',
    b'461-/chat,3[{"_placeholder":true,"num":0}]',
    b'40{"token":"eyJhbGciOiJIUzI1NiJ9.e30.x"}',
    b"40/chat,",
    b"41/chat,",
    b'431["ok",{}]',
    b'44{"message":"no"}',
    b"3",
    b"1",
    b"2probe",
    b"bAQIDBA==",
    b'42["a"]\x1e3\x1e42["b"]',
)
_ALPHABET = b'0123456789-[]{}",/:\\abcntu. _+=eE\x1e\x00\x7f\x80\xc3\xed\xa0\xf0\xff'


def mutate(rng: random.Random) -> bytes:
    """Return one of the seeds after one to six random replacements, insertions, deletions or repetitions."""
    packet = bytearray(rng.choice(SEEDS))
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(packet) + 1)
        match rng.randrange(5):
            case 0:
                packet[at : at + 1] = bytes((rng.choice(_ALPHABET),))
            case 1:
                packet.insert(at, rng.choice(_ALPHABET))
            case 2:
                del packet[at : at + rng.randint(1, 4)]
            case 3:
                packet[at:at] = packet[at : at + rng.randint(1, 12)] * rng.randint(1, 3)
            case _:
                packet += rng.choice(SEEDS)[: rng.randint(0, 9)]
    return bytes(packet)

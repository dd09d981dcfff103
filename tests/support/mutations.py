"""Packets that were right once."""

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


def mutate(dice: random.Random) -> bytes:
    """Give one of the seeds with one to six bytes replaced, put in, taken out, doubled, or cut off."""
    packet = bytearray(dice.choice(SEEDS))
    for _ in range(dice.randint(1, 6)):
        at = dice.randrange(len(packet) + 1)
        match dice.randrange(5):
            case 0:
                packet[at : at + 1] = bytes((dice.choice(_ALPHABET),))
            case 1:
                packet.insert(at, dice.choice(_ALPHABET))
            case 2:
                del packet[at : at + dice.randint(1, 4)]
            case 3:
                packet[at:at] = packet[at : at + dice.randint(1, 12)] * dice.randint(1, 3)
            case _:
                packet += dice.choice(SEEDS)[: dice.randint(0, 9)]
    return bytes(packet)

"""Contents of the simulated users' messages: each names its origin and varies, to reveal changes on the way."""

from __future__ import annotations

import re
from itertools import cycle, islice
from random import Random
from typing import Final, NamedTuple

BODIES: Final = 64
"""Different texts of one process, used in turn."""

LONG_FACTOR: Final = 12
"""One text is longer than the average by this factor; servers with a short limit truncate it."""

ORIGIN_CHARS: Final = 24
"""Usual length of the origin at the beginning of a content."""

FILLER: Final = "the quick brown fox jumps over the lazy dog, "
SPECIAL: Final = (
    "\"double\" 'single' `back` \\n \\\\ \\u0041 /",
    '{"json": [1, null, true], "end": "}"}',
    "<b>bold</b> & <script>1 < 2</script> &amp; &lt;",
    "first line\nsecond line\n\n\ttabbed line",
    "%s %d ${name} {{name}} $(name) ' OR 1=1 --",
    "Grüße, naïve café, Zażółć gęślą jaźń",
    "cafe\u0301 and o\u0308, not composed",
    "你好世界。こんにちは 안녕하세요",
    "مرحبا بالعالم, שלום עולם",
    "👍🏽 👨\u200d👩\u200d👧 🎉 🏴",
)
"""Parts that servers change by wrong escaping, decoding, normalizing or filtering."""


class MessageOrigin(NamedTuple):
    """Room, sender and number of a message, as its content names them."""

    room: int
    sender: int
    number: int


class MessageContents:
    """Composer of one load process's contents, which depend on ``tag``, ``seed`` and the origin only."""

    def __init__(self, tag: str, *, seed: int, mean_chars: int, run_tag: str = "") -> None:
        """Create a composer; ``run_tag`` is the prefix that the tags of all processes of the run share."""
        rng = Random(seed)
        body_chars = max(1, mean_chars - ORIGIN_CHARS)
        # Every third text has a special part, so that most of the traffic is as cheap as plain text.
        self._bodies = [
            _make_body(rng, body_chars, SPECIAL[index // 3 % len(SPECIAL)] if index % 3 == 0 else "")
            for index in range(BODIES - 1)
        ]
        self._bodies.append(_fill("", body_chars * LONG_FACTOR))
        self._tag = tag
        self._of_run = re.compile(rf"{re.escape(run_tag or tag)}[a-z0-9]*-\d+-\d+-\d+-")

    def compose(self, room: int, sender: int, number: int) -> str:
        """Return the content of a message."""
        return f"{self._tag}-{room}-{sender}-{number}-{self._bodies[number % BODIES]}"

    def is_of_run(self, content: str) -> bool:
        """Return whether a content names an origin in any process of the run."""
        return self._of_run.match(content) is not None


def read_origin(content: str, tag: str) -> MessageOrigin | None:
    """Read the origin that a content names; None if it is not of this process or cannot be read."""
    prefix = f"{tag}-"
    if not content.startswith(prefix):
        return None
    fields = content[len(prefix) :].split("-", 3)[:3]
    if len(fields) < 3 or not all(field.isascii() and field.isdigit() for field in fields):  # noqa: PLR2004  fields
        return None
    return MessageOrigin(*map(int, fields))


def _make_body(rng: Random, mean_chars: int, special: str) -> str:
    return _fill(special, round(mean_chars * rng.uniform(0.5, 1.5)))


def _fill(special: str, chars: int) -> str:
    """Lengthen a text to this number of characters; the end is a full stop, because servers may trim white space."""
    filler = "".join(islice(cycle(FILLER), max(0, chars - len(special) - 2)))
    return f"{special} {filler}".strip() + "."

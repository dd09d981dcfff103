"""Contents of the simulated users' messages: each names its origin and varies, to reveal changes on the way."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import cycle, islice
from random import Random
from typing import Final, NamedTuple

from chatws.protocol.limits import MAX_CONTENT_CHARS

BODIES: Final = 64
"""Different texts of one process, used in turn."""

LONG_FACTOR: Final = 12
"""One text is longer than the average by this factor; servers with a short limit truncate it."""

ORIGIN_CHARS: Final = 24
"""Usual length of the origin at the beginning of a content."""

MAX_BODY_CHARS: Final = MAX_CONTENT_CHARS - 40
"""Longest text, which leaves space for a long origin: the server refuses longer contents."""

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

    def __init__(
        self,
        tag: str,
        *,
        seed: int,
        mean_chars: int,
        lengths: Sequence[tuple[int, int]] = (),
        run_tag: str = "",
    ) -> None:
        """Create a composer; ``run_tag`` is the prefix that the tags of all processes of the run share.

        ``lengths`` are pairs of characters and percent that replace the lengths around ``mean_chars``.
        """
        rng = Random(seed)
        self._bodies = _bodies_of_lengths(rng, lengths) if lengths else _bodies_of_mean(rng, mean_chars)
        self._count = len(self._bodies)
        self._tag = tag
        # Length of contents by number, where it was set.
        self._lengths: dict[int, int] = {}
        self._of_run = re.compile(rf"{re.escape(run_tag or tag)}[a-z0-9]*-\d+-\d+-\d+-")

    def set_length(self, number: int, chars: int) -> None:
        """Give a message this length, as far as its origin permits."""
        self._lengths[number] = chars

    def compose(self, room: int, sender: int, number: int) -> str:
        """Return the content of a message."""
        origin = f"{self._tag}-{room}-{sender}-{number}-"
        if number in self._lengths:
            chars = max(1, min(self._lengths[number] - len(origin), MAX_BODY_CHARS))
            return f"{origin}{''.join(islice(cycle(FILLER), chars - 1))}."
        return origin + self._bodies[number % self._count]

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


def _bodies_of_mean(rng: Random, mean_chars: int) -> list[str]:
    body_chars = max(1, mean_chars - ORIGIN_CHARS)
    bodies = [_fill(_special(index), round(body_chars * rng.uniform(0.5, 1.5))) for index in range(BODIES - 1)]
    return [*bodies, _fill("", body_chars * LONG_FACTOR)]


def _bodies_of_lengths(rng: Random, lengths: Sequence[tuple[int, int]]) -> list[str]:
    """Return one body for each percent of the messages, in random order."""
    sizes = [max(1, chars - ORIGIN_CHARS) for chars, percent in lengths for _ in range(percent)]
    rng.shuffle(sizes)
    return [
        # A special part that does not fit would change the length.
        _fill(_special(index) if len(_special(index)) + 2 <= chars else "", chars)
        for index, chars in enumerate(sizes)
    ]


def _special(index: int) -> str:
    # Every third text has a special part, so that most of the traffic is as cheap as plain text.
    return SPECIAL[index // 3 % len(SPECIAL)] if index % 3 == 0 else ""


def _fill(special: str, chars: int) -> str:
    """Lengthen a text to this number of characters; the end is a full stop, because servers may trim white space."""
    filler = "".join(islice(cycle(FILLER), max(0, min(chars, MAX_BODY_CHARS) - len(special) - 2)))
    return f"{special} {filler}".strip() + "."

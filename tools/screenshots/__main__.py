"""Command line: ``python -m tools.screenshots [terminal] [report] [pages]``; all of them without arguments.

The README's images in ``docs/images`` are overwritten. All screenshots of pages go to ``build/screenshots``.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tools.screenshots import pages, report, terminal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

ROOT = Path(__file__).parent.parent.parent
IMAGES = ROOT / "docs" / "images"
BUILD = ROOT / "build" / "screenshots"

SUBJECTS: dict[str, Callable[[], Awaitable[None]]] = {
    "terminal": lambda: terminal.draw(IMAGES / "terminal.svg"),
    "report": lambda: report.draw(IMAGES / "report.png"),
    "pages": lambda: pages.draw(BUILD, IMAGES / "test-page.png"),
}


async def main(arguments: Sequence[str]) -> int:
    """Take the screenshots one after the other; 2 for an unknown argument."""
    if unknown := set(arguments) - SUBJECTS.keys():
        sys.stderr.write(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(SUBJECTS)}\n")
        return 2
    for name in arguments or SUBJECTS:
        await SUBJECTS[name]()
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))

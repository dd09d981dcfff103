"""Self-contained HTML page of a recording: a column per client and server, each message a line to each screen."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from chatws_loadtest.chatlog_timeline.timeline_content import MAX_EXPLAINED, make_content
from chatws_loadtest.report.page_parts import begin_page
from chatws_loadtest.text_summary import count

if TYPE_CHECKING:
    from chatws_loadtest.chatlog.analysis import ChatlogAnalysis
    from chatws_loadtest.chatlog.reader import Chatlog

FOLDER: Final = Path(__file__).parent


def write_page(log: Chatlog, found: ChatlogAnalysis) -> str:
    """Return the content of the page."""
    style = (FOLDER / "page.css").read_text(encoding="utf-8")
    script = (FOLDER / "page.js").read_text(encoding="utf-8")
    title = f"Timeline of {log.header.url}"
    # `<` is escaped, so that no text ends the element.
    content = msgspec.json.encode(make_content(found, MAX_EXPLAINED)).decode().replace("<", "\\u003c")
    people = len({row.person for row in found.connections.values()})
    facts = [
        f"recorded by chatws {log.header.source} at {log.header.created_at}",
        f"{found.ends_s - found.begins_s:.1f} s",
        count(people, "person") if people == 1 else f"{people} people",
        count(len(found.rooms), "room"),
        count(len(found.messages), "message"),
        *(["cut off: the recording tool was killed"] if log.is_cut else []),
    ]
    return "\n".join(
        [
            *begin_page(title, more_style=style, script=script),
            f"<h1>{escape(title)}</h1><p>{escape(', '.join(facts))}</p>",
            (FOLDER / "page_body.html").read_text(encoding="utf-8"),
            f'<script type="application/json" id="content">{content}</script>',
            f"<script>{script}</script>",
            "</body></html>\n",
        ]
    )

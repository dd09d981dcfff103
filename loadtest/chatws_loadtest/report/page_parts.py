"""Parts that the pages share: head with style, and tables."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from html import escape
from typing import Final

STYLE: Final = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2, h3 { line-height: 1.2; } h2 { margin-top: 3rem; border-top: 2px solid var(--line); padding-top: 1rem; }
table { border-collapse: collapse; margin: 1rem 0; } caption { text-align: left; font-weight: 600; }
th, td { padding: .2rem .8rem .2rem 0; text-align: right; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child, td.text { text-align: left; }
.pass { color: #1a7f37; } .fail { color: #cf222e; font-weight: 700; } .invalid { color: #9a6700; font-weight: 700; }
.verdict { font-size: 1.4rem; padding: .6rem 1rem; background: var(--soft); border-left: .4rem solid; }
figure { margin: 1.5rem 0; } figcaption { font-weight: 600; } svg { width: 100%; } svg text { font-size: 11px; }
svg text, svg .grid { fill: currentColor; } svg .grid { stroke: var(--line); }
svg .line { fill: none; stroke-width: 2; stroke-linecap: round; }
svg .limit { stroke: #cf222e; stroke-dasharray: 4 3; } svg text.limit { stroke: none; fill: #cf222e; }
svg .mark { stroke: currentColor; stroke-dasharray: 1 2; } svg.key { width: 24px; height: 12px; stroke-width: 2; }
code { overflow-wrap: anywhere; }
""".strip()


def begin_page(title: str, *, more_style: str = "", script: str = "") -> list[str]:
    """Return the start of a page without external resources, up to the start of its body.

    The page may run only ``script``, which its body has to contain in one element.
    """
    style = STYLE + more_style
    policy = f"default-src 'none'; style-src 'sha256-{_digest(style)}'"
    if script:
        policy += f"; script-src 'sha256-{_digest(script)}'"
    return [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title><style>{style}</style></head><body>",
    ]


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def table(caption: str, head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a table; the cells of ``rows`` are HTML."""
    header = "".join(f"<th>{cell}</th>" for cell in head)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><caption>{caption}</caption><tr>{header}</tr>{body}</table>"

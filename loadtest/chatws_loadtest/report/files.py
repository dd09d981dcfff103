"""Writer of all files of a report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from chatws_loadtest.report.bench import write_bench
from chatws_loadtest.report.html import write_html
from chatws_loadtest.report.junit import write_junit
from chatws_loadtest.results import json_schema, write_json

if TYPE_CHECKING:
    from pathlib import Path

    from chatws_loadtest.results import Report


def write_report(report: Report, folder: Path) -> None:
    """Write ``report.json`` and its schema, ``report.html``, ``junit.xml`` and ``bench.json``.

    Raises:
        OSError: the folder cannot be written to.
    """
    (folder / "report.json").write_bytes(write_json(report))
    (folder / "report.schema.json").write_bytes(msgspec.json.format(msgspec.json.encode(json_schema())) + b"\n")
    (folder / "report.html").write_text(write_html(report), encoding="utf-8")
    (folder / "junit.xml").write_bytes(write_junit(report))
    (folder / "bench.json").write_bytes(write_bench(report))

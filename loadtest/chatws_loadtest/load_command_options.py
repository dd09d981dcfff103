"""Options of the commands that generate load: ``chatws loadtest`` and ``chatws replay``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chatws.client.gevent.transport_choice import TransportChoice
from chatws.command_numbers import require_finite

Drain = Annotated[
    float,
    typer.Option(
        metavar="SECONDS", min=0, callback=require_finite, help="Seconds to wait for missing acks and messages."
    ),
]
TransportOption = Annotated[
    TransportChoice,
    typer.Option(help="Transport; upgrade polls first, mix divides the users among all three."),
]
Connects = Annotated[
    float, typer.Option(metavar="N", min=1, max=1000, callback=require_finite, help="New connections per second.")
]
Processes = Annotated[int, typer.Option(metavar="N", min=1, max=64, help="Number of processes that generate the load.")]
ReportFolder = Annotated[
    Path | None, typer.Option(help="Folder for report.html, report.json and others.", metavar="DIR")
]
ReportAsJson = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]
ResultOnly = Annotated[bool, typer.Option("--quiet", help="Print the result only.")]

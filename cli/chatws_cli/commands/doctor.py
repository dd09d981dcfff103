"""``chatws doctor``: check the environment of a server."""

from __future__ import annotations

from typing import Annotated

import typer

from chatws.exit_codes import ExitCode
from chatws_cli.lazy_group import make_app
from chatws_cli.options import DataDir, data_dir_settings
from chatws_cli.output import print_json

app = make_app()


@app.command(epilog="Example: chatws doctor --port 3000")
def doctor(
    port: Annotated[int | None, typer.Option(metavar="PORT", min=1, max=65_535, help="Port for the server.")] = None,
    data_dir: DataDir = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check whether this machine can run a server. Exit code 1 if something is broken.

    The checks cover port, data directory, database, secret, browser assets and terminal; they change nothing.
    """
    from chatws_cli.doctor_checks import run_checks

    settings = data_dir_settings(data_dir)
    findings = run_checks(settings, settings.port if port is None else port)
    is_healthy = all(finding.state != "broken" for finding in findings)
    if as_json:
        print_json({"ok": is_healthy, "findings": [finding._asdict() for finding in findings]})
    else:
        for finding in findings:
            advice = f"; {finding.advice}" if finding.advice else ""
            print(f"{finding.state:<7} {finding.name:<15} {finding.what}{advice}")
    raise typer.Exit(int(ExitCode.DONE if is_healthy else ExitCode.FAILED))

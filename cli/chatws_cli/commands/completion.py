"""``chatws completion``: completion in shells."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from chatws_cli.lazy_group import make_app

app = make_app()


@app.command(epilog="Example: source <(chatws completion bash); add it to ~/.bashrc to keep it")
def completion(
    shell: Annotated[Literal["bash", "zsh", "fish"], typer.Argument(help="Shell to complete in.")],
) -> None:
    """Print a script for shell completion of commands and options."""
    from typer.completion import get_completion_script  # type: ignore[attr-defined]  # re-exported implicitly

    print(get_completion_script(prog_name="chatws", complete_var="_CHATWS_COMPLETE", shell=shell))

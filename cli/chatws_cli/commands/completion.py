"""``chatws completion``: the shell's Tab."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from chatws_cli.lazy_group import make_app

app = make_app()


@app.command(epilog="Example: source <(chatws completion bash); in ~/.bashrc, too, to have it always")
def completion(
    shell: Annotated[Literal["bash", "zsh", "fish"], typer.Argument(help="The shell it is for.")],
) -> None:
    """Print the script that lets a shell complete commands and options."""
    from typer.completion import get_completion_script  # type: ignore[attr-defined]  # re-exported without saying so

    print(get_completion_script(prog_name="chatws", complete_var="_CHATWS_COMPLETE", shell=shell))

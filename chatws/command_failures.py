"""Exceptions that end a command, as an exit code and, unless the reader of the output has gone, a line for the user."""

from __future__ import annotations

import errno
from typing import Final

from chatws.exit_codes import ExitCode
from chatws.standard_streams import abandon_stdout

_OUTPUT_ERRORS: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""Errors of a write; those of standard output name no file."""


def explain_failure(problem: Exception, debug_option: str) -> tuple[str, ExitCode]:
    """Return the line and the exit code for an exception that the command itself has not translated.

    After an error of standard output, the rest of the output is discarded. ``debug_option`` shows tracebacks.
    """
    if isinstance(problem, OSError) and problem.filename is not None:
        return f"{problem.filename} cannot be used: {problem.strerror}", ExitCode.FAILED
    if isinstance(problem, OSError) and problem.errno in _OUTPUT_ERRORS:
        abandon_stdout()
        return f"the output cannot be written: {problem.strerror}", ExitCode.FAILED
    if isinstance(problem, UnicodeEncodeError | UnicodeDecodeError):
        # Bytes that are not UTF-8 become lone surrogates in arguments and input, and fail when they are used.
        return "an argument, the input or a file is not UTF-8 text", ExitCode.USAGE
    line = f"this is a bug: {type(problem).__name__}: {problem}; run it again with {debug_option}"
    return line, ExitCode.FAILED


def translate_exit(end: SystemExit) -> SystemExit:
    """Return the exit that Typer should have raised: it turns a ``BrokenPipeError`` into exit code 1.

    After such an error, the rest of the output is discarded.
    """
    if isinstance(end.__context__, BrokenPipeError):
        abandon_stdout()
        return SystemExit(ExitCode.BROKEN_PIPE)
    return end

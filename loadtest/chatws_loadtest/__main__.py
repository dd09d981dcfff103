"""Runs ``chatws loadtest`` as a program of its own, so that nothing it needs is loaded by the other commands."""

from __future__ import annotations

from chatws_loadtest.command import main

if __name__ == "__main__":
    main()
